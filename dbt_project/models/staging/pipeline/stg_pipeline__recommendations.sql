with source as (
    select * from {{ source('pipeline', 'recommendations') }}
)

select * from source
