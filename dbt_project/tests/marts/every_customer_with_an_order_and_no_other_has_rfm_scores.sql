with buyers as (
    select * from {{ ref('customer_360') }}
    where order_count > 0
),

rfm as (
    select * from {{ ref('customer_rfm') }}
),

mismatched as (
    select coalesce(buyers.customer_id, rfm.customer_id) as customer_id
    from buyers
    full outer join rfm on buyers.customer_id = rfm.customer_id
    where buyers.customer_id is null or rfm.customer_id is null
)

select * from mismatched
