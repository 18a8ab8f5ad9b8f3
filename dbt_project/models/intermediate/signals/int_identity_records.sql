with contacts as (
    select * from {{ ref('stg_crm__contact_versions') }}
),

accounts as (
    select * from {{ ref('stg_crm__account_versions') }}
),

orders as (
    select * from {{ ref('stg_shop__order_versions') }}
),

sightings as (
    select
        'contact' as entity,
        source,
        source_account_id,
        contact_source_id as source_record_id,
        case when is_newest then party end as party,
        landed_on,
        seen_on,
        is_deleted
    from contacts

    union all

    select
        'account' as entity,
        source,
        source_account_id,
        account_source_id as source_record_id,
        'organisation' as party,
        landed_on,
        seen_on,
        is_deleted
    from accounts

    union all

    select
        'contact' as entity,
        source,
        source_account_id,
        customer_source_id as source_record_id,
        null as party,
        landed_on,
        ordered_on as seen_on,
        is_deleted
    from orders
    where customer_source_id is not null

    union all

    select
        'account' as entity,
        source,
        source_account_id,
        account_source_id as source_record_id,
        'organisation' as party,
        landed_on,
        ordered_on as seen_on,
        is_deleted
    from orders
    where customer_source_id is null and account_source_id is not null

    union all

    select
        'guest_order' as entity,
        source,
        source_account_id,
        order_source_id as source_record_id,
        null as party,
        landed_on,
        ordered_on as seen_on,
        is_deleted
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
        coalesce(max(party), 'person') as party,
        min(greatest(landed_on, seen_on)) as first_known_on,
        {{ newest('seen_on', 'greatest(landed_on, seen_on), seen_on') }} as seen_on_when_known,
        min(seen_on) as first_seen_on,
        bool_and(is_deleted) as is_deleted
    from sightings
    group by entity, source, source_account_id, source_record_id
),

-- The oldest record names its customer. Age begins with the night that knew the record first: it had
-- landed, and its day had come. Nothing that is known later, and no date that is corrected later, can
-- then make another one the oldest.
numbered as (
    select
        row_number() over (
            order by first_known_on, seen_on_when_known, entity, source, source_account_id, source_record_id
        ) - 1 as node,
        *
    from first_sightings
)

select * from numbered
