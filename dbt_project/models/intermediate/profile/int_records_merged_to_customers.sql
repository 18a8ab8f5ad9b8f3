with customer_keys as (
    select * from {{ ref('stg_pipeline__customer_keys') }}
),

records as (
    select * from {{ ref('int_records_attributed') }}
),

survived as (
    select * from {{ ref('int_fields_survived_to_customers') }}
),

erased as (
    select * from {{ ref('int_erased_customers') }}
),

counted as (
    select
        customer_id,
        min(first_seen_on) as first_seen_on,
        count(*) as record_count,
        count(distinct source) as source_count,
        bool_or(party = 'organisation') as is_organisation,
        bool_or(entity = 'guest_order') and not bool_or(entity <> 'guest_order') as is_guest
    from customer_keys
    group by customer_id
),

-- What any record says holds, whichever wins: a refusal is not outvoted.
gathered as (
    select
        customer_id,
        bool_or(is_email_opted_out) as is_email_opted_out,
        bool_or(is_call_refused) as is_call_refused,
        {{ union_of_lists('tags') }} as tags
    from records
    group by customer_id
),

-- Of who asked to be forgotten nothing is told any more.
golden as (
    select
        {% for field in [
            'full_name', 'first_name', 'last_name', 'street', 'city', 'state', 'postal_code', 'country_code', 'job_title',
            'department', 'kind', 'gender', 'birth_date', 'language', 'occupation', 'income_band', 'owner_id',
            'lead_source', 'source_tier', 'domain', 'website', 'industry', 'employees', 'annual_revenue_amount',
        ] -%}
        max(case when survived.field = '{{ field }}' then survived.value end) as {{ field }},
        {% endfor -%}
        survived.customer_id
    from survived
    left join erased on survived.customer_id = erased.customer_id
    where erased.customer_id is null
    group by survived.customer_id
),

merged as (
    select
        counted.customer_id,
        case when counted.is_organisation then coalesce(golden.kind, 'company') else 'person' end as kind,
        counted.first_seen_on,
        counted.record_count,
        counted.source_count,
        counted.is_guest,
        golden.full_name,
        golden.first_name,
        golden.last_name,
        golden.street,
        golden.city,
        golden.state,
        golden.postal_code,
        golden.country_code,
        golden.job_title,
        golden.department,
        golden.gender,
        cast(golden.birth_date as date) as birth_date,
        golden.language,
        golden.occupation,
        golden.income_band,
        golden.owner_id,
        golden.lead_source,
        golden.source_tier,
        golden.domain,
        golden.website,
        golden.industry,
        cast(golden.employees as bigint) as employees,
        cast(golden.annual_revenue_amount as decimal(18, 4)) as annual_revenue_amount,
        gathered.tags,
        coalesce(gathered.is_email_opted_out, false) as is_email_opted_out,
        coalesce(gathered.is_call_refused, false) as is_call_refused
    from counted
    left join golden on counted.customer_id = golden.customer_id
    left join gathered on counted.customer_id = gathered.customer_id
)

select * from merged
