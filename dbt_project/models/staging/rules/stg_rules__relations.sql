with source as (
    select * from {{ source('rules', 'relations') }}
)

select * from source
