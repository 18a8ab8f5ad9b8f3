with source as (
    select * from {{ source('pipeline', 'grade_history') }}
)

select * from source
