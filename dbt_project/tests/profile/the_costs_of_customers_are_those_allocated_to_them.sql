with allocated as (
    select coalesce(sum(cost_amount), 0) as cost_amount
    from {{ ref('int_costs_allocated') }}
    where customer_id is not null
),

customers as (
    select
        coalesce(sum(cost_to_serve_365d_amount), 0) as cost_amount,
        coalesce(sum(ad_cost_365d_amount), 0)
        {%- for cost_type in [
            'case', 'visit', 'call', 'logistics', 'return', 'gift', 'points', 'discount', 'account_manager', 'campaign',
        ] %}
        + coalesce(sum({{ cost_type }}_cost_365d_amount), 0)
        {%- endfor %} as cost_of_all_kinds_amount
    from {{ ref('customer_360') }}
),

compared as (
    select
        allocated.cost_amount as allocated_amount,
        customers.cost_amount,
        customers.cost_of_all_kinds_amount
    from allocated
    cross join customers
)

select * from compared
where allocated_amount <> cost_amount or cost_amount <> cost_of_all_kinds_amount
