with source as (
    select * from {{ source('pipeline', 'grade_decisions') }}
)

select * from source
