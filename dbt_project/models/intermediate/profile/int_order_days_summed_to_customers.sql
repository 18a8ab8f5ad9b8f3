with order_days as (
    select * from {{ ref('int_orders_summed_to_customer_days') }}
    where is_order
),

run as (
    select * from {{ ref('stg_rules__run') }}
),

ordered_days as (
    select
        *,
        lag(ordered_on) over (partition by customer_id order by ordered_on) as previous_ordered_on
    from order_days
),

gaps as (
    select
        customer_id,
        ordered_on,
        net_margin_amount as margin_amount,
        {{ days_between('previous_ordered_on', 'ordered_on') }} as gap_days
    from ordered_days
),

-- What the rhythm was at each order, to tell who came back from having churned.
earlier_gaps as (
    select
        *,
        median(gap_days) over (
            partition by customer_id order by ordered_on
            rows between unbounded preceding and 1 preceding
        ) as earlier_median_gap_days,
        count(gap_days) over (
            partition by customer_id order by ordered_on
            rows between unbounded preceding and 1 preceding
        ) as earlier_gap_count
    from gaps
),

medians as (
    select
        customer_id,
        median(gap_days) as median_gap_days
    from gaps
    group by customer_id
),

-- Where nobody has bought twice yet, the churn horizon stands in.
base as (
    select coalesce(median(medians.median_gap_days), max(run.horizon_days)) as base_median_gap_days
    from medians
    cross join run
),

rhythms as (
    select
        earlier_gaps.*,
        {{ shrunk_rhythm('earlier_gaps.earlier_median_gap_days', 'earlier_gaps.earlier_gap_count') }}
            as earlier_rhythm_days
    from earlier_gaps
    cross join base
    cross join run
),

summed as (
    select
        rhythms.customer_id,
        count(*) as order_day_count,
        count(
            case when {{ days_between('rhythms.ordered_on', 'run.as_of') }} < run.horizon_days then 1 end
        ) as order_days_in_horizon_count,
        count(rhythms.gap_days) as gap_count,
        median(rhythms.gap_days) as median_gap_days,
        max_by(rhythms.gap_days, rhythms.ordered_on) as last_gap_days,
        max_by(rhythms.earlier_median_gap_days, rhythms.ordered_on) as earlier_median_gap_days,
        avg(case when rhythms.gap_days is not null then rhythms.margin_amount end) as repeat_margin_mean_amount,
        max(
            case when rhythms.gap_days > run.churned_above * rhythms.earlier_rhythm_days then rhythms.ordered_on end
        ) as returned_from_churn_on
    from rhythms
    cross join run
    group by rhythms.customer_id
),

measured as (
    select
        summed.customer_id,
        summed.order_day_count,
        summed.order_days_in_horizon_count,
        summed.gap_count,
        summed.median_gap_days,
        summed.last_gap_days,
        round(summed.last_gap_days / summed.earlier_median_gap_days, 4) as gap_trend_ratio,
        cast(summed.repeat_margin_mean_amount as decimal(18, 4)) as repeat_margin_mean_amount,
        summed.returned_from_churn_on,
        {{ shrunk_rhythm('summed.median_gap_days', 'summed.gap_count') }} as rhythm_days
    from summed
    cross join base
    cross join run
)

select * from measured
