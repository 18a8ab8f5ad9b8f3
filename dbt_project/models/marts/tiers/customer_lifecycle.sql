{%- set texts = [
    ('order_count', 'fitted.order_count'), ('order_count_365d', 'fitted.order_count_365d'),
    ('days_since_last_order', 'fitted.days_since_last_order'),
    ('returned_from_churn_on', 'fitted.returned_from_churn_on'),
    ('vip_band_label', 'fitted.vip_band_label'), ('vip_band_label_zh', 'fitted.vip_band_label_zh'),
] -%}
{%- set numbers = [
    ('rhythm_days', 'fitted.rhythm_days'), ('rhythm_ratio', 'fitted.rhythm_ratio'),
    ('rhythm_above', 'fitted.rhythm_above'), ('rhythm_to', 'fitted.rhythm_to'),
] -%}
with customers as (
    select * from {{ ref('customer_360') }}
),

grades as (
    select * from {{ ref('customer_grades') }}
),

stages as (
    select * from {{ ref('stg_rules__lifecycle_stages') }}
),

vip_cuts as (
    select * from {{ ref('stg_rules__vip_cuts') }}
),

run as (
    select * from {{ ref('stg_rules__run') }}
),

before as (
    select * from {{ ref('stg_pipeline__previous_lifecycle_history') }}
    where valid_to_on is null
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
        grades.vip_band_label,
        grades.vip_band_label_zh,
        coalesce(vip_cuts.is_vip, false) as is_vip,
        coalesce(
            {{ days_between('customers.returned_from_churn_on', 'run.as_of') }} < run.won_back_days, false
        ) as is_won_back
    from customers
    cross join run
    inner join grades on customers.customer_id = grades.customer_id
    left join vip_cuts on grades.vip_band = vip_cuts.band
),

-- The first rule that fits is the stage.
fitted as (
    select
        measured.*,
        stages.priority,
        stages.stage,
        stages.label,
        stages.label_zh,
        stages.reason,
        stages.reason_zh,
        stages.rhythm_above,
        stages.rhythm_to,
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
        fitted.customer_id,
        fitted.as_of,
        fitted.stage as lifecycle_stage,
        fitted.label as lifecycle_stage_label,
        fitted.label_zh as lifecycle_stage_label_zh,
        -- The night on which the stage was first told: the interval that goes on tonight, or a new one.
        coalesce(before.valid_from_on, fitted.as_of) as lifecycle_stage_since_on,
        fitted.priority as rule_number,
        {{ filled_reason('fitted.reason', texts, numbers) }} as lifecycle_reason,
        {{ filled_reason('fitted.reason_zh', texts, numbers) }} as lifecycle_reason_zh,
        fitted.order_count,
        fitted.order_count_365d,
        fitted.days_since_last_order,
        fitted.rhythm_days,
        fitted.rhythm_ratio,
        fitted.returned_from_churn_on
    from fitted
    left join before on fitted.customer_id = before.customer_id and fitted.stage = before.lifecycle_stage
    where fitted.stage_rank = 1
)

select * from lifecycle
order by customer_id
