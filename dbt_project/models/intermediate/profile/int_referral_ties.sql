with referrals as (
    select * from {{ ref('int_referrals_attributed') }}
),

records as (
    select * from {{ ref('int_records_attributed') }}
    where entity = 'contact' and referrer_source_id is not null
),

customer_keys as (
    select * from {{ ref('stg_pipeline__customer_keys') }}
    where entity = 'contact'
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
    select
        referrer_customer_id,
        referee_customer_id,
        relation,
        is_converted,
        referred_on,
        source
    from referrals

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
