with source as (
    select * from {{ source('rules', 'tier_weights') }}
)

select * from source
