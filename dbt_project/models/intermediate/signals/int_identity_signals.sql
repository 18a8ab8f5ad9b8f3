with records as (
    select * from {{ ref('int_identity_records') }}
),

contacts as (
    select * from {{ ref('stg_crm__contact_versions') }}
),

accounts as (
    select * from {{ ref('stg_crm__account_versions') }}
),

orders as (
    select
        *,
        case when customer_source_id is null then 'guest_order' else 'contact' end as entity,
        coalesce(customer_source_id, order_source_id) as source_record_id
    from {{ ref('stg_shop__order_versions') }}
    where customer_source_id is not null or account_source_id is null
),

-- One column a record may be known by; the type is what it is compared as.
stated as (
    {% for relation, entity, record_id, column, id_type in [
        ('contacts', "'contact'", 'contact_source_id', 'email', 'email'),
        ('contacts', "'contact'", 'contact_source_id', 'email_secondary', 'email'),
        ('contacts', "'contact'", 'contact_source_id', 'phone', 'phone'),
        ('contacts', "'contact'", 'contact_source_id', 'mobile', 'phone'),
        ('contacts', "'contact'", 'contact_source_id', 'external_userid', 'external_userid'),
        ('contacts', "'contact'", 'contact_source_id', 'unionid', 'unionid'),
        ('contacts', "'contact'", 'contact_source_id', 'social_handle', 'social_handle'),
        ('accounts', "'account'", 'account_source_id', 'phone', 'phone'),
        ('accounts', "'account'", 'account_source_id', 'domain', 'domain'),
        ('orders', 'entity', 'source_record_id', 'customer_email', 'email'),
        ('orders', 'entity', 'source_record_id', 'customer_phone', 'phone'),
    ] -%}
    select
        {{ entity }} as entity,
        source,
        source_account_id,
        {{ record_id }} as source_record_id,
        '{{ id_type }}' as id_type,
        {{ column }} as raw_value,
        {% set country = "ship_country" if relation == "orders" else "country_code" -%}
        {{ "coalesce(" ~ country ~ ", '')" if id_type == "phone" else "''" }} as country_code,
        landed_on,
        is_newest
    from {{ relation }}
    where {{ column }} is not null
    {{ "union all" if not loop.last }}
    {% endfor %}
),

-- What a record said once and says no more ties nobody.
signals as (
    select
        entity,
        source,
        source_account_id,
        source_record_id,
        id_type,
        raw_value,
        country_code,
        min(landed_on) as landed_on
    from stated
    group by entity, source, source_account_id, source_record_id, id_type, raw_value, country_code
    having bool_or(is_newest)
),

numbered as (
    select
        records.node,
        signals.id_type,
        signals.raw_value,
        signals.country_code,
        signals.landed_on
    from signals
    inner join records
        on
            signals.entity = records.entity
            and signals.source = records.source
            and signals.source_account_id = records.source_account_id
            and signals.source_record_id = records.source_record_id
)

select * from numbered
