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

-- A full name, which is made of its parts where it is missing, stands for its group.
names as (
    select
        customer_id,
        source as name_source,
        rule as name_rule,
        valued_at as name_valued_at
    from {{ ref('int_fields_survived_to_customers') }}
    where field = 'full_name'
),

-- All fields of an address are of one record.
addresses as (
    select
        customer_id,
        max(source) as address_source,
        max(rule) as address_rule,
        max(valued_at) as address_valued_at
    from {{ ref('int_fields_survived_to_customers') }}
    where field in ('street', 'city', 'state', 'postal_code', 'country_code')
    group by customer_id
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
        points.contact_source,
        points.contact_valued_at,
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
        records.first_name,
        records.last_name,
        names.name_source,
        names.name_rule,
        names.name_valued_at,
        records.street,
        records.city,
        records.state,
        records.postal_code,
        records.country_code,
        addresses.address_source,
        addresses.address_rule,
        addresses.address_valued_at,
        best.contact_value,
        best.contact_source,
        'recency' as contact_rule,
        best.contact_valued_at,
        best.effective_on as consented_on,
        best.expires_on as consent_expires_on
    from best
    inner join records on best.customer_id = records.customer_id
    left join names on best.customer_id = names.customer_id
    left join addresses on best.customer_id = addresses.customer_id
    where best.best_rank = 1
)

select * from contacts
order by customer_id, channel, purpose
