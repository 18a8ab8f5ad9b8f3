with source as (
    select * from {{ source('pipeline', 'released_grade_history') }}
)

select * from source
