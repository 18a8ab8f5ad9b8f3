with won as (
    select distinct referee_customer_id as customer_id
    from {{ ref('int_referral_ties') }}
    where relation = 'referral' and is_converted
),

revenues as (
    select coalesce(sum(orders.net_revenue_amount), 0) as revenue_amount
    from {{ ref('int_orders_summed_to_customers') }} as orders
    inner join won on orders.customer_id = won.customer_id
),

customers as (
    select coalesce(sum(referral_net_revenue_amount), 0) as revenue_amount
    from {{ ref('customer_360') }}
),

compared as (
    select
        revenues.revenue_amount as won_revenue_amount,
        customers.revenue_amount as brought_revenue_amount
    from revenues
    cross join customers
)

select * from compared
where won_revenue_amount <> brought_revenue_amount
