with source as (
    select * from {{ source('rules', 'lifecycle_stages') }}
)

select * from source
