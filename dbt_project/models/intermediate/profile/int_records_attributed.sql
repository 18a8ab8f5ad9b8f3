with customer_keys as (
    select * from {{ ref('stg_pipeline__customer_keys') }}
),

contacts as (
    select * from {{ ref('stg_crm__contacts') }}
),

accounts as (
    select * from {{ ref('stg_crm__accounts') }}
),

rates as (
    select * from {{ ref('int_fx_rates_spanned') }}
),

run as (
    select * from {{ ref('stg_rules__run') }}
),

record_homes as (
    select * from {{ ref('stg_pipeline__record_homes') }}
),

contact_records as (
    select
        'contact' as entity,
        source,
        source_account_id,
        contact_source_id as source_record_id,
        version_at,
        coalesce(created_on, extracted_on) as seen_on,
        referrer_source_id,
        is_email_opted_out,
        is_call_refused,
        tags,
        coalesce(nullif(trim(full_name), ''), {{ written_name('first_name', 'last_name') }}) as full_name,
        first_name,
        last_name,
        street,
        city,
        state,
        postal_code,
        country_code,
        account_source_id,
        job_title,
        department,
        case when lower(kind) in ('company', 'institution') then lower(kind) end as kind,
        gender,
        cast(birth_date as varchar) as birth_date,
        language,
        occupation,
        income_band,
        owner_id,
        lead_source,
        source_tier,
        cast(null as varchar) as domain,
        cast(null as varchar) as website,
        cast(null as varchar) as industry,
        cast(null as varchar) as employees,
        cast(null as varchar) as annual_revenue_amount,
        cast(null as varchar) as parent_account_source_id
    from contacts
),

account_records as (
    select
        'account' as entity,
        accounts.source,
        accounts.source_account_id,
        accounts.account_source_id as source_record_id,
        accounts.version_at,
        coalesce(accounts.created_on, accounts.extracted_on) as seen_on,
        cast(null as varchar) as referrer_source_id,
        false as is_email_opted_out,
        false as is_call_refused,
        accounts.tags,
        accounts.name as full_name,
        cast(null as varchar) as first_name,
        cast(null as varchar) as last_name,
        accounts.street,
        accounts.city,
        accounts.state,
        accounts.postal_code,
        accounts.country_code,
        cast(null as varchar) as account_source_id,
        cast(null as varchar) as job_title,
        cast(null as varchar) as department,
        accounts.kind,
        cast(null as varchar) as gender,
        cast(null as varchar) as birth_date,
        cast(null as varchar) as language,
        cast(null as varchar) as occupation,
        cast(null as varchar) as income_band,
        accounts.owner_id,
        cast(null as varchar) as lead_source,
        accounts.source_tier,
        accounts.domain,
        accounts.website,
        accounts.industry,
        cast(accounts.employees as varchar) as employees,
        cast(
            cast(round({{ at_rate('accounts.annual_revenue', 'rates.rate') }}, 4) as decimal(18, 4)) as varchar
        ) as annual_revenue_amount,
        accounts.parent_account_source_id
    from accounts
    cross join run
    left join rates
        on
            coalesce(accounts.currency, run.base_currency) = rates.currency
            and {{ business_date('accounts.version_at') }} >= rates.valid_from
            and {{ business_date('accounts.version_at') }} < rates.valid_to
),

records as (
    select * from contact_records
    union all
    select * from account_records
),

-- A record's key ends every tie, so that the order of rows decides nothing. A name that tells no family
-- is what somebody is called in a messenger.
attributed as (
    select
        customer_keys.customer_id,
        row_number() over (
            partition by customer_keys.customer_id
            order by
                records.version_at desc,
                records.source asc,
                records.source_account_id asc,
                records.source_record_id asc,
                records.entity asc
        ) as newest_rank,
        row_number() over (
            partition by customer_keys.customer_id
            order by
                records.seen_on,
                records.source,
                records.source_account_id,
                records.source_record_id,
                records.entity
        ) as oldest_rank,
        customer_keys.party = 'person'
        and records.full_name is not null
        and record_homes.family_key is null as is_nickname,
        records.*
    from records
    inner join customer_keys
        on
            records.entity = customer_keys.entity
            and records.source = customer_keys.source
            and records.source_account_id = customer_keys.source_account_id
            and records.source_record_id = customer_keys.source_record_id
    left join record_homes
        on
            records.entity = record_homes.entity
            and records.source = record_homes.source
            and records.source_account_id = record_homes.source_account_id
            and records.source_record_id = record_homes.source_record_id
)

select * from attributed
