with referrals as (
    select * from {{ ref('stg_shop__referrals') }}
    where status <> 'rejected' and not is_fraud
),

customer_keys as (
    select * from {{ ref('stg_pipeline__customer_keys') }}
    where entity = 'contact'
),

ties as (
    select
        referrers.customer_id as referrer_customer_id,
        referees.customer_id as referee_customer_id,
        coalesce(referrals.relation, 'referral') as relation,
        max(case when referrals.status in ('purchased', 'rewarded') then 1 else 0 end) = 1 as is_converted,
        min(referrals.referred_on) as referred_on
    from referrals
    inner join customer_keys as referrers
        on
            referrals.source = referrers.source
            and referrals.source_account_id = referrers.source_account_id
            and referrals.referrer_contact_source_id = referrers.source_record_id
    inner join customer_keys as referees
        on
            referrals.source = referees.source
            and referrals.source_account_id = referees.source_account_id
            and referrals.referee_contact_source_id = referees.source_record_id
    where referrers.customer_id <> referees.customer_id
    group by referrers.customer_id, referees.customer_id, coalesce(referrals.relation, 'referral')
)

select * from ties
