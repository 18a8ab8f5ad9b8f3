with identifiers as (
    select * from {{ ref('stg_pipeline__known_identifiers') }}
),

signals as (
    select * from {{ ref('int_identity_signals') }}
),

records as (
    select * from {{ ref('int_identity_records') }}
),

customer_keys as (
    select * from {{ ref('stg_pipeline__customer_keys') }}
),

-- A value that a family shares is carried by each of them: what is refused by it is refused by all.
carried as (
    select distinct
        identifiers.id_type,
        identifiers.value,
        customer_keys.customer_id
    from identifiers
    inner join signals
        on
            identifiers.id_type = signals.id_type
            and identifiers.raw_value = signals.raw_value
            and identifiers.country_code = signals.country_code
    inner join records on signals.node = records.node
    inner join customer_keys
        on
            records.entity = customer_keys.entity
            and records.source = customer_keys.source
            and records.source_account_id = customer_keys.source_account_id
            and records.source_record_id = customer_keys.source_record_id
    where identifiers.status in ('links', 'shared')
),

-- A value that no record carries, as a log-in that is tied to an address.
tied as (
    select distinct
        id_type,
        value,
        customer_id
    from identifiers
    where customer_id is not null
),

carriers as (
    select * from carried
    union
    select * from tied
)

select * from carriers
