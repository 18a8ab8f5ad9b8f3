with source as (
    select * from {{ source('rules', 'engagement_weights') }}
)

select * from source
