with source as (
    select * from {{ source('rules', 'order_statuses') }}
)

select * from source
