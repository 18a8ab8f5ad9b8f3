with records as (
    select * from {{ ref('int_records_attributed') }}
    where entity = 'contact' and account_source_id is not null
),

customers as (
    select * from {{ ref('int_records_merged_to_customers') }}
    where kind = 'person'
),

accounts as (
    select * from {{ ref('stg_pipeline__customer_keys') }}
    where entity = 'account'
),

survived as (
    select * from {{ ref('int_fields_survived_to_customers') }}
    where field = 'account_source_id'
),

erased as (
    select * from {{ ref('int_erased_customers') }}
),

stated as (
    select
        accounts.customer_id as company_customer_id,
        records.customer_id,
        records.job_title,
        records.department,
        records.source,
        records.source_account_id,
        records.source_record_id,
        survived.customer_id is not null as is_employer,
        min(records.seen_on) over (
            partition by accounts.customer_id, records.customer_id
        ) as since_on,
        row_number() over (
            partition by accounts.customer_id, records.customer_id
            order by case when survived.customer_id is null then 1 else 0 end, records.newest_rank
        ) as record_rank
    from records
    inner join customers on records.customer_id = customers.customer_id
    inner join accounts
        on
            records.source = accounts.source
            and records.source_account_id = accounts.source_account_id
            and records.account_source_id = accounts.source_record_id
    left join survived
        on
            records.customer_id = survived.customer_id
            and records.entity = survived.entity
            and records.source = survived.source
            and records.source_account_id = survived.source_account_id
            and records.source_record_id = survived.source_record_id
    left join erased on records.customer_id = erased.customer_id
    where erased.customer_id is null
),

contacts as (
    select
        company_customer_id,
        customer_id,
        job_title,
        department,
        is_employer,
        since_on,
        source,
        source_account_id,
        source_record_id
    from stated
    where record_rank = 1
)

select * from contacts
order by company_customer_id, customer_id
