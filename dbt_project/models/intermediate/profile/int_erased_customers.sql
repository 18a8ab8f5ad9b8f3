with requests as (
    select * from {{ ref('stg_privacy__erasure_requests') }}
),

customer_keys as (
    select * from {{ ref('stg_pipeline__customer_keys') }}
    where entity = 'contact'
),

identifiers as (
    select * from {{ ref('stg_pipeline__customer_identifiers') }}
    where country_code = '' and customer_id is not null
),

named as (
    select coalesce(customer_keys.customer_id, identifiers.customer_id) as customer_id
    from requests
    left join customer_keys
        on
            requests.subject_key_type = 'contact_id'
            and requests.source = customer_keys.source
            and requests.source_account_id = customer_keys.source_account_id
            and requests.subject_key = customer_keys.source_record_id
    left join identifiers
        on
            requests.subject_key_type <> 'contact_id'
            and requests.subject_key_type = identifiers.id_type
            and requests.subject_key = identifiers.raw_value
),

erased as (
    select distinct customer_id
    from named
    where customer_id is not null
)

select * from erased
