with statements as (
    select * from {{ ref('int_consent_statements') }}
),

owners as (
    select * from {{ ref('int_identifier_carriers') }}
),

-- What is said of an address or number is said by each of those whose it is.
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
