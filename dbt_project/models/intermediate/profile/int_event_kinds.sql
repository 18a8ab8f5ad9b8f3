{#- The kinds of event that conditions of lists may count, and whether a source tells of them tonight. -#}
with present as (
    select * from {{ ref('int_sources_present') }}
),

kinds as (
    {% for kind, source in [
        ('order', 'orders'), ('return', 'refunds'), ('view', 'web_events'), ('cart', 'web_events'),
        ('search', 'web_events'), ('visit', 'web_events'), ('open', 'campaign_events'), ('click', 'campaign_events'),
        ('like', 'social_engagements'), ('comment', 'social_engagements'), ('share', 'social_engagements'),
        ('call', 'activities'), ('meeting', 'activities'), ('case', 'cases'), ('complaint', 'cases'),
        ('survey', 'survey_answers'), ('referral', 'referrals'),
    ] -%}
    select
        '{{ kind }}' as kind,
        has_{{ source }} as is_known
    from present
    {% if not loop.last %}
    union all

    {% endif %}
    {%- endfor %}
)

select * from kinds
order by kind
