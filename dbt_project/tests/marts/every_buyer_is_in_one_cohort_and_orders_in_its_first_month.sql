with cohorts as (
    select
        count(distinct cohort_month) as cohort_count,
        sum(customer_count) as customer_count,
        sum(active_count) as active_count
    from {{ ref('retention_cohorts') }}
    where months_since = 0
),

customers as (
    select count(*) as customer_count
    from {{ ref('customer_360') }}
    where order_count > 0
),

compared as (
    select
        cohorts.customer_count,
        cohorts.active_count,
        customers.customer_count as buyer_count
    from cohorts
    cross join customers
)

select * from compared
where coalesce(customer_count, 0) <> buyer_count or coalesce(active_count, 0) <> buyer_count
