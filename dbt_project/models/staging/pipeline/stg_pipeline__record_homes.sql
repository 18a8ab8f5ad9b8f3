with source as (
    select * from {{ source('pipeline', 'record_homes') }}
)

select * from source
