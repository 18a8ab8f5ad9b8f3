with source as (
    {{ current_version(source('landing', 'referrals')) }}
),

renamed as (
    select
        source,
        source_account_id,
        referrer_contact_source_id,
        trim(referrer_key) as referrer_key,
        referee_contact_source_id,
        trim(referee_key) as referee_key,
        relation,
        status,
        coalesce(fraud_flag, false) as is_fraud,
        reward_amount,
        currency,
        coalesce(
            {{ business_date('coalesce(invited_at, converted_at, source_created_at)') }}, cast(extracted_at as date)
        ) as referred_on,
        {{ business_date('converted_at') }} as converted_on
    from source
)

select * from renamed
where referred_on <= {{ as_of() }}
