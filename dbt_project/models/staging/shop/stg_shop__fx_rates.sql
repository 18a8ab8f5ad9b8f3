with source as (
    {{ current_version(source('landing', 'fx_rates')) }}
),

renamed as (
    select
        currency,
        base_currency,
        rate,
        rate_date
    from source
)

select * from renamed
where rate_date <= {{ as_of() }}
