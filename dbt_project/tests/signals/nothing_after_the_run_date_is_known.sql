with latest as (
    {% for dataset, day in [
        ('stg_crm__activities', 'active_on'), ('stg_crm__cases', 'opened_on'), ('stg_shop__orders', 'ordered_on'),
        ('stg_shop__refunds', 'refunded_on'), ('stg_shop__loyalty_entries', 'occurred_on'),
        ('stg_shop__referrals', 'referred_on'), ('stg_shop__service_costs', 'incurred_on'),
        ('stg_shop__fx_rates', 'rate_date'), ('stg_behaviour__web_events', 'event_on'),
        ('stg_behaviour__campaign_events', 'event_on'), ('stg_behaviour__social_engagements', 'engaged_on'),
        ('stg_behaviour__survey_answers', 'responded_on'), ('stg_privacy__consents', 'effective_on'),
        ('stg_privacy__erasure_requests', 'requested_on'), ('stg_privacy__identity_links', 'observed_on'),
        ('int_identity_records', 'first_seen_on'),
    ] -%}
    select
        '{{ dataset }}' as dataset,
        max({{ day }}) as latest_on
    from {{ ref(dataset) }}
    {{ "union all" if not loop.last }}
    {% endfor %}
),

too_late as (
    select *
    from latest
    where latest_on > {{ as_of() }}
)

select * from too_late
