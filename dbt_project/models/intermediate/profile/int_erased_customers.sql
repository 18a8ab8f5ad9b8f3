with requests as (
    select * from {{ ref('stg_privacy__erasure_requests') }}
),

customer_keys as (
    select * from {{ ref('stg_pipeline__customer_keys') }}
    where entity = 'contact'
),

identifiers as (
    select * from {{ ref('stg_pipeline__known_identifiers') }}
    where customer_id is not null
),

-- A number without its country is whatever number it may be.
erased as (
    select customer_keys.customer_id
    from requests
    inner join customer_keys
        on
            requests.source = customer_keys.source
            and requests.source_account_id = customer_keys.source_account_id
            and requests.subject_key = customer_keys.source_record_id
    where requests.subject_key_type = 'contact_id'

    union

    select identifiers.customer_id
    from requests
    inner join identifiers
        on requests.subject_key_type = identifiers.id_type and requests.subject_key = identifiers.raw_value
)

select * from erased
