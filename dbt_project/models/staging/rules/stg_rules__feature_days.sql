with source as (
    select * from {{ source('rules', 'feature_days') }}
)

select * from source
