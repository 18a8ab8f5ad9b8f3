with records as (
    {% for model, record_id in [
        ('stg_crm__contacts', 'contact_source_id'), ('stg_crm__accounts', 'account_source_id'),
        ('stg_crm__cases', 'case_source_id'), ('stg_shop__orders', 'order_source_id'),
        ('stg_shop__refunds', 'refund_source_id'), ('stg_privacy__consents', 'consent_source_id'),
    ] -%}
    select
        '{{ model }}' as model,
        source,
        source_account_id,
        {{ record_id }} as record_id
    from {{ ref(model) }}
    {{ "union all" if not loop.last }}
    {% endfor %}
),

repeated as (
    select
        model,
        count(*) as version_count
    from records
    group by model, source, source_account_id, record_id
    having count(*) > 1
)

select * from repeated
