with source as (
    select * from {{ source('pipeline', 'known_identifiers') }}
)

select * from source
