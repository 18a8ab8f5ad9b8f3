with source as (
    select * from {{ source('pipeline', 'customer_values') }}
)

select * from source
