{#- Whether a table has any row tonight: a fact of a missing source is null, not zero. -#}
select
    {% for name, model in [
        ('orders', 'stg_shop__orders'), ('order_items', 'stg_shop__order_items'), ('refunds', 'stg_shop__refunds'),
        ('web_events', 'stg_behaviour__web_events'), ('social_engagements', 'stg_behaviour__social_engagements'),
        ('campaign_events', 'stg_behaviour__campaign_events'), ('activities', 'stg_crm__activities'),
        ('cases', 'stg_crm__cases'), ('deals', 'stg_crm__deals'), ('survey_answers', 'stg_behaviour__survey_answers'),
        ('loyalty_entries', 'stg_shop__loyalty_entries'), ('referrals', 'stg_shop__referrals'),
        ('service_costs', 'stg_shop__service_costs'), ('consents', 'stg_privacy__consents'),
    ] -%}
    (select count(*) from {{ ref(model) }}) > 0 as has_{{ name }}{{ "," if not loop.last }}
{% endfor %}
