with source as (
    {{ current_version(source('landing', 'orders')) }}
),

renamed as (
    select
        ---------- ids
        source,
        source_account_id,
        source_record_id as order_source_id,
        customer_source_id,
        account_source_id,
        customer_email,
        customer_phone,
        upper(trim(ship_country)) as ship_country,

        ---------- facts
        lower(trim(status)) as status,
        coalesce(is_test, false) as is_test,
        channel,
        store_id,
        coalesce({{ list_length('coupon_codes') }}, 0) > 0 as has_coupon,
        coalesce({{ list_length('coupon_codes') }}, 0) > 0 or coalesce(discount_amount, 0) > 0 as is_discounted,
        utm_source,
        utm_medium,
        utm_campaign,

        ---------- money in the order's currency
        currency,
        total_amount,
        coalesce(tax_amount, 0) as tax_amount,
        coalesce(discount_amount, 0) as discount_amount,
        cost_amount,

        ---------- times
        ordered_at,
        {{ business_date('ordered_at') }} as ordered_on,
        {{ business_hour('ordered_at') }} as ordered_hour,
        {{ business_date('paid_at') }} as paid_on,
        {{ business_date('cancelled_at') }} as cancelled_on
    from source
)

select * from renamed
where ordered_on <= {{ as_of() }}
