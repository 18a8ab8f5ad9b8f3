with source as (
    {{ current_version(source('landing', 'social_engagements')) }}
),

renamed as (
    select
        source,
        source_account_id,
        source_record_id as engagement_source_id,
        grain,
        platform,
        engagement_type,
        actor_platform_id,
        actor_handle,
        actor_followers,
        metric_value,
        text as engagement_text,
        lower(trim(sentiment_label)) as sentiment_label,
        sentiment_score,
        engaged_at,
        {{ business_date('engaged_at') }} as engaged_on
    from source
)

select * from renamed
where engaged_on <= {{ as_of() }} and grain = 'event'
