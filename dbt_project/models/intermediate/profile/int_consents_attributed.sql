with statements as (
    select * from {{ ref('int_consent_statements') }}
),

owners as (
    select distinct
        id_type,
        value,
        customer_id
    from {{ ref('stg_pipeline__known_identifiers') }}
    where customer_id is not null
),

-- What is said of an address or number is said by whoever it belongs to.
attributed as (
    select
        coalesce(statements.customer_id, owners.customer_id) as customer_id,
        statements.purpose,
        statements.channel,
        statements.status,
        statements.effective_at,
        statements.expires_on
    from statements
    left join owners
        on
            statements.contact_type = owners.id_type
            and statements.contact_value = owners.value
)

select * from attributed
where customer_id is not null
