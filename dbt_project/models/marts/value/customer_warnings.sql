with customers as (
    select * from {{ ref('customer_360') }}
),

grades as (
    select * from {{ ref('customer_grades') }}
),

rules as (
    select * from {{ ref('stg_rules__warnings') }}
),

-- Each sign as a number that is greater the worse it is, and what there was before to lose.
signs as (
    select
        customer_id,
        'overdue' as warning,
        rhythm_ratio as value,
        order_count as lost_from
    from customers
    union all
    select
        customer_id,
        'orders_falling' as warning,
        {{ share('order_count_previous_90d - order_count_90d', 'order_count_previous_90d') }} as value,
        order_count_previous_90d as lost_from
    from customers
    union all
    select
        customer_id,
        'basket_shrinking' as warning,
        round(1 - {{ share(
            'net_revenue_90d_amount * order_count_previous_90d', 'net_revenue_previous_90d_amount * order_count_90d'
        ) }}, 6) as value,
        order_count_previous_90d as lost_from
    from customers
    union all
    select
        customer_id,
        'engagement_falling' as warning,
        -engagement_change_30d_rate as value,
        engagement_score_30d_ago as lost_from
    from customers
    union all
    select
        customer_id,
        'detractor' as warning,
        case when nps_class = 'detractor' then 1 else 0 end as value,
        1 as lost_from
    from customers
    union all
    select
        customer_id,
        'complaint_open' as warning,
        open_complaint_count as value,
        1 as lost_from
    from customers
    union all
    select
        customer_id,
        'points_expiring' as warning,
        case when points_redeemed_365d = 0 then points_expiring_30d end as value,
        points_balance as lost_from
    from customers
),

-- Overdue begins above its threshold, as the stage at risk does.
warned as (
    select
        customers.customer_id,
        customers.as_of,
        rules.warning,
        rules.label,
        rules.label_zh,
        rules.severity,
        rules.owner,
        customers.account_manager_id,
        cast(signs.value as double) as value,
        rules.threshold
    from signs
    inner join rules on signs.warning = rules.warning
    inner join customers on signs.customer_id = customers.customer_id
    inner join grades on signs.customer_id = grades.customer_id
    where
        signs.lost_from >= rules.at_least
        and (rules.up_to is null or signs.value <= rules.up_to)
        and grades.grade <= rules.down_to_grade
        and (signs.value > rules.threshold or (signs.value = rules.threshold and signs.warning <> 'overdue'))
)

select * from warned
order by customer_id, warning
