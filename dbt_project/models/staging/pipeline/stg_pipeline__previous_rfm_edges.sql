with source as (
    select * from {{ source('pipeline', 'previous_rfm_edges') }}
)

select * from source
