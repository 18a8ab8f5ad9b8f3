{%- set cost_types = [
    'case', 'visit', 'call', 'logistics', 'return', 'gift', 'points', 'discount', 'account_manager', 'campaign', 'ad',
] -%}

with customers as (
    select * from {{ ref('customer_360') }}
),

grades as (
    select * from {{ ref('customer_grades') }}
),

-- Costs that name a grade and nobody in it: they are known here and in no customer's cost to serve.
grade_costs as (
    select
        upper(trim(tier_scope)) as grade,
        sum(cost_amount) as cost_amount
    from {{ ref('int_costs_attributed') }}
    where attribution = 'grade_unknown'
    group by upper(trim(tier_scope))
),

run as (
    select * from {{ ref('stg_rules__run') }}
),

present as (
    select * from {{ ref('int_sources_present') }}
),

graded as (
    select
        customers.*,
        grades.grade,
        coalesce(grades.vip_band, 'none') as vip_band
    from customers
    inner join grades on customers.customer_id = grades.customer_id
),

summed as (
    select
        coalesce(grade, 'total') as grade,
        coalesce(kind, 'total') as kind,
        coalesce(vip_band, 'total') as vip_band,
        count(*) as customer_count,
        count(case when order_count > 0 then 1 end) as buyer_count,
        count(case when order_count_365d > 0 then 1 end) as active_365d_count,
        cast(sum(order_count_365d) as bigint) as order_count_365d,
        cast(sum(net_revenue_365d_amount) as decimal(18, 4)) as net_revenue_365d_amount,
        cast(sum(net_margin_365d_amount) as decimal(18, 4)) as net_margin_365d_amount,
        {% for cost_type in cost_types -%}
        cast(sum({{ cost_type }}_cost_365d_amount) as decimal(18, 4)) as {{ cost_type }}_cost_365d_amount,
        {% endfor -%}
        cast(sum(cost_to_serve_365d_amount) as decimal(18, 4)) as cost_to_serve_365d_amount
    from graded
    group by grouping sets ((), (grade), (kind), (grade, kind), (vip_band))
),

all_grade_costs as (
    select sum(grade_costs.cost_amount) as cost_amount
    from grade_costs
    inner join summed on grade_costs.grade = summed.grade and summed.kind = 'total'
),

-- A cost of a grade is whole there: no kind of customer and no band has a share of it.
charged as (
    select
        summed.*,
        case
            when summed.kind <> 'total' or summed.vip_band <> 'total' or not present.has_service_costs then null
            when summed.grade = 'total' then cast(coalesce(all_grade_costs.cost_amount, 0) as decimal(18, 4))
            else cast(coalesce(grade_costs.cost_amount, 0) as decimal(18, 4))
        end as grade_cost_365d_amount
    from summed
    cross join present
    cross join all_grade_costs
    left join grade_costs on summed.grade = grade_costs.grade
),

economics as (
    select
        charged.grade,
        charged.kind,
        charged.vip_band,
        run.as_of,
        charged.customer_count,
        charged.buyer_count,
        charged.active_365d_count,
        charged.order_count_365d,
        charged.net_revenue_365d_amount,
        charged.net_margin_365d_amount,
        {% for cost_type in cost_types -%}
        charged.{{ cost_type }}_cost_365d_amount,
        {% endfor -%}
        charged.cost_to_serve_365d_amount,
        charged.net_margin_365d_amount - charged.cost_to_serve_365d_amount as profit_365d_amount,
        round(
            cast(charged.net_margin_365d_amount - charged.cost_to_serve_365d_amount as double)
            / nullif(charged.cost_to_serve_365d_amount, 0), 4
        ) as return_on_service_365d_ratio,
        {% for amount in ['net_revenue', 'net_margin', 'cost_to_serve'] -%}
        cast(round(cast(charged.{{ amount }}_365d_amount as double) / charged.customer_count, 4) as decimal(18, 4))
            as {{ amount }}_365d_per_customer_amount,
        {% endfor -%}
        cast(
            round(
                cast(charged.net_margin_365d_amount - charged.cost_to_serve_365d_amount as double)
                / charged.customer_count, 4
            ) as decimal(18, 4)
        ) as profit_365d_per_customer_amount,
        charged.grade_cost_365d_amount,
        charged.net_margin_365d_amount - charged.cost_to_serve_365d_amount - charged.grade_cost_365d_amount
            as profit_after_grade_cost_365d_amount,
        run.base_currency
    from charged
    cross join run
)

select * from economics
where customer_count > 0
order by grade, kind, vip_band
