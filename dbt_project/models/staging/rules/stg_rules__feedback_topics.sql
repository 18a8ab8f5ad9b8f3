with source as (
    select * from {{ source('rules', 'feedback_topics') }}
)

select * from source
