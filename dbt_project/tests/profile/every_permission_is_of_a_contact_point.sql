with orphans as (
    select
        permissions.contact_type,
        permissions.channel,
        permissions.purpose
    from {{ ref('int_contact_permissions') }} as permissions
    left join {{ ref('int_contact_points') }} as points
        on
            permissions.customer_id = points.customer_id
            and permissions.contact_type = points.contact_type
            and permissions.contact_value = points.contact_value
    where points.customer_id is null
)

select * from orphans
