with source as (
    select * from {{ source('rules', 'run') }}
)

select * from source
