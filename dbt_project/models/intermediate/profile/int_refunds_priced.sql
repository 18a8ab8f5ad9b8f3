with refunds as (
    select * from {{ ref('stg_shop__refunds') }}
),

orders as (
    select * from {{ ref('stg_shop__orders') }}
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

paid as (
    select
        refunds.source,
        refunds.source_account_id,
        refunds.refund_source_id,
        refunds.order_source_id,
        refunds.customer_source_id,
        refunds.currency,
        abs(refunds.amount) as amount,
        refunds.refunded_on
    from refunds
    left join statuses on refunds.status = statuses.status and statuses.meaning = 'refund_not_paid'
    where statuses.status is null
),

negative_orders as (
    select
        source,
        source_account_id,
        order_source_id as refund_source_id,
        null as order_source_id,
        customer_source_id,
        currency,
        -total_amount as amount,
        ordered_on as refunded_on
    from orders
    where total_amount < 0 and not is_test
),

all_refunds as (
    select * from paid
    union all
    select * from negative_orders
),

-- An order that never landed cannot carry its refund; the customer does.
matched as (
    select
        all_refunds.source,
        all_refunds.source_account_id,
        all_refunds.refund_source_id,
        orders.order_source_id,
        coalesce(orders.customer_source_id, all_refunds.customer_source_id) as customer_source_id,
        all_refunds.refunded_on,
        all_refunds.currency,
        all_refunds.amount
    from all_refunds
    left join orders
        on
            all_refunds.source = orders.source
            and all_refunds.source_account_id = orders.source_account_id
            and all_refunds.order_source_id = orders.order_source_id
),

priced as (
    select
        matched.source,
        matched.source_account_id,
        matched.refund_source_id,
        matched.order_source_id,
        matched.refunded_on,
        customer_keys.customer_id,
        cast(round(cast(matched.amount * rates.rate as double), 4) as decimal(18, 4)) as refunded_amount
    from matched
    left join rates
        on
            matched.currency = rates.currency
            and matched.refunded_on >= rates.valid_from
            and matched.refunded_on < rates.valid_to
    left join customer_keys
        on
            customer_keys.entity = 'contact'
            and customer_keys.source = matched.source
            and customer_keys.source_account_id = matched.source_account_id
            and customer_keys.source_record_id = matched.customer_source_id
)

select * from priced
