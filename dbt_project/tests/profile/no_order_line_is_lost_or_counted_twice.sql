with counts as (
    select
        (
            select count(*)
            from {{ ref('stg_shop__order_items') }} as items
            where
                items.quantity > 0
                and (items.source, items.source_account_id, items.order_source_id) in (
                    select
                        orders.source,
                        orders.source_account_id,
                        orders.order_source_id
                    from {{ ref('int_orders_completed') }} as orders
                    where orders.is_counted and orders.customer_id is not null
                )
        ) as staged_count,
        (select count(*) from {{ ref('int_order_items_attributed') }}) as attributed_count
)

select * from counts
where staged_count <> attributed_count
