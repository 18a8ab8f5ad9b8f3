with source as (
    select * from {{ source('pipeline', 'customer_keys') }}
)

select * from source
