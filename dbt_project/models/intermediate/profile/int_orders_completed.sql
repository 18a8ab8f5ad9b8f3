with orders as (
    select * from {{ ref('int_orders_attributed') }}
),

refunds as (
    select * from {{ ref('int_refunds_priced') }}
    where order_source_id is not null
),

uncompleted_statuses as (
    select * from {{ ref('stg_rules__order_statuses') }}
    where meaning = 'not_completed'
),

rates as (
    select * from {{ ref('int_fx_rates_spanned') }}
),

-- A negative total is a return that a shop books as an order: int_refunds_priced counts it.
purchases as (
    select orders.*
    from orders
    left join uncompleted_statuses on orders.status = uncompleted_statuses.status
    where
        uncompleted_statuses.status is null
        and not orders.is_test
        and orders.total_amount >= 0
        and (orders.cancelled_on is null or orders.cancelled_on > {{ as_of() }})
),

refunded as (
    select
        source,
        source_account_id,
        order_source_id,
        sum(order_currency_amount) as refunded_amount
    from refunds
    group by source, source_account_id, order_source_id
),

priced as (
    select
        purchases.source,
        purchases.source_account_id,
        purchases.order_source_id,
        purchases.customer_id,
        purchases.ordered_at,
        purchases.ordered_on,
        purchases.ordered_hour,
        case when purchases.paid_on <= {{ as_of() }} then purchases.paid_on end as paid_on,
        purchases.channel,
        purchases.store_id,
        purchases.utm_source,
        purchases.utm_medium,
        purchases.utm_campaign,
        purchases.has_coupon,
        purchases.is_discounted,
        {{ in_base_currency('purchases.discount_amount', 'rates.rate') }} as discount_amount,
        {{ at_rate('purchases.total_amount - purchases.tax_amount', 'rates.rate') }} as revenue_amount,
        {{ at_rate(
            'purchases.total_amount - purchases.tax_amount - coalesce(purchases.cost_amount, 0)', 'rates.rate'
        ) }} as margin_amount,
        case
            when coalesce(refunded.refunded_amount, 0) <= 0 then 0.0
            when refunded.refunded_amount >= purchases.total_amount then 1.0
            else cast(refunded.refunded_amount as double) / cast(purchases.total_amount as double)
        end as refunded_share
    from purchases
    left join rates
        on
            purchases.currency = rates.currency
            and purchases.ordered_on >= rates.valid_from
            and purchases.ordered_on < rates.valid_to
    left join refunded
        on
            purchases.source = refunded.source
            and purchases.source_account_id = refunded.source_account_id
            and purchases.order_source_id = refunded.order_source_id
),

-- What is given back takes its share of revenue and of margin.
completed as (
    select
        source,
        source_account_id,
        order_source_id,
        customer_id,
        ordered_at,
        ordered_on,
        ordered_hour,
        paid_on,
        channel,
        store_id,
        utm_source,
        utm_medium,
        utm_campaign,
        has_coupon,
        is_discounted,
        refunded_share > 0 as is_refunded,
        refunded_share < 1 as is_counted,
        discount_amount,
        cast(round(cast(revenue_amount as double), 4) as decimal(18, 4)) as revenue_amount,
        cast(round(cast(revenue_amount as double) * (1 - refunded_share), 4) as decimal(18, 4)) as net_revenue_amount,
        cast(round(cast(margin_amount as double), 4) as decimal(18, 4)) as margin_amount,
        cast(round(cast(margin_amount as double) * (1 - refunded_share), 4) as decimal(18, 4)) as net_margin_amount
    from priced
)

select * from completed
