with customers as (
    select * from {{ ref('customer_360') }}
),

lifecycle as (
    select * from {{ ref('customer_lifecycle') }}
    where lifecycle_stage in ('at_risk', 'dormant', 'churned')
),

cases as (
    select * from {{ ref('int_cases_attributed') }}
),

answers as (
    select * from {{ ref('int_answers_attributed') }}
),

refunds as (
    select * from {{ ref('int_refunds_priced') }}
    where customer_id is not null
),

orders as (
    select * from {{ ref('int_orders_completed') }}
    where customer_id is not null and is_counted
),

prices as (
    select * from {{ ref('int_item_prices_changed') }}
),

mentions as (
    select * from {{ ref('stg_pipeline__feedback_topics') }}
),

topics as (
    select * from {{ ref('stg_rules__topics') }}
),

causes as (
    select * from {{ ref('stg_rules__cause_limits') }}
),

leaving as (
    select
        customers.customer_id,
        customers.as_of,
        customers.last_order_on,
        lifecycle.lifecycle_stage
    from customers
    inner join lifecycle on customers.customer_id = lifecycle.customer_id
),

ranked_orders as (
    select
        *,
        row_number() over (
            partition by customer_id order by ordered_at desc, source asc, source_account_id asc, order_source_id asc
        ) as recency_rank
    from orders
),

-- Whether orders before the last one had a discount, and the last had none.
discounts as (
    select
        customer_id,
        max(case when recency_rank = 1 then ordered_on end) as last_order_on,
        max(case when recency_rank = 1 then source end) as source,
        max(case when recency_rank = 1 then source_account_id end) as source_account_id,
        max(case when recency_rank = 1 then order_source_id end) as order_source_id,
        bool_or(recency_rank = 1 and coalesce(is_discounted, false)) as is_last_discounted,
        count(case when recency_rank > 1 and is_discounted then 1 end) as discounted_count,
        {{ share(
            'count(case when recency_rank > 1 and is_discounted then 1 end)', 'count(case when recency_rank > 1 then 1 end)'
        ) }} as discounted_rate
    from ranked_orders
    group by customer_id
),

-- The same form for all: what happened, when, in which record, and a number that says how bad.
evidence as (
    select
        'complaint' as cause,
        customer_id,
        opened_on as happened_on,
        'case' as record_kind,
        source,
        source_account_id,
        case_source_id as source_record_id,
        closed_on is null or closed_on > {{ as_of() }} as is_open,
        cast(null as double) as value
    from cases
    where is_complaint or closed_on is null or closed_on > {{ as_of() }}

    union all

    select
        'low_rating' as cause,
        answers.customer_id,
        answers.responded_on as happened_on,
        'survey' as record_kind,
        answers.source,
        answers.source_account_id,
        answers.response_id as source_record_id,
        null as is_open,
        round(case when answers.question_type = 'nps' then answers.score / 10 else (answers.score - 1) / 4 end, 4)
            as value
    from answers

    union all

    select
        'return' as cause,
        customer_id,
        refunded_on as happened_on,
        'return' as record_kind,
        source,
        source_account_id,
        refund_source_id as source_record_id,
        null as is_open,
        round(cast(refunded_amount as double), 4) as value
    from refunds

    union all

    select
        'price_rise' as cause,
        customer_id,
        priced_on as happened_on,
        'order_item' as record_kind,
        source,
        source_account_id,
        order_item_source_id as source_record_id,
        null as is_open,
        rise_rate as value
    from prices

    union all

    select
        'discount_stopped' as cause,
        discounts.customer_id,
        discounts.last_order_on as happened_on,
        'order' as record_kind,
        discounts.source,
        discounts.source_account_id,
        discounts.order_source_id as source_record_id,
        null as is_open,
        discounts.discounted_rate as value
    from discounts
    inner join causes on causes.cause = 'discount_stopped'
    where not discounts.is_last_discounted and discounts.discounted_count >= causes.min_discounted_orders

    union all

    select
        case topic when 'rival' then 'rival' else 'price_words' end as cause,
        customer_id,
        said_on as happened_on,
        source_kind as record_kind,
        source,
        source_account_id,
        source_record_id,
        null as is_open,
        null as value
    from mentions
    where topic = 'rival' or (topic = 'price' and is_problem)
),

-- Of one cause the last evidence counts; of one day the worst, then the first record by name.
ranked as (
    select
        leaving.customer_id,
        leaving.as_of,
        leaving.lifecycle_stage,
        leaving.last_order_on,
        causes.priority,
        causes.cause,
        causes.label,
        causes.label_zh,
        evidence.happened_on,
        evidence.record_kind,
        evidence.source,
        evidence.source_account_id,
        evidence.source_record_id,
        evidence.is_open,
        evidence.value,
        row_number() over (
            partition by leaving.customer_id, causes.cause
            order by
                evidence.happened_on desc,
                case when causes.cause = 'low_rating' then -evidence.value else evidence.value end desc,
                evidence.source asc,
                evidence.source_account_id asc,
                evidence.source_record_id asc
        ) as evidence_rank
    from evidence
    inner join leaving on evidence.customer_id = leaving.customer_id
    inner join causes on evidence.cause = causes.cause
    where
        {{ days_between('evidence.happened_on', 'leaving.last_order_on') }} <= causes.days_before
        and (evidence.cause <> 'low_rating' or evidence.value <= causes.low_rating)
        and (evidence.cause <> 'price_rise' or evidence.value >= causes.price_rise)
        and (evidence.cause <> 'discount_stopped' or evidence.value >= causes.discounted_share)
),

-- What a case or a return was about: of several topics the first of `feedback_topics.yml`.
topics_of_records as (
    select
        mentions.customer_id,
        mentions.source_kind,
        mentions.source,
        mentions.source_account_id,
        mentions.source_record_id,
        {{ first_by('topics.topic', ['topics.priority']) }} as topic
    from mentions
    inner join topics on mentions.topic = topics.topic
    group by
        mentions.customer_id,
        mentions.source_kind,
        mentions.source,
        mentions.source_account_id,
        mentions.source_record_id
),

told as (
    select
        ranked.customer_id,
        ranked.as_of,
        ranked.cause,
        ranked.label,
        ranked.label_zh,
        row_number() over (partition by ranked.customer_id order by ranked.priority) as cause_rank,
        ranked.lifecycle_stage,
        ranked.happened_on,
        {{ days_between('ranked.happened_on', 'ranked.last_order_on') }} as days_before_last_order,
        ranked.record_kind,
        ranked.source,
        ranked.source_account_id,
        ranked.source_record_id,
        topics_of_records.topic,
        topics.label as topic_label,
        topics.label_zh as topic_label_zh,
        ranked.is_open,
        ranked.value
    from ranked
    left join topics_of_records
        on
            ranked.customer_id = topics_of_records.customer_id
            and ranked.record_kind = topics_of_records.source_kind
            and ranked.source = topics_of_records.source
            and ranked.source_account_id = topics_of_records.source_account_id
            and ranked.source_record_id = topics_of_records.source_record_id
    left join topics on topics_of_records.topic = topics.topic
    where ranked.evidence_rank = 1
)

select * from told
order by customer_id, cause
