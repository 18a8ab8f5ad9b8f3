with costs as (
    select * from {{ ref('int_costs_allocated') }}
    where customer_id is not null
),

summed as (
    select
        customer_id,
        {% for cost_type in [
            'case', 'visit', 'call', 'logistics', 'return', 'gift', 'points', 'discount', 'account_manager', 'campaign',
            'ad',
        ] -%}
        cast(sum(case when cost_type = '{{ cost_type }}' then cost_amount else 0 end) as decimal(18, 4))
            as {{ cost_type }}_cost_365d_amount,
        {% endfor -%}
        cast(sum(case when attribution = 'direct' then cost_amount else 0 end) as decimal(18, 4))
            as direct_cost_365d_amount,
        cast(sum(cost_amount) as decimal(18, 4)) as cost_to_serve_365d_amount
    from costs
    group by customer_id
)

select * from summed
