with source as (
    select * from {{ source('rules', 'second_tier_grades') }}
)

select * from source
