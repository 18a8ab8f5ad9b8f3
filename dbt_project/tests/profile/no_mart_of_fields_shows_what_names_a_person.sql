with shown as (
    select
        customer_fields.customer_id,
        customer_fields.field
    from {{ ref('customer_fields') }} as customer_fields
    left join {{ ref('stg_rules__survivorship') }} as rules
        on customer_fields.field = rules.field and not rules.is_personal
    where customer_fields.value is not null and rules.field is null
)

select * from shown
