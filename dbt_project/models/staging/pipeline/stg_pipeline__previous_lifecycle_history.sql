with source as (
    select * from {{ source('pipeline', 'previous_lifecycle_history') }}
)

select * from source
