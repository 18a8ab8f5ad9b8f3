with statements as (
    select * from {{ ref('int_consent_statements') }}
    where purpose = 'profiling'
),

owners as (
    select distinct
        id_type,
        value,
        customer_id
    from {{ ref('stg_pipeline__known_identifiers') }}
    where customer_id is not null
),

applied as (
    select
        coalesce(statements.customer_id, owners.customer_id) as customer_id,
        statements.status,
        statements.effective_at
    from statements
    left join owners
        on
            statements.contact_type = owners.id_type
            and statements.contact_value = owners.value
),

ranked as (
    select
        customer_id,
        status,
        row_number() over (
            partition by customer_id
            order by effective_at desc, case when status = 'granted' then 1 else 0 end asc, status asc
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
