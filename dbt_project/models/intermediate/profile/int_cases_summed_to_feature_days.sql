with customers as (
    select * from {{ ref('int_customers_sampled_to_feature_days') }}
),

cases as (
    select * from {{ ref('int_cases_attributed') }}
),

-- A case that was closed after the day was open at its end.
known as (
    select
        customers.customer_id,
        customers.feature_on,
        cases.is_complaint,
        cases.closed_on is null or cases.closed_on > customers.feature_on as is_open,
        {{ days_between('cases.opened_on', 'customers.feature_on') }} as age_days
    from customers
    inner join cases on customers.customer_id = cases.customer_id and customers.feature_on >= cases.opened_on
),

summed as (
    select
        customer_id,
        feature_on,
        count(case when age_days < 90 then 1 end) as case_90d_count,
        count(case when is_complaint and age_days < 90 then 1 end) as complaint_90d_count,
        count(case when is_complaint and is_open then 1 end) as open_complaint_count
    from known
    group by customer_id, feature_on
)

select * from summed
