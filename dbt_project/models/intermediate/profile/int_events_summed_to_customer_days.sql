with orders as (
    select * from {{ ref('int_orders_completed') }}
    where customer_id is not null and is_counted
),

order_items as (
    select * from {{ ref('int_order_items_attributed') }}
    where category is not null
),

refunds as (
    select * from {{ ref('int_refunds_priced') }}
    where customer_id is not null
),

sessions as (
    select * from {{ ref('int_web_events_summed_to_sessions') }}
    where product_view_count > 0
),

product_events as (
    select * from {{ ref('stg_behaviour__web_events') }}
    where event_name in ('view_item', 'add_to_cart')
),

identifiers as (
    select * from {{ ref('stg_pipeline__known_identifiers') }}
    where id_type = 'user_id' and customer_id is not null and country_code = ''
),

products as (
    select * from {{ ref('int_products_merged_to_ids') }}
),

touches as (
    select * from {{ ref('int_touches_attributed') }}
),

cases as (
    select * from {{ ref('int_cases_attributed') }}
),

answers as (
    select * from {{ ref('int_answers_attributed') }}
),

referrals as (
    select * from {{ ref('int_referrals_attributed') }}
),

run as (
    select * from {{ ref('stg_rules__run') }}
),

looked_at as (
    select
        identifiers.customer_id,
        product_events.event_name,
        product_events.event_on,
        product_events.event_count,
        {{ list_elements('product_events.item_ids') }} as product_id
    from product_events
    inner join identifiers on product_events.user_id = identifiers.raw_value
),

-- A row without a category counts all events of the kind; one with a category, those of it alone.
events as (
    select
        customer_id,
        'order' as kind,
        cast(null as varchar) as category,
        ordered_on as occurred_on,
        1 as event_count
    from orders

    union all

    select
        customer_id,
        'order' as kind,
        category,
        ordered_on as occurred_on,
        1 as event_count
    from order_items
    group by customer_id, category, ordered_on, source, source_account_id, order_source_id

    union all

    select
        customer_id,
        'return' as kind,
        null as category,
        refunded_on as occurred_on,
        1 as event_count
    from refunds

    union all

    select
        customer_id,
        'view' as kind,
        null as category,
        event_on as occurred_on,
        product_view_count as event_count
    from sessions

    union all

    select
        looked_at.customer_id,
        case when looked_at.event_name = 'view_item' then 'view' else 'cart' end as kind,
        {{ top_level('products.category_path') }} as category,
        looked_at.event_on as occurred_on,
        looked_at.event_count
    from looked_at
    inner join products on looked_at.product_id = products.product_id
    where {{ top_level('products.category_path') }} is not null

    union all

    select
        customer_id,
        kind,
        null as category,
        touched_on as occurred_on,
        touch_count as event_count
    from touches
    where
        (channel = 'web' and kind in ('visit', 'search', 'cart'))
        or (channel = 'campaign' and kind in ('open', 'click'))
        or (channel = 'social' and kind in ('like', 'comment', 'share'))
        or (channel = 'interaction' and kind in ('call', 'meeting'))

    union all

    select
        customer_id,
        'case' as kind,
        null as category,
        opened_on as occurred_on,
        1 as event_count
    from cases

    union all

    select
        customer_id,
        'complaint' as kind,
        null as category,
        opened_on as occurred_on,
        1 as event_count
    from cases
    where is_complaint

    union all

    select
        customer_id,
        'survey' as kind,
        null as category,
        responded_on as occurred_on,
        1 as event_count
    from answers

    union all

    select
        referrer_customer_id as customer_id,
        'referral' as kind,
        null as category,
        referred_on as occurred_on,
        1 as event_count
    from referrals
    where referrer_customer_id is not null
),

summed as (
    select
        events.customer_id,
        events.kind,
        events.category,
        events.occurred_on,
        cast(sum(events.event_count) as bigint) as event_count
    from events
    cross join run
    where
        {{ days_between('events.occurred_on', 'run.as_of') }} >= 0
        and {{ days_between('events.occurred_on', 'run.as_of') }} < run.event_days
    group by events.customer_id, events.kind, events.category, events.occurred_on
)

select * from summed
order by customer_id, kind, category, occurred_on
