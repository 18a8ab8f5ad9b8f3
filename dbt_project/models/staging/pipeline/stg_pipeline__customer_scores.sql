with source as (
    select * from {{ source('pipeline', 'customer_scores') }}
)

select * from source
