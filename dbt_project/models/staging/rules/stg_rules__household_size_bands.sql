with source as (
    select * from {{ source('rules', 'household_size_bands') }}
)

select * from source
