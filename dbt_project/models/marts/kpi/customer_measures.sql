{#- Windows of a rate of change: the state before so many days against tonight's. -#}
{%- set windows = [90, 365] -%}

with customers as (
    select * from {{ ref('customer_360') }}
),

grades as (
    select * from {{ ref('customer_grades') }}
),

lifecycle as (
    select * from {{ ref('customer_lifecycle') }}
),

answers as (
    select * from {{ ref('int_answers_attributed') }}
),

past_orders as (
    select * from {{ ref('int_past_orders_summed_to_customers') }}
),

grade_history as (
    select * from {{ ref('stg_pipeline__grade_history') }}
),

second_tier_grades as (
    select * from {{ ref('stg_rules__second_tier_grades') }}
),

present as (
    select * from {{ ref('int_sources_present') }}
),

run as (
    select * from {{ ref('stg_rules__run') }}
),

-- From how many orders on a buyer is a repeat buyer, and a loyal one.
steps as (
    select
        min(case when stage = 'repeat' then min_orders end) as repeat_from,
        min(case when stage = 'loyal' then min_orders end) as loyal_from
    from {{ ref('stg_rules__lifecycle_stages') }}
),

csat as (
    select
        customer_id,
        count(*) as answer_count,
        count(case when is_in_top_two then 1 end) as top_two_count
    from answers
    where question_type = 'csat' and {{ days_between('responded_on', as_of()) }} < 90
    group by customer_id
),

-- A history that begins later than the day asked about knows nothing of it.
history_begins as (
    select
        min(valid_from_on) as grades_on,
        min(case when is_first_tier is not null then valid_from_on end) as tiers_on
    from grade_history
),

{% for days in windows -%}
grades_{{ days }}d_ago as (
    select
        grade_history.customer_id,
        grade_history.grade,
        grade_history.is_first_tier,
        second_tier_grades.grade is not null and not grade_history.is_first_tier as is_second_tier
    from grade_history
    cross join run
    left join second_tier_grades on grade_history.grade = second_tier_grades.grade
    where
        {{ days_between('grade_history.valid_from_on', 'run.as_of') }} >= {{ days }}
        and (
            grade_history.valid_to_on is null
            or {{ days_between('grade_history.valid_to_on', 'run.as_of') }} < {{ days }}
        )
),

{% endfor -%}
joined as (
    select
        customers.*,
        grades.grade,
        grades.vip_band,
        grades.is_first_tier,
        lifecycle.lifecycle_stage,
        coalesce(csat.answer_count, 0) as csat_answer_count_90d,
        coalesce(csat.top_two_count, 0) as csat_top_two_count_90d,
        coalesce(customers.rhythm_ratio > run.churned_above, false) as is_churned,
        steps.repeat_from,
        steps.loyal_from,
        present.has_survey_answers,
        {% for days in windows -%}
        {{ days_between('customers.first_seen_on', 'run.as_of') }} >= {{ days }} as was_known_{{ days }}d_ago,
        coalesce(past_{{ days }}d.order_count, 0) as order_count_{{ days }}d_ago,
        coalesce(past_{{ days }}d.order_count_{{ days }}d, 0) as order_count_before_{{ days }}d,
        coalesce(past_{{ days }}d.rhythm_ratio > run.churned_above, false) as was_churned_{{ days }}d_ago,
        grades_{{ days }}d_ago.grade as grade_{{ days }}d_ago,
        grades_{{ days }}d_ago.is_second_tier as was_second_tier_{{ days }}d_ago,
        coalesce({{ days_between('history_begins.grades_on', 'run.as_of') }} >= {{ days }}, false)
            as is_grade_{{ days }}d_ago_known,
        coalesce({{ days_between('history_begins.tiers_on', 'run.as_of') }} >= {{ days }}, false)
            as is_tier_{{ days }}d_ago_known,
        {% endfor -%}
        run.as_of as run_on
    from customers
    cross join run
    cross join steps
    cross join present
    cross join history_begins
    inner join grades on customers.customer_id = grades.customer_id
    inner join lifecycle on customers.customer_id = lifecycle.customer_id
    left join csat on customers.customer_id = csat.customer_id
    {%- for days in windows %}
    left join past_orders as past_{{ days }}d
        on customers.customer_id = past_{{ days }}d.customer_id and past_{{ days }}d.days_ago = {{ days }}
    left join grades_{{ days }}d_ago on customers.customer_id = grades_{{ days }}d_ago.customer_id
    {%- endfor %}
),

-- One or nought for what a person is, a sum for what is added up; null where it is not known tonight.
measured as (
    select
        customer_id,
        as_of,
        kind,
        grade,
        coalesce(vip_band, 'none') as vip_band,
        is_first_tier,
        lifecycle_stage,
        grade_90d_ago,
        grade_365d_ago,
        cast(1 as bigint) as customer_count,
        {{ one_if('order_count > 0') }} as buyer_count,
        {{ one_if('order_count_365d > 0') }} as active_365d_count,
        {{ one_if('order_count > 0 and order_count_90d_ago = 0') }} as new_buyer_90d_count,
        order_count_365d,
        net_revenue_365d_amount,
        net_margin_365d_amount,
        cost_to_serve_365d_amount,
        net_margin_365d_amount - cost_to_serve_365d_amount as profit_365d_amount,
        case when has_survey_answers then {{ one_if('nps_score is not null') }} end as nps_answer_count,
        case when has_survey_answers then {{ one_if("nps_class = 'promoter'") }} end as promoter_count,
        case when has_survey_answers then {{ one_if("nps_class = 'detractor'") }} end as detractor_count,
        case when has_survey_answers then csat_answer_count_90d end as csat_answer_90d_count,
        case when has_survey_answers then csat_top_two_count_90d end as csat_top_two_90d_count,
        case when complaint_count_90d is not null then {{ one_if('order_count > 0 and complaint_count_90d > 0') }} end
            as complainer_90d_count,
        {{ one_if('order_count >= repeat_from') }} as repeat_buyer_count,
        {{ one_if('order_count_365d >= repeat_from') }} as repeat_buyer_365d_count,
        {{ one_if('is_churned') }} as churned_count,
        {%- for days in windows %}
        {{ one_if('order_count_before_' ~ days ~ 'd > 0') }} as active_before_{{ days }}d_count,
        {{ one_if('order_count_before_' ~ days ~ 'd > 0 and order_count > order_count_' ~ days ~ 'd_ago') }}
            as retained_{{ days }}d_count,
        {{ one_if('order_count_' ~ days ~ 'd_ago > 0 and not was_churned_' ~ days ~ 'd_ago') }}
            as staying_{{ days }}d_ago_count,
        {{ one_if('order_count_' ~ days ~ 'd_ago > 0 and not was_churned_' ~ days ~ 'd_ago and is_churned') }}
            as churned_{{ days }}d_count,
        {{ one_if('was_churned_' ~ days ~ 'd_ago') }} as churned_{{ days }}d_ago_count,
        {{ one_if('was_churned_' ~ days ~ 'd_ago and order_count > order_count_' ~ days ~ 'd_ago') }}
            as won_back_{{ days }}d_count,
        {{ one_if('was_known_' ~ days ~ 'd_ago and order_count_' ~ days ~ 'd_ago = 0') }}
            as prospect_{{ days }}d_ago_count,
        {{ one_if('was_known_' ~ days ~ 'd_ago and order_count_' ~ days ~ 'd_ago = 0 and order_count > 0') }}
            as prospect_to_first_{{ days }}d_count,
        {{ one_if('order_count_' ~ days ~ 'd_ago > 0 and order_count_' ~ days ~ 'd_ago < repeat_from') }}
            as first_{{ days }}d_ago_count,
        {{ one_if(
            'order_count_' ~ days ~ 'd_ago > 0 and order_count_' ~ days ~ 'd_ago < repeat_from'
            ~ ' and order_count >= repeat_from'
        ) }} as first_to_repeat_{{ days }}d_count,
        {{ one_if(
            'order_count_' ~ days ~ 'd_ago >= repeat_from and order_count_' ~ days ~ 'd_ago < loyal_from'
        ) }} as repeat_{{ days }}d_ago_count,
        {{ one_if(
            'order_count_' ~ days ~ 'd_ago >= repeat_from and order_count_' ~ days ~ 'd_ago < loyal_from'
            ~ ' and order_count >= loyal_from'
        ) }} as repeat_to_loyal_{{ days }}d_count,
        case when is_tier_{{ days }}d_ago_known then {{ one_if('was_second_tier_' ~ days ~ 'd_ago') }} end
            as second_tier_{{ days }}d_ago_count,
        case
            when is_tier_{{ days }}d_ago_known
                then {{ one_if('was_second_tier_' ~ days ~ 'd_ago and is_first_tier') }}
        end as second_to_first_tier_{{ days }}d_count,
        {%- for lower, higher in [('d', 'c'), ('c', 'b')] %}
        case
            when is_grade_{{ days }}d_ago_known
                then {{ one_if("grade_" ~ days ~ "d_ago = '" ~ lower | upper ~ "'") }}
        end as grade_{{ lower }}_{{ days }}d_ago_count,
        case
            when is_grade_{{ days }}d_ago_known
                then {{ one_if(
                    "grade_" ~ days ~ "d_ago = '" ~ lower | upper ~ "' and grade <= '" ~ higher | upper ~ "'"
                ) }}
        end as {{ lower }}_to_{{ higher }}_{{ days }}d_count{{ "," if not (loop.last and days == windows[-1]) }}
        {%- endfor %}
        {%- endfor %}
    from joined
)

select * from measured
order by customer_id
