with cases as (
    select
        *,
        closed_on is null or closed_on > {{ as_of() }} as is_open,
        {{ days_between('opened_on', as_of()) }} as age_days
    from {{ ref('int_cases_attributed') }}
),

answers as (
    select * from {{ ref('stg_behaviour__survey_answers') }}
),

customer_keys as (
    select * from {{ ref('stg_pipeline__customer_keys') }}
    where entity = 'contact'
),

identifiers as (
    select * from {{ ref('stg_pipeline__known_identifiers') }}
    where customer_id is not null and id_type = 'email' and country_code = ''
),

summed_cases as (
    select
        customer_id,
        count(case when age_days < 365 then 1 end) as case_count_365d,
        count(case when is_complaint and age_days < 90 then 1 end) as complaint_count_90d,
        count(case when is_open then 1 end) as open_case_count,
        count(case when is_open and is_complaint then 1 end) as open_complaint_count,
        max(opened_on) as last_case_on
    from cases
    group by customer_id
),

keyed_answers as (
    select
        coalesce(customer_keys.customer_id, identifiers.customer_id) as customer_id,
        answers.question_type,
        answers.score,
        answers.responded_on,
        row_number() over (
            partition by coalesce(customer_keys.customer_id, identifiers.customer_id), answers.question_type
            order by
                answers.responded_at desc,
                answers.source asc,
                answers.source_account_id asc,
                answers.answer_source_id asc
        ) as recency_rank
    from answers
    left join customer_keys
        on
            answers.source = customer_keys.source
            and answers.source_account_id = customer_keys.source_account_id
            and answers.contact_source_id = customer_keys.source_record_id
    left join identifiers on answers.email = identifiers.raw_value
    where answers.question_type in ('nps', 'csat') and answers.score is not null
),

latest_answers as (
    select
        customer_id,
        max(
            case
                when question_type = 'nps' and {{ days_between('responded_on', as_of()) }} < 365 then score
            end
        ) as nps_score,
        max(
            case
                when question_type = 'csat' and {{ days_between('responded_on', as_of()) }} < 90 then score
            end
        ) as csat_score,
        max(responded_on) as last_survey_on
    from keyed_answers
    where recency_rank = 1 and customer_id is not null
    group by customer_id
),

summed as (
    select
        coalesce(summed_cases.customer_id, latest_answers.customer_id) as customer_id,
        summed_cases.case_count_365d,
        summed_cases.complaint_count_90d,
        summed_cases.open_case_count,
        summed_cases.open_complaint_count,
        summed_cases.last_case_on,
        latest_answers.nps_score,
        latest_answers.csat_score,
        latest_answers.last_survey_on
    from summed_cases
    full outer join latest_answers on summed_cases.customer_id = latest_answers.customer_id
)

select * from summed
