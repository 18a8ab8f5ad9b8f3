with refunds as (
    select * from {{ ref('stg_shop__refunds') }}
),

orders as (
    select * from {{ ref('int_orders_attributed') }}
),

unpaid_statuses as (
    select * from {{ ref('stg_rules__order_statuses') }}
    where meaning = 'refund_not_paid'
),

rates as (
    select * from {{ ref('int_fx_rates_spanned') }}
),

customer_keys as (
    select * from {{ ref('stg_pipeline__customer_keys') }}
    where entity = 'contact'
),

-- The order's customer decides; only where the order never landed does the refund's own.
paid_back as (
    select
        refunds.source,
        refunds.source_account_id,
        refunds.refund_source_id,
        orders.order_source_id,
        case
            when orders.order_source_id is null then customer_keys.customer_id else orders.customer_id
        end as customer_id,
        refunds.refunded_on,
        refunds.currency,
        abs(refunds.amount) as amount,
        orders.currency as order_currency,
        orders.ordered_on
    from refunds
    left join unpaid_statuses on refunds.status = unpaid_statuses.status
    left join orders
        on
            refunds.source = orders.source
            and refunds.source_account_id = orders.source_account_id
            and refunds.order_source_id = orders.order_source_id
    left join customer_keys
        on
            refunds.source = customer_keys.source
            and refunds.source_account_id = customer_keys.source_account_id
            and refunds.customer_source_id = customer_keys.source_record_id
    where unpaid_statuses.status is null
),

-- A negative total is a return that a shop books as an order.
booked_as_orders as (
    select
        orders.source,
        orders.source_account_id,
        orders.order_source_id as refund_source_id,
        null as order_source_id,
        orders.customer_id,
        orders.ordered_on as refunded_on,
        orders.currency,
        -orders.total_amount as amount,
        null as order_currency,
        null as ordered_on
    from orders
    left join unpaid_statuses on orders.status = unpaid_statuses.status
    where
        orders.total_amount < 0
        and not orders.is_test
        and unpaid_statuses.status is null
        and (orders.cancelled_on is null or orders.cancelled_on > {{ as_of() }})
),

all_refunds as (
    select * from paid_back
    union all
    select * from booked_as_orders
),

-- In the order's own currency a full refund is a full refund, however rates have moved since.
priced as (
    select
        all_refunds.source,
        all_refunds.source_account_id,
        all_refunds.refund_source_id,
        all_refunds.order_source_id,
        all_refunds.customer_id,
        all_refunds.refunded_on,
        {{ in_base_currency('all_refunds.amount', 'rates.rate') }} as refunded_amount,
        case
            when all_refunds.currency = all_refunds.order_currency then all_refunds.amount
            else cast(
                round(cast({{ at_rate('all_refunds.amount', 'rates.rate') }} as double) / order_rates.rate, 4)
                as decimal(18, 4)
            )
        end as order_currency_amount
    from all_refunds
    left join rates
        on
            all_refunds.currency = rates.currency
            and all_refunds.refunded_on >= rates.valid_from
            and all_refunds.refunded_on < rates.valid_to
    left join rates as order_rates
        on
            all_refunds.order_currency = order_rates.currency
            and all_refunds.ordered_on >= order_rates.valid_from
            and all_refunds.ordered_on < order_rates.valid_to
)

select * from priced
