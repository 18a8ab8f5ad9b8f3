with contacts as (
    select * from {{ ref('stg_crm__contacts') }}
),

orders as (
    select
        case when customer_source_id is null then 'guest_order' else 'contact' end as entity,
        source,
        source_account_id,
        coalesce(customer_source_id, order_source_id) as source_record_id,
        customer_email,
        customer_phone,
        ship_country
    from {{ ref('stg_shop__orders') }}
    where customer_source_id is not null or account_source_id is null
),

-- One column a contact may be known by; the type is what it is compared as.
contact_identifiers as (
    {% for column, id_type in [
        ('email', 'email'), ('email_secondary', 'email'), ('phone', 'phone'), ('mobile', 'phone'),
        ('external_userid', 'external_userid'), ('unionid', 'unionid'), ('social_handle', 'social_handle'),
    ] -%}
    select
        'contact' as entity,
        source,
        source_account_id,
        contact_source_id as source_record_id,
        '{{ id_type }}' as id_type,
        {{ column }} as raw_value,
        {{ "country_code" if id_type == "phone" else "null" }} as country_code
    from contacts
    where {{ column }} is not null
    {{ "union all" if not loop.last }}
    {% endfor %}
),

order_identifiers as (
    select
        entity,
        source,
        source_account_id,
        source_record_id,
        'email' as id_type,
        customer_email as raw_value,
        null as country_code
    from orders
    where customer_email is not null

    union all

    select
        entity,
        source,
        source_account_id,
        source_record_id,
        'phone' as id_type,
        customer_phone as raw_value,
        ship_country as country_code
    from orders
    where customer_phone is not null
),

signals as (
    select * from contact_identifiers
    union all
    select * from order_identifiers
),

distinct_signals as (
    select distinct
        entity,
        source,
        source_account_id,
        source_record_id,
        id_type,
        raw_value,
        coalesce(country_code, '') as country_code
    from signals
)

select * from distinct_signals
