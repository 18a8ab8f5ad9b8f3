-- What the goods of each customer's last purchase day cost then, and what they cost when anybody bought them last.
with items as (
    select * from {{ ref('stg_shop__order_items') }}
    where quantity > 0 and unit_price > 0 and price_key is not null
),

orders as (
    select * from {{ ref('int_orders_completed') }}
    where customer_id is not null and is_counted
),

sold as (
    select
        orders.customer_id,
        orders.ordered_on,
        items.source,
        items.source_account_id,
        items.order_source_id,
        items.order_item_source_id,
        items.price_key,
        coalesce(items.currency, '') as currency,
        items.unit_price
    from items
    inner join orders
        on
            items.source = orders.source
            and items.source_account_id = orders.source_account_id
            and items.order_source_id = orders.order_source_id
),

last_sold as (
    select
        source,
        source_account_id,
        price_key,
        currency,
        max(ordered_on) as ordered_on
    from sold
    group by source, source_account_id, price_key, currency
),

-- Of several prices of one day the lowest counts: a rise must be one for everybody.
last_prices as (
    select
        last_sold.source,
        last_sold.source_account_id,
        last_sold.price_key,
        last_sold.currency,
        last_sold.ordered_on,
        min(sold.unit_price) as unit_price
    from last_sold
    inner join sold
        on
            last_sold.source = sold.source
            and last_sold.source_account_id = sold.source_account_id
            and last_sold.price_key = sold.price_key
            and last_sold.currency = sold.currency
            and last_sold.ordered_on = sold.ordered_on
    group by
        last_sold.source, last_sold.source_account_id, last_sold.price_key, last_sold.currency, last_sold.ordered_on
),

last_days as (
    select
        customer_id,
        max(ordered_on) as ordered_on
    from orders
    group by customer_id
),

changed as (
    select
        sold.customer_id,
        sold.source,
        sold.source_account_id,
        sold.order_source_id,
        sold.order_item_source_id,
        last_prices.ordered_on as priced_on,
        round(cast(last_prices.unit_price as double) / cast(sold.unit_price as double) - 1, 6) as rise_rate
    from sold
    inner join last_days on sold.customer_id = last_days.customer_id and sold.ordered_on = last_days.ordered_on
    inner join last_prices
        on
            sold.source = last_prices.source
            and sold.source_account_id = last_prices.source_account_id
            and sold.price_key = last_prices.price_key
            and sold.currency = last_prices.currency
)

select * from changed
where rise_rate > 0
