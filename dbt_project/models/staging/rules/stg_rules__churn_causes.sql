with source as (
    select * from {{ source('rules', 'churn_causes') }}
)

select * from source
