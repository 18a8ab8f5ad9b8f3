{%- set amounts = [
    'net_revenue', 'net_margin', 'cost_to_serve', 'case_cost', 'visit_cost', 'call_cost', 'logistics_cost',
    'return_cost', 'gift_cost', 'points_cost', 'discount_cost', 'account_manager_cost', 'campaign_cost', 'ad_cost',
] -%}

with customers as (
    select
        {% for amount in amounts -%}
        sum({{ amount }}_365d_amount) as {{ amount }}_365d_amount,
        {% endfor -%}
        sum(order_count_365d) as order_count_365d,
        count(*) as customer_count
    from {{ ref('customer_360') }}
),

-- Each way of cutting customers up: all of them, by grade, by kind, by both and by band.
cuts as (
    select
        grade = 'total' as is_all_grades,
        kind = 'total' as is_all_kinds,
        vip_band = 'total' as is_all_bands,
        {% for amount in amounts -%}
        sum({{ amount }}_365d_amount) as {{ amount }}_365d_amount,
        {% endfor -%}
        sum(order_count_365d) as order_count_365d,
        sum(customer_count) as customer_count
    from {{ ref('grade_economics') }}
    group by grade = 'total', kind = 'total', vip_band = 'total'
),

compared as (
    select cuts.*
    from cuts
    cross join customers
    where
        cuts.customer_count <> customers.customer_count
        or cuts.order_count_365d <> customers.order_count_365d
        {%- for amount in amounts %}
        or coalesce(cuts.{{ amount }}_365d_amount, 0) <> coalesce(customers.{{ amount }}_365d_amount, 0)
        {%- endfor %}
)

select * from compared
