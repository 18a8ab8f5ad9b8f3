with source as (
    select * from {{ source('rules', 'warnings') }}
)

select * from source
