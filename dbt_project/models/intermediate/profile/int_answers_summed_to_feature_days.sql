with customers as (
    select * from {{ ref('int_customers_sampled_to_feature_days') }}
),

answers as (
    select * from {{ ref('int_answers_attributed') }}
),

-- The latest of those that had been given by the end of the day.
ranked as (
    select
        customers.customer_id,
        customers.feature_on,
        answers.question_type,
        answers.score,
        {{ days_between('answers.responded_on', 'customers.feature_on') }} as age_days,
        row_number() over (
            partition by customers.customer_id, customers.feature_on, answers.question_type
            order by
                answers.responded_at desc, answers.source asc, answers.source_account_id asc,
                answers.answer_source_id asc
        ) as recency_rank
    from customers
    inner join answers
        on customers.customer_id = answers.customer_id and customers.feature_on >= answers.responded_on
),

summed as (
    select
        customer_id,
        feature_on,
        max(case when question_type = 'nps' and age_days < 365 then score end) as nps_score,
        max(case when question_type = 'csat' and age_days < 90 then score end) as csat_score
    from ranked
    where recency_rank = 1
    group by customer_id, feature_on
)

select * from summed
