-- A deleted record names its customer and says nothing else.
with source as (
    select * from {{ source('pipeline', 'customer_keys') }}
),

living as (
    select * from source
    where not is_deleted
)

select * from living
