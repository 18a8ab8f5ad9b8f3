with source as (
    select * from {{ source('rules', 'survivorship') }}
)

select * from source
