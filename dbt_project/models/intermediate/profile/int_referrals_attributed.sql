with referrals as (
    select
        *,
        case when referrer_contact_source_id is null then referrer_key end as nameless_referrer_key,
        case when referee_contact_source_id is null then referee_key end as nameless_referee_key
    from {{ ref('stg_shop__referrals') }}
    where status <> 'rejected' and not is_fraud
),

customer_keys as (
    select * from {{ ref('stg_pipeline__customer_keys') }}
    where entity = 'contact'
),

identifiers as (
    select * from {{ ref('stg_pipeline__known_identifiers') }}
    where customer_id is not null and id_type in ('email', 'phone') and country_code = ''
),

-- Each end is the contact of the same source that it names, else what its key is: a contact's id, an
-- address or a number.
attributed as (
    select
        coalesce(
            referrer_by_id.customer_id, referrer_by_key.customer_id, referrer_by_address.customer_id
        ) as referrer_customer_id,
        coalesce(
            referee_by_id.customer_id, referee_by_key.customer_id, referee_by_address.customer_id
        ) as referee_customer_id,
        coalesce(referrals.relation, 'referral') as relation,
        referrals.status in ('purchased', 'rewarded') as is_converted,
        referrals.reward_amount,
        referrals.currency,
        referrals.referred_on,
        referrals.converted_on,
        referrals.source
    from referrals
    {% for end in ['referrer', 'referee'] -%}
    left join customer_keys as {{ end }}_by_id
        on
            referrals.source = {{ end }}_by_id.source
            and referrals.source_account_id = {{ end }}_by_id.source_account_id
            and referrals.{{ end }}_contact_source_id = {{ end }}_by_id.source_record_id
    left join customer_keys as {{ end }}_by_key
        on
            referrals.source = {{ end }}_by_key.source
            and referrals.source_account_id = {{ end }}_by_key.source_account_id
            and referrals.nameless_{{ end }}_key = {{ end }}_by_key.source_record_id
    left join identifiers as {{ end }}_by_address on referrals.nameless_{{ end }}_key = {{ end }}_by_address.raw_value
    {% endfor %}
)

select * from attributed
