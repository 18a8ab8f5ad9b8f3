with source as (
    select * from {{ source('rules', 'cause_limits') }}
)

select * from source
