with source as (
    select * from {{ source('pipeline', 'feedback_topics') }}
)

select * from source
