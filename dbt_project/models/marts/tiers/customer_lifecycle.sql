with customers as (
    select * from {{ ref('customer_360') }}
),

grades as (
    select * from {{ ref('customer_grades') }}
),

stages as (
    select * from {{ ref('stg_rules__lifecycle_stages') }}
),

run as (
    select * from {{ ref('stg_rules__run') }}
),

measured as (
    select
        customers.customer_id,
        customers.as_of,
        customers.order_count,
        customers.order_count_365d,
        customers.days_since_last_order,
        customers.rhythm_days,
        customers.rhythm_ratio,
        customers.returned_from_churn_on,
        coalesce(grades.vip_band in ('diamond', 'gold'), false) as is_vip,
        coalesce(
            {{ days_between('customers.returned_from_churn_on', 'run.as_of') }} <= run.won_back_days, false
        ) as is_won_back
    from customers
    cross join run
    inner join grades on customers.customer_id = grades.customer_id
),

-- The first rule that fits is the stage.
fitted as (
    select
        measured.*,
        stages.priority,
        stages.stage,
        stages.label,
        stages.label_zh,
        row_number() over (partition by measured.customer_id order by stages.priority) as stage_rank
    from measured
    inner join stages
        on
            measured.order_count >= stages.min_orders
            and (stages.max_orders is null or measured.order_count <= stages.max_orders)
            and measured.order_count_365d >= stages.min_orders_365d
            and coalesce(measured.rhythm_ratio, 0) > stages.rhythm_above
            and (stages.rhythm_to is null or coalesce(measured.rhythm_ratio, 0) <= stages.rhythm_to)
            and (not stages.vip_only or measured.is_vip)
            and (not stages.won_back_only or measured.is_won_back)
),

lifecycle as (
    select
        customer_id,
        as_of,
        stage as lifecycle_stage,
        label as lifecycle_stage_label,
        label_zh as lifecycle_stage_label_zh,
        priority as rule_number,
        order_count,
        order_count_365d,
        days_since_last_order,
        rhythm_days,
        rhythm_ratio,
        returned_from_churn_on
    from fitted
    where stage_rank = 1
)

select * from lifecycle
order by customer_id
