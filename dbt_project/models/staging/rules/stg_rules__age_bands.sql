with source as (
    select * from {{ source('rules', 'age_bands') }}
)

select * from source
