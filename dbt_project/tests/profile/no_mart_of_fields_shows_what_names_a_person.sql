with shown as (
    select
        fields.customer_id,
        fields.field
    from {{ ref('customer_fields') }} as fields
    left join {{ ref('stg_rules__survivorship') }} as rules on fields.field = rules.field and not rules.is_personal
    where fields.value is not null and rules.field is null
)

select * from shown
