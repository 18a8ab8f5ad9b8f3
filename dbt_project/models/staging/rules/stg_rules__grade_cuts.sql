with source as (
    select * from {{ source('rules', 'grade_cuts') }}
)

select * from source
