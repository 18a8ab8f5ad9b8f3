with cases as (
    select
        *,
        closed_on is null or closed_on > {{ as_of() }} as is_open,
        {{ days_between('opened_on', as_of()) }} as age_days,
        case
            when first_response_on <= {{ as_of() }}
                then {{ seconds_between('opened_at', 'first_response_at') }} / 3600.0
        end as first_response_hours,
        case
            when closed_on <= {{ as_of() }} then {{ seconds_between('opened_at', 'closed_at') }} / 86400.0
        end as resolution_days
    from {{ ref('int_cases_attributed') }}
),

summed as (
    select
        customer_id,
        count(*) as case_count,
        count(case when age_days < 90 then 1 end) as case_count_90d,
        count(case when age_days < 365 then 1 end) as case_count_365d,
        count(case when is_complaint then 1 end) as complaint_count,
        count(case when is_complaint and age_days < 90 then 1 end) as complaint_count_90d,
        count(case when is_complaint and age_days < 365 then 1 end) as complaint_count_365d,
        {% for case_type in ['question', 'return', 'praise', 'request', 'other'] -%}
        count(case when case_type = '{{ case_type }}' and age_days < 365 then 1 end)
            as {{ case_type }}_case_count_365d,
        {% endfor -%}
        count(case when is_open then 1 end) as open_case_count,
        count(case when is_open and is_complaint then 1 end) as open_complaint_count,
        max(case when is_open and is_complaint then age_days end) as oldest_open_complaint_days,
        count(case when reopen_count > 0 and age_days < 365 then 1 end) as reopened_case_count_365d,
        count(case when is_sla_breached and age_days < 365 then 1 end) as sla_breach_count_365d,
        round(median(case when age_days < 365 then first_response_hours end), 4) as first_response_median_365d_hours,
        round(median(case when age_days < 365 then resolution_days end), 4) as resolution_median_365d_days,
        round(
            cast(sum(case when age_days < 365 then cast(csat_score as decimal(28, 8)) end) as double)
            / count(case when age_days < 365 then csat_score end), 4
        ) as case_csat_mean_365d,
        max(opened_on) as last_case_on,
        max(case when is_complaint then opened_on end) as last_complaint_on
    from cases
    group by customer_id
)

select * from summed
