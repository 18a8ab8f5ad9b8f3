with requests as (
    select * from {{ ref('stg_privacy__erasure_requests') }}
),

customer_keys as (
    select * from {{ ref('stg_pipeline__customer_keys') }}
    where entity = 'contact'
),

identifiers as (
    select * from {{ ref('stg_pipeline__known_identifiers') }}
),

carriers as (
    select * from {{ ref('int_identifier_carriers') }}
),

-- A number without its country is whatever number it may be.
named as (
    select
        requests.source,
        requests.source_account_id,
        requests.subject_key_type,
        requests.subject_key,
        customer_keys.customer_id
    from requests
    inner join customer_keys
        on
            requests.source = customer_keys.source
            and requests.source_account_id = customer_keys.source_account_id
            and requests.subject_key = customer_keys.source_record_id
    where requests.subject_key_type = 'contact_id'

    union

    select
        requests.source,
        requests.source_account_id,
        requests.subject_key_type,
        requests.subject_key,
        carriers.customer_id
    from requests
    inner join identifiers
        on requests.subject_key_type = identifiers.id_type and requests.subject_key = identifiers.raw_value
    inner join carriers on identifiers.id_type = carriers.id_type and identifiers.value = carriers.value
),

-- One that reaches nobody is kept, so that the night can say so.
attributed as (
    select distinct
        requests.source,
        requests.source_account_id,
        requests.subject_key_type,
        requests.subject_key,
        named.customer_id
    from requests
    left join named
        on
            requests.source = named.source
            and requests.source_account_id = named.source_account_id
            and requests.subject_key_type = named.subject_key_type
            and requests.subject_key = named.subject_key
)

select * from attributed
