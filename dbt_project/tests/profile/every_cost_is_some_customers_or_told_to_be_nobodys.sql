with service_costs as (
    select * from {{ ref('stg_shop__service_costs') }}
    where {{ days_between('incurred_on', as_of()) }} < 365
),

rates as (
    select * from {{ ref('int_fx_rates_spanned') }}
),

costs as (
    select
        service_costs.cost_type,
        {{ in_base_currency('service_costs.amount', 'rates.rate') }} as cost_amount
    from service_costs
    inner join rates
        on
            service_costs.currency = rates.currency
            and service_costs.incurred_on >= rates.valid_from
            and service_costs.incurred_on < rates.valid_to
),

staged as (
    select
        cost_type,
        sum(cost_amount) as cost_amount
    from costs
    group by cost_type
),

allocated as (
    select
        cost_type,
        sum(cost_amount) as cost_amount
    from {{ ref('int_costs_allocated') }}
    group by cost_type
),

mismatched as (
    select
        staged.cost_type,
        staged.cost_amount as staged_amount,
        allocated.cost_amount as allocated_amount
    from staged
    full outer join allocated on staged.cost_type = allocated.cost_type
    where staged.cost_amount is distinct from allocated.cost_amount
)

select * from mismatched
