with survived as (
    select * from {{ ref('int_fields_survived_to_customers') }}
),

erased as (
    select * from {{ ref('int_erased_customers') }}
),

shown as (
    select
        survived.customer_id,
        survived.field,
        case when not survived.is_personal then survived.value end as value,
        survived.field_group,
        survived.rule,
        survived.entity,
        survived.source,
        survived.source_account_id,
        survived.source_record_id,
        survived.valued_at
    from survived
    left join erased on survived.customer_id = erased.customer_id
    where erased.customer_id is null
)

select * from shown
order by customer_id, field
