with contacts as (
    select * from {{ ref('customer_contacts') }}
),

usable as (
    select permissions.*
    from {{ ref('int_contact_permissions') }} as permissions
    inner join {{ ref('int_contact_points') }} as points
        on
            permissions.customer_id = points.customer_id
            and permissions.contact_type = points.contact_type
            and permissions.contact_value = points.contact_value
    left join {{ ref('int_erased_customers') }} as erased on permissions.customer_id = erased.customer_id
    where
        permissions.status = 'granted'
        and permissions.expires_on > {{ as_of() }}
        and not points.is_bounced
        and not points.is_complained
        and erased.customer_id is null
),

unfounded as (
    select
        contacts.customer_id,
        contacts.channel,
        contacts.purpose
    from contacts
    left join usable
        on
            contacts.customer_id = usable.customer_id
            and contacts.channel = usable.channel
            and contacts.purpose = usable.purpose
            and contacts.contact_value = usable.contact_value
    where usable.customer_id is null
)

select * from unfounded
