with referrals as (
    select
        *,
        case when referrer_contact_source_id is null then referrer_key end as nameless_referrer_key,
        case when referee_contact_source_id is null then referee_key end as nameless_referee_key
    from {{ ref('stg_shop__referrals') }}
    where status <> 'rejected' and not is_fraud
),

records as (
    select * from {{ ref('int_records_attributed') }}
    where entity = 'contact' and referrer_source_id is not null
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
referred as (
    select
        coalesce(
            referrer_by_id.customer_id, referrer_by_key.customer_id, referrer_by_address.customer_id
        ) as referrer_customer_id,
        coalesce(
            referee_by_id.customer_id, referee_by_key.customer_id, referee_by_address.customer_id
        ) as referee_customer_id,
        coalesce(referrals.relation, 'referral') as relation,
        referrals.status in ('purchased', 'rewarded') as is_converted,
        referrals.referred_on,
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
),

-- A CRM says of a contact who brought it, and no more.
brought as (
    select
        customer_keys.customer_id as referrer_customer_id,
        records.customer_id as referee_customer_id,
        'referral' as relation,
        false as is_converted,
        records.seen_on as referred_on,
        records.source
    from records
    inner join customer_keys
        on
            records.source = customer_keys.source
            and records.source_account_id = customer_keys.source_account_id
            and records.referrer_source_id = customer_keys.source_record_id
),

stated as (
    select * from referred
    union all
    select * from brought
),

ties as (
    select
        referrer_customer_id,
        referee_customer_id,
        relation,
        bool_or(is_converted) as is_converted,
        min(referred_on) as referred_on,
        {{ first_by('source', ['referred_on', 'source']) }} as source
    from stated
    where referrer_customer_id <> referee_customer_id
    group by referrer_customer_id, referee_customer_id, relation
)

select * from ties
