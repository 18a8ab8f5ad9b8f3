with permissions as (
    select * from {{ ref('int_contact_permissions') }}
),

erased as (
    select * from {{ ref('int_erased_customers') }}
),

statements as (
    select * from {{ ref('int_consents_attributed') }}
),

-- A channel is allowed if any contact point of it is.
allowed as (
    select
        customer_id,
        {% for channel in ['email', 'sms', 'phone', 'wechat'] -%}
        bool_or(purpose = 'marketing' and channel = '{{ channel }}' and is_allowed)
            as is_{{ channel }}_marketing_allowed,
        {% endfor -%}
        bool_or(purpose = 'marketing' and is_allowed) as is_marketing_allowed,
        bool_or(purpose = 'survey' and is_allowed) as is_survey_allowed,
        min(case when purpose = 'marketing' and is_allowed then expires_on end) as next_marketing_expiry_on
    from permissions
    group by customer_id
),

-- Handing data to a platform is a purpose of its own: no grant of marketing covers it.
ads_statements as (
    select
        customer_id,
        status,
        expires_on,
        row_number() over (
            partition by customer_id
            order by
                effective_at desc,
                case when status = 'granted' then 1 else 0 end asc,
                expires_on asc nulls last,
                status asc
        ) as statement_rank
    from statements
    where purpose = 'ads_matching'
),

-- A flag that stands in a record has no day of its own.
changes as (
    select
        customer_id,
        max(case when {{ business_date('effective_at') }} <= {{ as_of() }} then {{ business_date('effective_at') }} end)
            as last_consent_change_on
    from statements
    group by customer_id
),

summed as (
    select
        changes.customer_id,
        changes.last_consent_change_on,
        {% for channel in ['email', 'sms', 'phone', 'wechat'] -%}
        allowed.is_{{ channel }}_marketing_allowed and erased.customer_id is null as is_{{ channel }}_marketing_allowed,
        {% endfor -%}
        allowed.is_marketing_allowed and erased.customer_id is null as is_marketing_allowed,
        allowed.is_survey_allowed and erased.customer_id is null as is_survey_allowed,
        allowed.next_marketing_expiry_on,
        coalesce(ads_statements.status = 'granted' and ads_statements.expires_on > {{ as_of() }}, false)
        and erased.customer_id is null as is_ads_matching_granted
    from changes
    left join allowed on changes.customer_id = allowed.customer_id
    left join erased on changes.customer_id = erased.customer_id
    left join ads_statements
        on changes.customer_id = ads_statements.customer_id and ads_statements.statement_rank = 1
)

select * from summed
