with orders as (
    select * from {{ ref('stg_shop__orders') }}
),

refunds as (
    select * from {{ ref('int_refunds_priced') }}
),

statuses as (
    select * from {{ ref('stg_rules__order_statuses') }}
),

rates as (
    select * from {{ ref('int_fx_rates_spanned') }}
),

customer_keys as (
    select * from {{ ref('stg_pipeline__customer_keys') }}
),

-- A negative total is a return that a shop books as an order: int_refunds_priced counts it.
purchases as (
    select orders.*
    from orders
    left join statuses on orders.status = statuses.status and statuses.meaning = 'not_completed'
    where
        statuses.status is null
        and not orders.is_test
        and orders.total_amount >= 0
        and (orders.cancelled_on is null or orders.cancelled_on > {{ as_of() }})
),

keyed as (
    select
        purchases.*,
        customer_keys.customer_id
    from purchases
    left join customer_keys
        on
            customer_keys.entity = case
                when purchases.customer_source_id is not null then 'contact'
                when purchases.account_source_id is not null then 'account'
                else 'guest_order'
            end
            and customer_keys.source = purchases.source
            and customer_keys.source_account_id = purchases.source_account_id
            and customer_keys.source_record_id
            = coalesce(purchases.customer_source_id, purchases.account_source_id, purchases.order_source_id)
),

refunded as (
    select
        source,
        source_account_id,
        order_source_id,
        sum(refunded_amount) as refunded_amount
    from refunds
    where order_source_id is not null
    group by source, source_account_id, order_source_id
),

priced as (
    select
        keyed.source,
        keyed.source_account_id,
        keyed.order_source_id,
        keyed.customer_id,
        keyed.ordered_on,
        keyed.channel,
        keyed.is_discounted,
        keyed.cost_amount is not null as is_cost_known,
        keyed.total_amount * rates.rate as total_amount,
        (keyed.total_amount - keyed.tax_amount) * rates.rate as revenue_amount,
        (keyed.total_amount - keyed.tax_amount - coalesce(keyed.cost_amount, 0)) * rates.rate as margin_amount,
        coalesce(refunded.refunded_amount, 0) as refunded_amount
    from keyed
    left join rates
        on
            keyed.currency = rates.currency
            and keyed.ordered_on >= rates.valid_from
            and keyed.ordered_on < rates.valid_to
    left join refunded
        on
            keyed.source = refunded.source
            and keyed.source_account_id = refunded.source_account_id
            and keyed.order_source_id = refunded.order_source_id
),

-- What is given back takes its share of revenue and of margin.
shared as (
    select
        *,
        case
            when refunded_amount <= 0 then 0.0
            when refunded_amount >= total_amount then 1.0
            else cast(refunded_amount as double) / cast(total_amount as double)
        end as refunded_share
    from priced
),

completed as (
    select
        source,
        source_account_id,
        order_source_id,
        customer_id,
        ordered_on,
        channel,
        is_discounted,
        is_cost_known,
        refunded_share > 0 as is_refunded,
        refunded_share < 1 as is_counted,
        cast(round(cast(revenue_amount as double) * (1 - refunded_share), 4) as decimal(18, 4)) as net_revenue_amount,
        cast(round(cast(margin_amount as double) * (1 - refunded_share), 4) as decimal(18, 4)) as net_margin_amount,
        cast(round(cast(refunded_amount as double), 4) as decimal(18, 4)) as refunded_amount
    from shared
)

select * from completed
