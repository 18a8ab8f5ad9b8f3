with answers as (
    select * from {{ ref('stg_behaviour__survey_answers') }}
    where question_type in ('nps', 'csat') and score is not null
),

customer_keys as (
    select * from {{ ref('stg_pipeline__customer_keys') }}
    where entity = 'contact'
),

identifiers as (
    select * from {{ ref('stg_pipeline__known_identifiers') }}
    where customer_id is not null and id_type = 'email' and country_code = ''
),

-- Recommendation is asked from 0 to 10 and satisfaction from 1 to 5, unless the answer names its scale.
scaled as (
    select
        *,
        coalesce(scale_min, case when question_type = 'nps' then 0 else 1 end) as lowest,
        coalesce(scale_max, case when question_type = 'nps' then 10 else 5 end) as highest
    from answers
),

-- On one scale, so that a 7 of 7 is no better than a 5 of 5. A score beside its scale says nothing.
attributed as (
    select
        coalesce(customer_keys.customer_id, identifiers.customer_id) as customer_id,
        scaled.question_type,
        case
            when scaled.question_type = 'nps'
                then round(10 * (scaled.score - scaled.lowest) / (scaled.highest - scaled.lowest), 4)
            else round(1 + 4 * (scaled.score - scaled.lowest) / (scaled.highest - scaled.lowest), 4)
        end as score,
        scaled.score >= scaled.highest - 1 as is_in_top_two,
        scaled.source,
        scaled.source_account_id,
        scaled.answer_source_id,
        scaled.response_id,
        scaled.responded_at,
        scaled.responded_on
    from scaled
    left join customer_keys
        on
            scaled.source = customer_keys.source
            and scaled.source_account_id = customer_keys.source_account_id
            and scaled.contact_source_id = customer_keys.source_record_id
    left join identifiers on scaled.email = identifiers.raw_value
    where scaled.lowest < scaled.highest and scaled.score >= scaled.lowest and scaled.score <= scaled.highest
)

select * from attributed
where customer_id is not null
