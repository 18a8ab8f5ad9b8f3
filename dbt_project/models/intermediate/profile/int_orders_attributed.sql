with orders as (
    select * from {{ ref('stg_shop__orders') }}
),

customer_keys as (
    select * from {{ ref('stg_pipeline__customer_keys') }}
),

-- An order belongs to the contact it names, else to the organisation, else to the guest who placed it.
attributed as (
    select
        orders.*,
        customer_keys.customer_id
    from orders
    left join customer_keys
        on
            customer_keys.entity = case
                when orders.customer_source_id is not null then 'contact'
                when orders.account_source_id is not null then 'account'
                else 'guest_order'
            end
            and orders.source = customer_keys.source
            and orders.source_account_id = customer_keys.source_account_id
            and coalesce(orders.customer_source_id, orders.account_source_id, orders.order_source_id)
            = customer_keys.source_record_id
)

select * from attributed
