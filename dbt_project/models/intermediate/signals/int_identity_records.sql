with contacts as (
    select * from {{ ref('stg_crm__contacts') }}
),

accounts as (
    select * from {{ ref('stg_crm__accounts') }}
),

orders as (
    select * from {{ ref('stg_shop__orders') }}
),

sightings as (
    select
        'contact' as entity,
        source,
        source_account_id,
        contact_source_id as source_record_id,
        coalesce(created_on, extracted_on) as seen_on
    from contacts

    union all

    select
        'account' as entity,
        source,
        source_account_id,
        account_source_id as source_record_id,
        coalesce(created_on, extracted_on) as seen_on
    from accounts

    union all

    select
        'contact' as entity,
        source,
        source_account_id,
        customer_source_id as source_record_id,
        ordered_on as seen_on
    from orders
    where customer_source_id is not null

    union all

    select
        'account' as entity,
        source,
        source_account_id,
        account_source_id as source_record_id,
        ordered_on as seen_on
    from orders
    where customer_source_id is null and account_source_id is not null

    union all

    select
        'guest_order' as entity,
        source,
        source_account_id,
        order_source_id as source_record_id,
        ordered_on as seen_on
    from orders
    where
        customer_source_id is null
        and account_source_id is null
        and (customer_email is not null or customer_phone is not null)
),

first_sightings as (
    select
        entity,
        source,
        source_account_id,
        source_record_id,
        min(seen_on) as first_seen_on
    from sightings
    group by entity, source, source_account_id, source_record_id
)

select * from first_sightings
