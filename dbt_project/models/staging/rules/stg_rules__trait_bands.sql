with source as (
    select * from {{ source('rules', 'trait_bands') }}
)

select * from source
