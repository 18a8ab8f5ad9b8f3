with web_events as (
    select * from {{ ref('stg_behaviour__web_events') }}
),

identifiers as (
    select * from {{ ref('stg_pipeline__known_identifiers') }}
    where id_type = 'user_id' and customer_id is not null and country_code = ''
),

-- Where a source numbers no sessions, a day is one.
attributed as (
    select
        identifiers.customer_id,
        coalesce(web_events.session_id, concat('day ', web_events.event_on)) as session_id,
        web_events.event_on,
        web_events.event_at,
        case
            when web_events.event_name in ('search', 'view_search_results') then 'search'
            when web_events.event_name = 'add_to_cart' then 'cart'
            when web_events.event_name in ('page_view', 'view_item', 'session_start', 'screen_view') then 'visit'
            else 'other'
        end as kind,
        web_events.event_name,
        web_events.event_count,
        web_events.device_category,
        web_events.utm_source,
        web_events.utm_medium,
        web_events.utm_campaign
    from web_events
    inner join identifiers on web_events.user_id = identifiers.raw_value
),

-- The one pass over all events. A session over midnight has a row for each day, as touches are of a day.
sessions as (
    select
        customer_id,
        session_id,
        event_on,
        min(event_at) as began_at,
        {% for kind in ['visit', 'search', 'cart', 'other'] -%}
        cast(sum(case when kind = '{{ kind }}' then event_count else 0 end) as bigint) as {{ kind }}_count,
        {% endfor -%}
        cast(sum(case when event_name = 'view_item' then event_count else 0 end) as bigint) as product_view_count,
        cast(sum(case when event_name = 'purchase' then event_count else 0 end) as bigint) as purchase_count,
        max(device_category) as device_category,
        {{ earliest(
            ['utm_source', 'utm_medium', 'utm_campaign'],
            ['event_at', "coalesce(utm_source, '')", "coalesce(utm_medium, '')", "coalesce(utm_campaign, '')"],
        ) }} filter (
            where utm_source is not null or utm_medium is not null or utm_campaign is not null
        ) as arrival
    from attributed
    group by customer_id, session_id, event_on
),

unfolded as (
    select
        customer_id,
        session_id,
        event_on,
        began_at,
        visit_count,
        search_count,
        cart_count,
        other_count,
        product_view_count,
        purchase_count,
        device_category,
        {{ field('arrival', 'utm_source') }} as utm_source,
        {{ field('arrival', 'utm_medium') }} as utm_medium,
        {{ field('arrival', 'utm_campaign') }} as utm_campaign
    from sessions
)

select * from unfolded
