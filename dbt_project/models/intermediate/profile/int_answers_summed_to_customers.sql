with answers as (
    select * from {{ ref('stg_behaviour__survey_answers') }}
    where question_type in ('nps', 'csat') and score is not null
),

customer_keys as (
    select * from {{ ref('stg_pipeline__customer_keys') }}
    where entity = 'contact'
),

identifiers as (
    select * from {{ ref('stg_pipeline__known_identifiers') }}
    where customer_id is not null and id_type = 'email' and country_code = ''
),

-- Recommendation is asked from 0 to 10 and satisfaction from 1 to 5, unless the answer names its scale.
scaled as (
    select
        *,
        coalesce(scale_min, case when question_type = 'nps' then 0 else 1 end) as lowest,
        coalesce(scale_max, case when question_type = 'nps' then 10 else 5 end) as highest
    from answers
),

-- On one scale, so that a 7 of 7 is no better than a 5 of 5. A score beside its scale says nothing.
keyed as (
    select
        coalesce(customer_keys.customer_id, identifiers.customer_id) as customer_id,
        scaled.question_type,
        case
            when scaled.question_type = 'nps'
                then round(10 * (scaled.score - scaled.lowest) / (scaled.highest - scaled.lowest), 4)
            else round(1 + 4 * (scaled.score - scaled.lowest) / (scaled.highest - scaled.lowest), 4)
        end as score,
        scaled.score >= scaled.highest - 1 as is_in_top_two,
        scaled.source,
        scaled.source_account_id,
        scaled.answer_source_id,
        scaled.responded_at,
        scaled.responded_on,
        {{ days_between('scaled.responded_on', as_of()) }} as age_days
    from scaled
    left join customer_keys
        on
            scaled.source = customer_keys.source
            and scaled.source_account_id = customer_keys.source_account_id
            and scaled.contact_source_id = customer_keys.source_record_id
    left join identifiers on scaled.email = identifiers.raw_value
    where scaled.lowest < scaled.highest and scaled.score >= scaled.lowest and scaled.score <= scaled.highest
),

ranked as (
    select
        *,
        row_number() over (
            partition by customer_id, question_type
            order by responded_at desc, source asc, source_account_id asc, answer_source_id asc
        ) as recency_rank
    from keyed
    where customer_id is not null
),

latest as (
    select
        customer_id,
        {% for question, days in [('nps', 365), ('csat', 90)] -%}
        max(
            case when question_type = '{{ question }}' and recency_rank = 1 and age_days < {{ days }} then score end
        ) as {{ question }}_score,
        max(case when question_type = '{{ question }}' and recency_rank = 2 then score end)
            as previous_{{ question }}_score,
        max(case when question_type = '{{ question }}' then responded_on end) as last_{{ question }}_on,
        count(case when question_type = '{{ question }}' and age_days < 365 then 1 end)
            as {{ question }}_answer_count_365d,
        {% endfor -%}
        {{ share(
            "count(case when question_type = 'csat' and age_days < 90 and is_in_top_two then 1 end)",
            "count(case when question_type = 'csat' and age_days < 90 then 1 end)",
        ) }} as csat_top_two_rate_90d,
        max(responded_on) as last_survey_on
    from ranked
    group by customer_id
),

summed as (
    select
        customer_id,
        nps_score,
        case
            when nps_score >= 9 then 'promoter'
            when nps_score >= 7 then 'passive'
            when nps_score >= 0 then 'detractor'
        end as nps_class,
        round(nps_score - previous_nps_score, 4) as nps_score_change,
        nps_answer_count_365d,
        last_nps_on,
        csat_score,
        round(csat_score - previous_csat_score, 4) as csat_score_change,
        csat_top_two_rate_90d,
        csat_answer_count_365d,
        last_csat_on,
        last_survey_on
    from latest
)

select * from summed
