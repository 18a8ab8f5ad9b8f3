with orders as (
    select
        customer_id,
        ordered_on,
        net_margin_amount,
        {{ month_of('ordered_on') }} as order_month
    from {{ ref('int_orders_completed') }}
    where customer_id is not null and is_counted
),

run as (
    select * from {{ ref('stg_rules__run') }}
),

firsts as (
    select
        customer_id,
        min(order_month) as cohort_month
    from orders
    group by customer_id
),

cohorts as (
    select
        cohort_month,
        count(*) as customer_count
    from firsts
    group by cohort_month
),

-- A month in which nobody of a cohort ordered is nought, not missing.
months as (
    select
        cohorts.cohort_month,
        cohorts.customer_count,
        {{ list_elements(months_between('cohorts.cohort_month', month_of('run.as_of'))) }} as order_month
    from cohorts
    cross join run
),

active as (
    select
        firsts.cohort_month,
        orders.order_month,
        count(distinct orders.customer_id) as active_count,
        count(*) as order_count,
        sum(orders.net_margin_amount) as net_margin_amount
    from orders
    inner join firsts on orders.customer_id = firsts.customer_id
    group by firsts.cohort_month, orders.order_month
),

counted as (
    select
        months.cohort_month,
        cast(months.order_month as date) as order_month,
        {{ months_apart('months.cohort_month', 'months.order_month') }} as months_since,
        run.as_of,
        months.customer_count,
        coalesce(active.active_count, 0) as active_count,
        coalesce(active.order_count, 0) as order_count,
        cast(coalesce(active.net_margin_amount, 0) as decimal(18, 4)) as net_margin_amount,
        {{ days_between(months_after(1, 'months.order_month'), 'run.as_of') }} >= -1 as is_whole_month
    from months
    cross join run
    left join active
        on months.cohort_month = active.cohort_month and cast(months.order_month as date) = active.order_month
),

cohort_months as (
    select
        cohort_month,
        months_since,
        as_of,
        order_month,
        is_whole_month,
        customer_count,
        active_count,
        {{ share('active_count', 'customer_count') }} as retention_rate,
        order_count,
        net_margin_amount,
        cast(
            sum(net_margin_amount) over (
                partition by cohort_month order by months_since rows between unbounded preceding and current row
            ) as decimal(18, 4)
        ) as net_margin_so_far_amount
    from counted
),

cohorts_valued as (
    select
        cohort_month,
        months_since,
        as_of,
        order_month,
        is_whole_month,
        customer_count,
        active_count,
        retention_rate,
        order_count,
        net_margin_amount,
        net_margin_so_far_amount,
        cast(round(cast(net_margin_so_far_amount as double) / customer_count, 4) as decimal(18, 4))
            as net_margin_so_far_per_customer_amount
    from cohort_months
)

select * from cohorts_valued
order by cohort_month, months_since
