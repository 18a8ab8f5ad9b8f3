with source as (
    select * from {{ source('rules', 'rfm_groups') }}
)

select * from source
