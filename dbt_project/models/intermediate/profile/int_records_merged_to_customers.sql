with customer_keys as (
    select * from {{ ref('stg_pipeline__customer_keys') }}
),

contacts as (
    select * from {{ ref('stg_crm__contacts') }}
),

accounts as (
    select * from {{ ref('stg_crm__accounts') }}
),

keyed_contacts as (
    select
        customer_keys.customer_id,
        contacts.*
    from contacts
    inner join customer_keys
        on
            customer_keys.entity = 'contact'
            and contacts.source = customer_keys.source
            and contacts.source_account_id = customer_keys.source_account_id
            and contacts.contact_source_id = customer_keys.source_record_id
),

keyed_accounts as (
    select
        customer_keys.customer_id,
        accounts.*
    from accounts
    inner join customer_keys
        on
            customer_keys.entity = 'account'
            and accounts.source = customer_keys.source
            and accounts.source_account_id = customer_keys.source_account_id
            and accounts.account_source_id = customer_keys.source_record_id
),

counted as (
    select
        customer_id,
        min(first_seen_on) as first_seen_on,
        count(*) as record_count,
        count(distinct source) as source_count,
        bool_or(entity = 'account') as has_account,
        bool_or(entity = 'guest_order') and not bool_or(entity <> 'guest_order') as is_guest
    from customer_keys
    group by customer_id
),

-- Of each field the newest version that has a value; a record's key breaks ties.
{%- set order = "version_at desc, source, source_account_id, contact_source_id" %}
contact_values as (
    select
        customer_id,
        {% for column in [
            'owner_id', 'country_code', 'language', 'gender', 'birth_date', 'city', 'lead_source', 'source_tier',
            'full_name', 'first_name', 'last_name',
        ] -%}
        {{ newest(column, order) }} as {{ column }},
        {% endfor -%}
        bool_or(is_email_opted_out) as is_email_opted_out,
        bool_or(is_call_refused) as is_call_refused
    from keyed_contacts
    group by customer_id
),

account_values as (
    select
        customer_id,
        min(kind) as kind,
        min(owner_id) as owner_id,
        min(country_code) as country_code,
        min(name) as account_name
    from keyed_accounts
    group by customer_id
),

merged as (
    select
        counted.customer_id,
        coalesce(account_values.kind, case when counted.has_account then 'company' else 'person' end) as kind,
        counted.first_seen_on,
        counted.record_count,
        counted.source_count,
        counted.is_guest,
        coalesce(contact_values.owner_id, account_values.owner_id) as owner_id,
        coalesce(contact_values.country_code, account_values.country_code) as country_code,
        contact_values.language,
        contact_values.gender,
        contact_values.birth_date,
        contact_values.city,
        contact_values.lead_source,
        contact_values.source_tier,
        coalesce(
            contact_values.full_name,
            nullif(trim(concat_ws(' ', contact_values.first_name, contact_values.last_name)), ''),
            account_values.account_name
        ) as full_name,
        coalesce(contact_values.is_email_opted_out, false) as is_email_opted_out,
        coalesce(contact_values.is_call_refused, false) as is_call_refused
    from counted
    left join contact_values on counted.customer_id = contact_values.customer_id
    left join account_values on counted.customer_id = account_values.customer_id
)

select * from merged
