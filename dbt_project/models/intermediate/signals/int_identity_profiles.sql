with records as (
    select * from {{ ref('int_identity_records') }}
),

contacts as (
    select * from {{ ref('stg_crm__contact_versions') }}
    where is_newest
),

accounts as (
    select * from {{ ref('stg_crm__account_versions') }}
    where is_newest
),

persons as (
    select
        'contact' as entity,
        source,
        source_account_id,
        contact_source_id as source_record_id,
        full_name,
        first_name,
        last_name,
        gender,
        birth_date,
        street,
        city,
        state,
        postal_code,
        country_code,
        coalesce(email, email_secondary) as email,
        coalesce(mobile, phone) as phone,
        null as domain
    from contacts
),

organisations as (
    select
        'account' as entity,
        source,
        source_account_id,
        account_source_id as source_record_id,
        name as full_name,
        null as first_name,
        null as last_name,
        null as gender,
        cast(null as date) as birth_date,
        street,
        city,
        state,
        postal_code,
        country_code,
        null as email,
        phone,
        domain
    from accounts
),

described as (
    select * from persons
    union all
    select * from organisations
),

numbered as (
    select
        records.node,
        records.party,
        described.full_name,
        described.first_name,
        described.last_name,
        described.gender,
        described.birth_date,
        described.street,
        described.city,
        described.state,
        described.postal_code,
        described.country_code,
        described.email,
        described.phone,
        described.domain
    from described
    inner join records
        on
            described.entity = records.entity
            and described.source = records.source
            and described.source_account_id = records.source_account_id
            and described.source_record_id = records.source_record_id
)

select * from numbered
