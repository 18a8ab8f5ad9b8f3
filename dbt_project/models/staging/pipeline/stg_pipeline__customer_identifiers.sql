with source as (
    select * from {{ source('pipeline', 'customer_identifiers') }}
)

select * from source
