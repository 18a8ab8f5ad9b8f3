with requests as (
    select * from {{ ref('int_erasure_requests_attributed') }}
),

erased as (
    select distinct customer_id
    from requests
    where customer_id is not null
)

select * from erased
