with source as (
    {{ current_version(source('landing', 'loyalty_entries')) }}
),

renamed as (
    select
        source,
        source_account_id,
        source_record_id as entry_source_id,
        program_id,
        member_id,
        contact_source_id,
        entry_type,
        coalesce(points_delta, 0) as points_delta,
        balance_after,
        tier_after,
        occurred_at,
        {{ business_date('occurred_at') }} as occurred_on,
        {{ business_date('expires_at') }} as expires_on
    from source
)

select * from renamed
where occurred_on <= {{ as_of() }}
