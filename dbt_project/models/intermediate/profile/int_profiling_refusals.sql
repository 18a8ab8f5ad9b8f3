with statements as (
    select * from {{ ref('int_consent_statements') }}
    where purpose = 'profiling'
),

points as (
    select * from {{ ref('int_contact_points') }}
),

applied as (
    select
        coalesce(statements.customer_id, points.customer_id) as customer_id,
        statements.status,
        statements.effective_at
    from statements
    left join points
        on
            statements.contact_type = points.contact_type
            and statements.contact_value = points.contact_value
),

ranked as (
    select
        customer_id,
        status,
        row_number() over (
            partition by customer_id
            order by effective_at desc, case when status = 'granted' then 1 else 0 end, status
        ) as statement_rank
    from applied
    where customer_id is not null
),

refusals as (
    select customer_id
    from ranked
    where statement_rank = 1 and status in ('denied', 'withdrawn')
)

select * from refusals
