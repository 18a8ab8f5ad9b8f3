with cases as (
    select * from {{ ref('stg_crm__cases') }}
),

customer_keys as (
    select * from {{ ref('stg_pipeline__customer_keys') }}
),

attributed as (
    select
        cases.*,
        customer_keys.customer_id
    from cases
    inner join customer_keys
        on
            customer_keys.entity = case when cases.contact_source_id is null then 'account' else 'contact' end
            and cases.source = customer_keys.source
            and cases.source_account_id = customer_keys.source_account_id
            and coalesce(cases.contact_source_id, cases.account_source_id) = customer_keys.source_record_id
)

select * from attributed
