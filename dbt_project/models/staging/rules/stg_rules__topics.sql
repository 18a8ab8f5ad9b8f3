with source as (
    select * from {{ source('rules', 'topics') }}
)

select * from source
