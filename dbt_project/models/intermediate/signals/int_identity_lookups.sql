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

referrals as (
    select * from {{ ref('stg_shop__referrals') }}
),

-- The ends of a referral that no contact is named for; what is neither address nor number is a contact's id.
referral_keys as (
    select referrer_key as referral_key
    from referrals
    where referrer_contact_source_id is null

    union

    select referee_key as referral_key
    from referrals
    where referee_contact_source_id is null
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

    union all

    select
        'email' as id_type,
        referral_key as raw_value
    from referral_keys
    where referral_key like '%@%'

    union all

    select
        'phone' as id_type,
        referral_key as raw_value
    from referral_keys
    where
        left(referral_key, 1) in ('+', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9')
        and referral_key not like '%@%'
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
