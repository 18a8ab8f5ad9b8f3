with records as (
    select * from {{ ref('int_records_merged_to_customers') }}
),

permissions as (
    select * from {{ ref('int_contact_permissions') }}
    where is_allowed
),

points as (
    select * from {{ ref('int_contact_points') }}
),

erased as (
    select * from {{ ref('int_erased_customers') }}
),

-- Of the contact points that may be used for a purpose and channel, the best.
best as (
    select
        permissions.customer_id,
        permissions.channel,
        permissions.purpose,
        permissions.contact_value,
        permissions.effective_on,
        permissions.expires_on,
        row_number() over (
            partition by permissions.customer_id, permissions.channel, permissions.purpose
            order by permissions.contact_rank, permissions.contact_value
        ) as best_rank
    from permissions
    inner join points
        on
            permissions.customer_id = points.customer_id
            and permissions.contact_type = points.contact_type
            and permissions.contact_value = points.contact_value
    left join erased on permissions.customer_id = erased.customer_id
    where not points.is_bounced and not points.is_complained and erased.customer_id is null
),

contacts as (
    select
        best.customer_id,
        best.channel,
        best.purpose,
        records.full_name,
        best.contact_value,
        best.effective_on as consented_on,
        best.expires_on as consent_expires_on
    from best
    inner join records on best.customer_id = records.customer_id
    where best.best_rank = 1
)

select * from contacts
order by customer_id, channel, purpose
