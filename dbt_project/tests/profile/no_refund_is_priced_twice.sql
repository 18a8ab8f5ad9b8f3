with refunds as (
    select * from {{ ref('int_refunds_priced') }}
),

repeated as (
    select
        source,
        source_account_id,
        refund_source_id,
        order_source_id
    from refunds
    where order_source_id is not null
    group by source, source_account_id, refund_source_id, order_source_id
    having count(*) > 1
),

orphans as (
    select
        refunds.source,
        refunds.source_account_id,
        refunds.refund_source_id,
        refunds.order_source_id
    from refunds
    left join {{ ref('int_orders_attributed') }} as orders
        on
            refunds.source = orders.source
            and refunds.source_account_id = orders.source_account_id
            and refunds.order_source_id = orders.order_source_id
    where refunds.order_source_id is not null and orders.customer_id is distinct from refunds.customer_id
)

select * from repeated
union all
select * from orphans
