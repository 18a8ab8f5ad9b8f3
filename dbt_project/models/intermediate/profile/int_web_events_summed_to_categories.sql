with web_events as (
    select
        *,
        {{ days_between('event_on', as_of()) }} as age_days
    from {{ ref('stg_behaviour__web_events') }}
    where event_name in ('view_item', 'add_to_cart')
),

identifiers as (
    select * from {{ ref('stg_pipeline__known_identifiers') }}
    where id_type = 'user_id' and customer_id is not null and country_code = ''
),

products as (
    select * from {{ ref('int_products_merged_to_ids') }}
),

run as (
    select * from {{ ref('stg_rules__run') }}
),

looked_at as (
    select
        identifiers.customer_id,
        web_events.event_name,
        web_events.event_on,
        web_events.event_at,
        web_events.event_count,
        web_events.age_days,
        {{ list_elements('web_events.item_ids') }} as product_id
    from web_events
    inner join identifiers on web_events.user_id = identifiers.raw_value
    where web_events.age_days < 365 or web_events.age_days < (select run.preference_days from run)
),

summed as (
    select
        looked_at.customer_id,
        {{ top_level('products.category_path') }} as category,
        max(case when looked_at.event_name = 'view_item' then looked_at.event_at end) as last_viewed_at,
        max(case when looked_at.event_name = 'view_item' then looked_at.event_on end) as last_viewed_on,
        cast(sum(
            case
                when looked_at.event_name = 'view_item' and looked_at.age_days < 90 then looked_at.event_count
                else 0
            end
        ) as bigint) as view_count_90d,
        cast(sum(
            case
                when looked_at.event_name = 'view_item' and looked_at.age_days < run.preference_days
                    then looked_at.event_count
                else 0
            end
        ) as bigint) as viewed_count,
        cast(sum(
            case
                when looked_at.event_name = 'add_to_cart' and looked_at.age_days < run.preference_days
                    then looked_at.event_count
                else 0
            end
        ) as bigint) as carted_count
    from looked_at
    inner join products on looked_at.product_id = products.product_id
    cross join run
    group by looked_at.customer_id, {{ top_level('products.category_path') }}
)

select * from summed
