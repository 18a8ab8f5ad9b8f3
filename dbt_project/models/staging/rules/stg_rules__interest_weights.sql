with source as (
    select * from {{ source('rules', 'interest_weights') }}
)

select * from source
