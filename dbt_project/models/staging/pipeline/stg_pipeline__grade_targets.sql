with source as (
    select * from {{ source('pipeline', 'grade_targets') }}
)

select * from source
