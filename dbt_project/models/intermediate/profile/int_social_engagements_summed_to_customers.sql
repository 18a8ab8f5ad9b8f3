with engagements as (
    select
        *,
        {{ days_between('engaged_on', as_of()) }} as age_days
    from {{ ref('int_social_engagements_attributed') }}
),

-- Decimals, so that the mean does not depend on the order of rows.
summed as (
    select
        customer_id,
        round(
            cast(sum(case when age_days < 365 then cast(sentiment_score as decimal(28, 8)) end) as double)
            / count(case when age_days < 365 then sentiment_score end), 4
        ) as sentiment_mean_365d,
        {% for label in ['positive', 'neutral', 'negative'] -%}
        count(case when age_days < 365 and sentiment_label = '{{ label }}' then 1 end)
            as {{ label }}_voice_count_365d,
        {% endfor -%}
        max(actor_followers) as social_reach_count
    from engagements
    group by customer_id
)

select * from summed
