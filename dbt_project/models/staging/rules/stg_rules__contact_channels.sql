with source as (
    select * from {{ source('rules', 'contact_channels') }}
)

select * from source
