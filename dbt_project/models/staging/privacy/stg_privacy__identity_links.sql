with source as (
    {{ current_version(source('landing', 'identity_links')) }}
),

renamed as (
    select
        source,
        source_account_id,
        id_type_a,
        id_a,
        id_type_b,
        id_b,
        {{ business_date('observed_at') }} as observed_on,
        {{ business_date('revoked_at') }} as revoked_on
    from source
)

select * from renamed
where
    observed_on <= {{ as_of() }}
    and (revoked_on is null or revoked_on > {{ as_of() }})
