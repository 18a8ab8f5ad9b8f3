with customers as (
    select * from {{ ref('customer_360') }}
),

keys as (
    select
        customer_id,
        count(*) as record_count
    from {{ ref('stg_pipeline__customer_keys') }}
    group by customer_id
),

mismatched as (
    select
        coalesce(customers.customer_id, keys.customer_id) as customer_id,
        customers.record_count,
        keys.record_count as key_count
    from customers
    full outer join keys on customers.customer_id = keys.customer_id
    where customers.record_count is distinct from keys.record_count
)

select * from mismatched
