with campaign_events as (
    select * from {{ ref('stg_behaviour__campaign_events') }}
),

survey_answers as (
    select * from {{ ref('stg_behaviour__survey_answers') }}
),

web_events as (
    select * from {{ ref('stg_behaviour__web_events') }}
),

social_engagements as (
    select * from {{ ref('stg_behaviour__social_engagements') }}
),

consents as (
    select * from {{ ref('stg_privacy__consents') }}
),

erasure_requests as (
    select * from {{ ref('stg_privacy__erasure_requests') }}
),

mentions as (
    select
        'email' as id_type,
        email as raw_value
    from campaign_events

    union all

    select
        'email' as id_type,
        email as raw_value
    from survey_answers

    union all

    select
        'user_id' as id_type,
        user_id as raw_value
    from web_events

    union all

    select
        'social_handle' as id_type,
        actor_handle as raw_value
    from social_engagements

    union all

    select
        'external_userid' as id_type,
        actor_platform_id as raw_value
    from social_engagements

    union all

    select
        subject_key_type as id_type,
        subject_key as raw_value
    from consents
    where subject_key_type <> 'contact_id'

    union all

    select
        subject_key_type as id_type,
        subject_key as raw_value
    from erasure_requests
    where subject_key_type <> 'contact_id'
),

lookups as (
    select distinct
        id_type,
        raw_value,
        '' as country_code
    from mentions
    where raw_value is not null
)

select * from lookups
