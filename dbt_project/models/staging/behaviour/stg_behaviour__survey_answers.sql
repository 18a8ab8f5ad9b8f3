with source as (
    {{ current_version(source('landing', 'survey_answers')) }}
),

renamed as (
    select
        source,
        source_account_id,
        source_record_id as answer_source_id,
        response_id,
        contact_source_id,
        email,
        question_type,
        answer_text,
        score,
        scale_min,
        scale_max,
        responded_at,
        {{ business_date('responded_at') }} as responded_on
    from source
)

select * from renamed
where responded_on <= {{ as_of() }}
