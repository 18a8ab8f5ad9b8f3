with records as (
    select
        customer_id,
        newest_rank,
        oldest_rank,
        is_nickname,
        source,
        full_name,
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
        kind,
        gender,
        birth_date,
        language,
        occupation,
        income_band,
        owner_id,
        lead_source,
        source_tier,
        domain,
        website,
        industry,
        employees,
        annual_revenue_amount,
        parent_account_source_id
    from {{ ref('int_records_attributed') }}
),

-- A field that is not there makes no row.
written as (
    select
        customer_id,
        newest_rank,
        oldest_rank,
        source,
        field,
        is_nickname and field = 'full_name' as is_nickname,
        trim(value) as value
    from records
    unpivot (
        value for field in (
            full_name, first_name, last_name, street, city, state, postal_code, country_code, account_source_id,
            job_title, department, kind, gender, birth_date, language, occupation, income_band, owner_id, lead_source,
            source_tier, domain, website, industry, employees, annual_revenue_amount, parent_account_source_id
        )
    )
    where trim(value) <> ''
)

select * from written
