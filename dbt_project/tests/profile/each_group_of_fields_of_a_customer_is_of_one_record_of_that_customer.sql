with survived as (
    select * from {{ ref('int_fields_survived_to_customers') }}
),

customer_keys as (
    select * from {{ ref('stg_pipeline__customer_keys') }}
),

records as (
    select distinct
        customer_id,
        field_group,
        entity,
        source,
        source_account_id,
        source_record_id
    from survived
),

mixed as (
    select
        records.customer_id,
        records.field_group
    from records
    left join customer_keys
        on
            records.customer_id = customer_keys.customer_id
            and records.entity = customer_keys.entity
            and records.source = customer_keys.source
            and records.source_account_id = customer_keys.source_account_id
            and records.source_record_id = customer_keys.source_record_id
    group by records.customer_id, records.field_group
    having count(*) > 1 or count(customer_keys.customer_id) < 1
)

select * from mixed
