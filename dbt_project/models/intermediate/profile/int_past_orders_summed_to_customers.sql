with order_days as (
    select * from {{ ref('int_orders_summed_to_customer_days') }}
    where is_order
),

run as (
    select * from {{ ref('stg_rules__run') }}
),

windows as (
    select 90 as days_ago
    union all
    select 365 as days_ago
),

-- What had been bought by the end of the day before each window; the window before is as long.
past_days as (
    select
        windows.days_ago,
        order_days.customer_id,
        order_days.ordered_on,
        order_days.order_count,
        lag(order_days.ordered_on) over (
            partition by windows.days_ago, order_days.customer_id order by order_days.ordered_on
        ) as previous_ordered_on,
        {{ days_between('order_days.ordered_on', 'run.as_of') }} - windows.days_ago as age_days
    from order_days
    cross join run
    cross join windows
    where {{ days_between('order_days.ordered_on', 'run.as_of') }} >= windows.days_ago
),

summed as (
    select
        days_ago,
        customer_id,
        sum(order_count) as order_count,
        sum(case when age_days < days_ago then order_count else 0 end) as order_count_in_window,
        min(age_days) as days_since_last_order,
        count(previous_ordered_on) as gap_count,
        median({{ days_between('previous_ordered_on', 'ordered_on') }}) as median_gap_days
    from past_days
    group by days_ago, customer_id
),

-- Where nobody had bought twice yet, the churn horizon stands in, as it does tonight.
base as (
    select
        summed.days_ago,
        coalesce(median(summed.median_gap_days), max(run.horizon_days)) as base_median_gap_days
    from summed
    cross join run
    group by summed.days_ago
),

measured as (
    select
        summed.customer_id,
        summed.days_ago,
        cast(summed.order_count as bigint) as order_count,
        cast(summed.order_count_in_window as bigint) as order_count_in_window,
        summed.days_since_last_order,
        round(
            summed.days_since_last_order / {{ shrunk_rhythm('summed.median_gap_days', 'summed.gap_count') }}, 4
        ) as rhythm_ratio
    from summed
    inner join base on summed.days_ago = base.days_ago
    cross join run
)

select * from measured
