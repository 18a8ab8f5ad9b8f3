with source as (
    {{ current_version(source('landing', 'service_costs')) }}
),

renamed as (
    select
        source,
        source_account_id,
        contact_source_id,
        account_source_id,
        order_source_id,
        case_source_id,
        campaign_id,
        tier_scope,
        cost_type,
        allocation_method,
        currency,
        amount,
        {{ business_date('incurred_at') }} as incurred_on
    from source
)

select * from renamed
where incurred_on <= {{ as_of() }}
