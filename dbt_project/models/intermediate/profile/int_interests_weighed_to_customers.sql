with web_categories as (
    select * from {{ ref('int_web_events_summed_to_categories') }}
),

items as (
    select * from {{ ref('int_order_items_attributed') }}
),

cases as (
    select * from {{ ref('int_cases_attributed') }}
),

weights as (
    select * from {{ ref('stg_rules__interest_weights') }}
),

run as (
    select * from {{ ref('stg_rules__run') }}
),

order_categories as (
    select distinct
        source,
        source_account_id,
        order_source_id,
        category
    from items
),

-- Who complains of a thing or sends it back is not drawn to it.
discussed as (
    select
        cases.customer_id,
        order_categories.category,
        count(*) as deed_count
    from cases
    cross join run
    inner join order_categories
        on
            cases.source = order_categories.source
            and cases.source_account_id = order_categories.source_account_id
            and cases.order_source_id = order_categories.order_source_id
    where
        not cases.is_complaint
        and coalesce(cases.case_type, 'other') <> 'return'
        and {{ days_between('cases.opened_on', 'run.as_of') }} < run.preference_days
    group by cases.customer_id, order_categories.category
),

bought as (
    select
        items.customer_id,
        items.category,
        count(*) as deed_count
    from items
    cross join run
    where {{ days_between('items.ordered_on', 'run.as_of') }} < run.preference_days
    group by items.customer_id, items.category
),

deeds as (
    select
        customer_id,
        category,
        'viewed' as kind,
        viewed_count as deed_count
    from web_categories

    union all

    select
        customer_id,
        category,
        'carted' as kind,
        carted_count as deed_count
    from web_categories

    union all

    select
        customer_id,
        category,
        'bought' as kind,
        deed_count
    from bought

    union all

    select
        customer_id,
        category,
        'discussed' as kind,
        deed_count
    from discussed
),

-- Decimals, so that the sum does not depend on the order of rows.
weighed as (
    select
        deeds.customer_id,
        deeds.category,
        sum(cast(deeds.deed_count * weights.weight as decimal(28, 8))) as interest,
        sum(deeds.deed_count) as deed_count
    from deeds
    inner join weights on deeds.kind = weights.kind
    where deeds.category is not null
    group by deeds.customer_id, deeds.category
),

ranked as (
    select
        *,
        {{ share('interest', 'sum(interest) over (partition by customer_id)') }} as interest_rate,
        sum(deed_count) over (partition by customer_id) as interest_deed_count,
        row_number() over (partition by customer_id order by interest desc, category asc) as interest_rank
    from weighed
    where interest > 0
),

summed as (
    select
        customer_id,
        max(case when interest_rank = 1 then category end) as top_interest,
        max(case when interest_rank = 2 then category end) as second_interest,
        max(case when interest_rank = 3 then category end) as third_interest,
        max(case when interest_rank = 1 then interest_rate end) as top_interest_rate,
        max(case when interest_rank = 2 then interest_rate end) as second_interest_rate,
        max(case when interest_rank = 3 then interest_rate end) as third_interest_rate,
        cast(max(interest_deed_count) as bigint) as interest_deed_count
    from ranked
    where interest_rank <= 3
    group by customer_id
)

select * from summed
