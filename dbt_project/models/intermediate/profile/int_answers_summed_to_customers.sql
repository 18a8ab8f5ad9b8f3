with answers as (
    select
        *,
        {{ days_between('responded_on', as_of()) }} as age_days
    from {{ ref('int_answers_attributed') }}
),

ranked as (
    select
        *,
        row_number() over (
            partition by customer_id, question_type
            order by responded_at desc, source asc, source_account_id asc, answer_source_id asc
        ) as recency_rank
    from answers
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
