with costs as (
    select * from {{ ref('stg_shop__service_costs') }}
),

rates as (
    select * from {{ ref('int_fx_rates_spanned') }}
),

orders as (
    select * from {{ ref('int_orders_attributed') }}
),

cases as (
    select * from {{ ref('int_cases_attributed') }}
),

customer_keys as (
    select * from {{ ref('stg_pipeline__customer_keys') }}
),

priced as (
    select
        costs.*,
        {{ in_base_currency('costs.amount', 'rates.rate') }} as cost_amount
    from costs
    left join rates
        on
            costs.currency = rates.currency
            and costs.incurred_on >= rates.valid_from
            and costs.incurred_on < rates.valid_to
    where {{ days_between('costs.incurred_on', as_of()) }} < 365
),

-- A cost belongs to the customer it names, or whose order or case it names; an order may be a cancelled one.
keyed as (
    select
        coalesce(customer_keys.customer_id, orders.customer_id, cases.customer_id) as customer_id,
        coalesce(
            priced.contact_source_id, priced.account_source_id, priced.order_source_id, priced.case_source_id
        ) is not null as names_somebody,
        priced.cost_type,
        priced.allocation_method,
        priced.tier_scope,
        -- A cost for each customer of a campaign is for those it was sent to; other methods ask for no campaign.
        case when priced.allocation_method = 'per_customer' then coalesce(priced.campaign_id, '') else '' end
            as campaign_id,
        priced.cost_amount
    from priced
    left join customer_keys
        on
            customer_keys.entity = case when priced.contact_source_id is null then 'account' else 'contact' end
            and priced.source = customer_keys.source
            and priced.source_account_id = customer_keys.source_account_id
            and coalesce(priced.contact_source_id, priced.account_source_id) = customer_keys.source_record_id
    left join orders
        on
            priced.source = orders.source
            and priced.source_account_id = orders.source_account_id
            and priced.order_source_id = orders.order_source_id
    left join cases
        on
            priced.source = cases.source
            and priced.source_account_id = cases.source_account_id
            and priced.case_source_id = cases.case_source_id
),

-- Grades are given after the profile, so tonight a cost of one grade can be nobody's yet. A cost of somebody
-- unknown is not put on others.
judged as (
    select
        *,
        case
            when customer_id is not null then 'direct'
            when names_somebody or allocation_method = 'direct' then 'customer_unknown'
            when tier_scope is not null then 'grade_unknown'
            else 'shared'
        end as attribution
    from keyed
    where cost_amount is not null
),

attributed as (
    select
        customer_id,
        cost_type,
        allocation_method,
        campaign_id,
        attribution,
        case when attribution = 'grade_unknown' then tier_scope end as tier_scope,
        cast(sum(cost_amount) as decimal(18, 4)) as cost_amount
    from judged
    group by
        customer_id,
        cost_type,
        allocation_method,
        campaign_id,
        attribution,
        case when attribution = 'grade_unknown' then tier_scope end
)

select * from attributed
