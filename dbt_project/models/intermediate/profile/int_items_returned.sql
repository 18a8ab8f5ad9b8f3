with order_items as (
    select * from {{ ref('stg_shop__order_items') }}
    where item_id is not null
),

orders as (
    select * from {{ ref('int_orders_attributed') }}
    where customer_id is not null
),

refunds as (
    select * from {{ ref('int_refunds_priced') }}
    where customer_id is not null
),

stated_refunds as (
    select * from {{ ref('stg_shop__refunds') }}
),

completed as (
    select * from {{ ref('int_orders_completed') }}
    where customer_id is not null and not is_counted
),

-- A refund of one line gives that item back.
by_line as (
    select
        refunds.customer_id,
        order_items.item_id,
        refunds.refunded_on as returned_on
    from refunds
    inner join stated_refunds
        on
            refunds.source = stated_refunds.source
            and refunds.source_account_id = stated_refunds.source_account_id
            and refunds.refund_source_id = stated_refunds.refund_source_id
    inner join order_items
        on
            stated_refunds.source = order_items.source
            and stated_refunds.source_account_id = order_items.source_account_id
            and stated_refunds.order_item_source_id = order_items.order_item_source_id
),

-- An order of which nothing is left gives all of them back.
by_order as (
    select
        completed.customer_id,
        order_items.item_id,
        refunds.refunded_on as returned_on
    from completed
    inner join refunds
        on
            completed.source = refunds.source
            and completed.source_account_id = refunds.source_account_id
            and completed.order_source_id = refunds.order_source_id
    inner join order_items
        on
            completed.source = order_items.source
            and completed.source_account_id = order_items.source_account_id
            and completed.order_source_id = order_items.order_source_id
),

-- Some shops book a return as a line of a negative quantity.
by_negative_line as (
    select
        orders.customer_id,
        order_items.item_id,
        orders.ordered_on as returned_on
    from orders
    inner join order_items
        on
            orders.source = order_items.source
            and orders.source_account_id = order_items.source_account_id
            and orders.order_source_id = order_items.order_source_id
    where order_items.quantity < 0
),

returned as (
    select * from by_line
    union
    select * from by_order
    union
    select * from by_negative_line
)

select * from returned
