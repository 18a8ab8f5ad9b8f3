-- What customers wrote, for the search for topics alone: personal data that goes no further than this run.
with cases as (
    select * from {{ ref('int_cases_attributed') }}
),

answers as (
    select * from {{ ref('stg_behaviour__survey_answers') }}
    where answer_text is not null
),

scores as (
    select * from {{ ref('int_answers_attributed') }}
),

engagements as (
    select * from {{ ref('int_social_engagements_attributed') }}
    where engagement_text is not null
),

refunds as (
    select * from {{ ref('int_refunds_priced') }}
    where customer_id is not null
),

refund_reasons as (
    select * from {{ ref('stg_shop__refunds') }}
    where reason_code is not null or reason_text is not null
),

customer_keys as (
    select * from {{ ref('stg_pipeline__customer_keys') }}
    where entity = 'contact'
),

identifiers as (
    select * from {{ ref('stg_pipeline__known_identifiers') }}
    where customer_id is not null and id_type = 'email' and country_code = ''
),

-- The worst score of a response tells how its words are meant.
responses as (
    select
        source,
        source_account_id,
        response_id,
        customer_id,
        min(case when question_type = 'nps' then score / 10 else (score - 1) / 4 end) as rating_rate,
        min(
            case
                when question_type = 'nps' and score >= 9 or question_type = 'csat' and is_in_top_two then 3
                when question_type = 'nps' and score >= 7 or question_type = 'csat' and score >= 3 then 2
                else 1
            end
        ) as sentiment_rank
    from scores
    group by source, source_account_id, response_id, customer_id
),

answered as (
    select
        coalesce(customer_keys.customer_id, identifiers.customer_id) as customer_id,
        answers.source,
        answers.source_account_id,
        answers.response_id,
        max(answers.responded_on) as responded_on,
        {{ joined_lines('answers.answer_text', 'answers.answer_source_id') }} as answer_text
    from answers
    left join customer_keys
        on
            answers.source = customer_keys.source
            and answers.source_account_id = customer_keys.source_account_id
            and answers.contact_source_id = customer_keys.source_record_id
    left join identifiers on answers.email = identifiers.raw_value
    where coalesce(customer_keys.customer_id, identifiers.customer_id) is not null
    group by
        coalesce(customer_keys.customer_id, identifiers.customer_id),
        answers.source,
        answers.source_account_id,
        answers.response_id
),

texts as (
    select
        customer_id,
        'case' as source_kind,
        source,
        source_account_id,
        case_source_id as source_record_id,
        opened_on as said_on,
        concat_ws('\n', subject, body) as said_text,
        category as source_category,
        case when is_complaint then 'negative' when case_type = 'praise' then 'positive' end as sentiment,
        cast(null as double) as rating_rate,
        is_complaint
    from cases

    union all

    select
        answered.customer_id,
        'survey' as source_kind,
        answered.source,
        answered.source_account_id,
        answered.response_id as source_record_id,
        answered.responded_on as said_on,
        answered.answer_text as said_text,
        null as source_category,
        case responses.sentiment_rank when 3 then 'positive' when 2 then 'neutral' when 1 then 'negative' end
            as sentiment,
        round(responses.rating_rate, 4) as rating_rate,
        false as is_complaint
    from answered
    left join responses
        on
            answered.source = responses.source
            and answered.source_account_id = responses.source_account_id
            and answered.response_id = responses.response_id
            and answered.customer_id = responses.customer_id

    union all

    select
        customer_id,
        'social' as source_kind,
        source,
        source_account_id,
        engagement_source_id as source_record_id,
        engaged_on as said_on,
        engagement_text as said_text,
        null as source_category,
        sentiment_label as sentiment,
        null as rating_rate,
        false as is_complaint
    from engagements

    union all

    select
        refunds.customer_id,
        'return' as source_kind,
        refunds.source,
        refunds.source_account_id,
        refunds.refund_source_id as source_record_id,
        refunds.refunded_on as said_on,
        refund_reasons.reason_text as said_text,
        refund_reasons.reason_code as source_category,
        null as sentiment,
        null as rating_rate,
        false as is_complaint
    from refunds
    inner join refund_reasons
        on
            refunds.source = refund_reasons.source
            and refunds.source_account_id = refund_reasons.source_account_id
            and refunds.refund_source_id = refund_reasons.refund_source_id
)

select * from texts
