with source as (
    select * from {{ source('rules', 'suppressing_tags') }}
)

select * from source
