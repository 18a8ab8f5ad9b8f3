with source as (
    select * from {{ source('rules', 'segment_labels') }}
)

select * from source
