with source as (
    select * from {{ source('pipeline', 'churn_reasons') }}
)

select * from source
