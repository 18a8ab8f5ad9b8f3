with customers as (
    select * from {{ ref('int_records_merged_to_customers') }}
),

orders as (
    select * from {{ ref('int_orders_summed_to_customers') }}
),

cases as (
    select * from {{ ref('int_cases_summed_to_customers') }}
),

messages as (
    select * from {{ ref('int_campaign_events_summed_to_messages') }}
),

shared_costs as (
    select distinct
        allocation_method,
        campaign_id
    from {{ ref('int_costs_attributed') }}
    where attribution = 'shared'
),

drivers as (
    select
        'per_customer' as allocation_method,
        '' as campaign_id,
        customer_id,
        cast(1 as decimal(18, 4)) as weight
    from customers

    union all

    select
        'per_order' as allocation_method,
        '' as campaign_id,
        customer_id,
        cast(order_count_365d as decimal(18, 4)) as weight
    from orders
    where order_count_365d > 0

    union all

    select
        'by_revenue' as allocation_method,
        '' as campaign_id,
        customer_id,
        cast(net_revenue_365d_amount as decimal(18, 4)) as weight
    from orders
    where net_revenue_365d_amount > 0

    union all

    select
        'per_case' as allocation_method,
        '' as campaign_id,
        customer_id,
        cast(case_count_365d as decimal(18, 4)) as weight
    from cases
    where case_count_365d > 0

    union all

    select
        'per_customer' as allocation_method,
        messages.campaign_id,
        messages.customer_id,
        cast(1 as decimal(18, 4)) as weight
    from messages
    where messages.is_sent
),

wanted as (
    select drivers.*
    from drivers
    inner join shared_costs
        on
            drivers.allocation_method = shared_costs.allocation_method
            and drivers.campaign_id = shared_costs.campaign_id
)

select * from wanted
