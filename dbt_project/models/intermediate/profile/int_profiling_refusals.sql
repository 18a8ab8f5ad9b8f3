with statements as (
    select * from {{ ref('int_consents_attributed') }}
    where purpose = 'profiling'
),

ranked as (
    select
        customer_id,
        status,
        row_number() over (
            partition by customer_id
            order by effective_at desc, case when status = 'granted' then 1 else 0 end asc, status asc
        ) as statement_rank
    from statements
),

refusals as (
    select customer_id
    from ranked
    where statement_rank = 1 and status in ('denied', 'withdrawn')
)

select * from refusals
