with source as (
    select * from {{ source('rules', 'vip_cuts') }}
)

select * from source
