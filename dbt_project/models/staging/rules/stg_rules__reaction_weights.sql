with source as (
    select * from {{ source('rules', 'reaction_weights') }}
)

select * from source
