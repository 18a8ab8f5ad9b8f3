with targets as (
    select * from {{ ref('stg_pipeline__grade_targets') }}
    where aim = 'next' and ladder = 'grade'
),

grades as (
    select * from {{ ref('customer_grades') }}
),

customers as (
    select * from {{ ref('customer_360') }}
),

-- Rising is whoever orders more often than in the quarter before.
gaps as (
    select
        targets.customer_id,
        grades.as_of,
        grades.grade,
        grades.next_grade,
        grades.grade_score,
        targets.target_score,
        targets.missing_score,
        grades.next_grade_gap_points as missing_percentile_points,
        cast(targets.missing_net_margin_365d_amount as decimal(18, 4)) as missing_net_margin_365d_amount,
        targets.missing_order_count_365d,
        targets.missing_usual_order_count_365d,
        grades.is_upgrade_candidate,
        customers.order_count_90d > customers.order_count_previous_90d as is_rising,
        customers.base_currency
    from targets
    inner join grades on targets.customer_id = grades.customer_id
    inner join customers on targets.customer_id = customers.customer_id
)

select * from gaps
order by customer_id
