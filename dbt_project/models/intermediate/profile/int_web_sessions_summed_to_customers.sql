with sessions as (
    select * from {{ ref('int_web_events_summed_to_sessions') }}
),

categories as (
    select * from {{ ref('int_web_events_summed_to_categories') }}
),

-- A session is of the day that it began.
whole_sessions as (
    select
        customer_id,
        session_id,
        min(event_on) as began_on,
        {{ days_between('min(event_on)', as_of()) }} as age_days,
        sum(product_view_count) as product_view_count,
        sum(cart_count) as cart_count,
        sum(purchase_count) as purchase_count,
        max(device_category) as device_category
    from sessions
    group by customer_id, session_id
),

summed_sessions as (
    select
        customer_id,
        {% for days in [30, 90, 365] -%}
        count(case when age_days < {{ days }} then 1 end) as web_session_count_{{ days }}d,
        {% endfor -%}
        count(case when cart_count > 0 and age_days < 90 then 1 end) as cart_session_count_90d,
        count(case when cart_count > 0 and purchase_count = 0 and age_days < 90 then 1 end) as abandoned_cart_count_90d,
        max(case when cart_count > 0 and purchase_count = 0 then began_on end) as last_abandoned_cart_on
    from whole_sessions
    group by customer_id
),

views as (
    select
        {% for days in [30, 90, 365] -%}
        cast(sum(
            case when {{ days_between('event_on', as_of()) }} < {{ days }} then product_view_count else 0 end
        ) as bigint) as product_view_count_{{ days }}d,
        {% endfor -%}
        customer_id
    from sessions
    group by customer_id
),

-- Of two that are equally frequent, the first by name.
devices as (
    select
        customer_id,
        device_category,
        row_number() over (partition by customer_id order by count(*) desc, device_category) as device_rank
    from whole_sessions
    where device_category is not null and age_days < 365
    group by customer_id, device_category
),

seen_categories as (
    select
        customer_id,
        category,
        last_viewed_on,
        view_count_90d,
        row_number() over (partition by customer_id order by last_viewed_at desc, category asc) as newest_rank,
        row_number() over (partition by customer_id order by view_count_90d desc, category asc) as views_rank
    from categories
    where last_viewed_at is not null and category is not null
),

favourites as (
    select
        customer_id,
        max(case when newest_rank = 1 then category end) as last_viewed_category,
        max(case when newest_rank = 1 then last_viewed_on end) as last_product_view_on,
        max(case when views_rank = 1 and view_count_90d > 0 then category end) as most_viewed_category_90d
    from seen_categories
    group by customer_id
),

summed as (
    select
        summed_sessions.*,
        {{ share('summed_sessions.abandoned_cart_count_90d', 'summed_sessions.cart_session_count_90d') }}
            as cart_abandonment_rate_90d,
        views.product_view_count_30d,
        views.product_view_count_90d,
        views.product_view_count_365d,
        devices.device_category as preferred_device,
        favourites.last_viewed_category,
        favourites.last_product_view_on,
        favourites.most_viewed_category_90d
    from summed_sessions
    left join views on summed_sessions.customer_id = views.customer_id
    left join devices on summed_sessions.customer_id = devices.customer_id and devices.device_rank = 1
    left join favourites on summed_sessions.customer_id = favourites.customer_id
)

select * from summed
