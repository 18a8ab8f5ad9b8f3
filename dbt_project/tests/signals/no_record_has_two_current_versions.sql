with records as (
    {% for dataset, record_id in [
        ('stg_crm__contacts', 'contact_source_id'), ('stg_crm__accounts', 'account_source_id'),
        ('stg_crm__cases', 'case_source_id'), ('stg_shop__orders', 'order_source_id'),
        ('stg_shop__refunds', 'refund_source_id'), ('stg_privacy__consents', 'consent_source_id'),
        ('stg_crm__deals', 'deal_source_id'), ('stg_shop__products', 'product_id'),
        ('stg_shop__loyalty_entries', 'entry_source_id'),
    ] -%}
    select
        '{{ dataset }}' as dataset,
        source,
        source_account_id,
        {{ record_id }} as record_id
    from {{ ref(dataset) }}
    {{ "union all" if not loop.last }}
    {% endfor %}
),

repeated as (
    select
        dataset,
        count(*) as version_count
    from records
    group by dataset, source, source_account_id, record_id
    having count(*) > 1
)

select * from repeated
