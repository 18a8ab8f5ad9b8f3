with activities as (
    select * from {{ ref('stg_crm__activities') }}
),

customer_keys as (
    select * from {{ ref('stg_pipeline__customer_keys') }}
),

attributed as (
    select
        customer_keys.customer_id,
        activities.activity_type,
        activities.direction,
        activities.is_completed,
        activities.due_on,
        activities.active_on
    from activities
    inner join customer_keys
        on
            customer_keys.entity = case when activities.contact_source_id is null then 'account' else 'contact' end
            and activities.source = customer_keys.source
            and activities.source_account_id = customer_keys.source_account_id
            and coalesce(activities.contact_source_id, activities.account_source_id) = customer_keys.source_record_id
)

select * from attributed
