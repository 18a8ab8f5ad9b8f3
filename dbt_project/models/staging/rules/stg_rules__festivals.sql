with source as (
    select * from {{ source('rules', 'festivals') }}
)

select * from source
