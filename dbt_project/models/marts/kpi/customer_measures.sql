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

windows as (
    select 90 as days_ago
    union all
    select 365 as days_ago
),

-- A history that begins later than the day asked about knows nothing of it.
history as (
    select max({{ days_between('grade_history.valid_from_on', 'run.as_of') }}) as days_of_grades
    from grade_history
    cross join run
    where grade_history.ladder = 'grade'
),

past_levels as (
    select
        windows.days_ago,
        grade_history.customer_id,
        max(case when grade_history.ladder = 'grade' then grade_history.level end) as grade,
        max(case when grade_history.ladder = 'vip_band' then grade_history.level end) as vip_band
    from grade_history
    cross join run
    inner join windows
        on
            {{ days_between('grade_history.valid_from_on', 'run.as_of') }} >= windows.days_ago
            and (
                grade_history.valid_to_on is null
                or {{ days_between('grade_history.valid_to_on', 'run.as_of') }} < windows.days_ago
            )
    group by windows.days_ago, grade_history.customer_id
),

past_grades as (
    select
        past_levels.days_ago,
        past_levels.customer_id,
        past_levels.grade,
        second_tier_grades.grade is not null and not {{ is_first_tier('past_levels.grade', 'past_levels.vip_band') }}
            as is_second_tier
    from past_levels
    left join second_tier_grades on past_levels.grade = second_tier_grades.grade
),

-- What a customer was at the end of the day before each window, and is now.
then_and_now as (
    select
        customers.customer_id,
        windows.days_ago,
        {{ days_between('customers.first_seen_on', 'run.as_of') }} >= windows.days_ago as was_known,
        coalesce(past_orders.order_count, 0) as past_order_count,
        coalesce(past_orders.order_count_in_window, 0) > 0 as was_active,
        coalesce(past_orders.rhythm_ratio > run.churned_above, false) as was_churned,
        past_grades.grade as past_grade,
        coalesce(past_grades.is_second_tier, false) as was_second_tier,
        coalesce(history.days_of_grades >= windows.days_ago, false) as are_grades_known,
        customers.order_count,
        customers.order_count > coalesce(past_orders.order_count, 0) as has_ordered_since,
        coalesce(customers.rhythm_ratio > run.churned_above, false) as is_churned,
        grades.grade,
        grades.is_first_tier,
        steps.repeat_from,
        steps.loyal_from
    from customers
    cross join windows
    cross join run
    cross join steps
    cross join history
    inner join grades on customers.customer_id = grades.customer_id
    left join past_orders
        on customers.customer_id = past_orders.customer_id and windows.days_ago = past_orders.days_ago
    left join past_grades
        on customers.customer_id = past_grades.customer_id and windows.days_ago = past_grades.days_ago
),

-- Who could have changed, and who of them has. By grade it is unknown where no history tells it.
changes as (
    select
        customer_id,
        days_ago,
        past_grade,
        {{ one_if('was_active') }} as active_before,
        {{ one_if('was_active and has_ordered_since') }} as retained,
        {{ one_if('past_order_count > 0 and not was_churned') }} as staying,
        {{ one_if('past_order_count > 0 and not was_churned and is_churned') }} as churned_since,
        {{ one_if('was_churned') }} as churned_then,
        {{ one_if('was_churned and has_ordered_since') }} as won_back,
        {{ one_if('was_known and past_order_count = 0') }} as prospect,
        {{ one_if('was_known and past_order_count = 0 and order_count > 0') }} as prospect_to_first,
        {{ one_if('past_order_count > 0 and past_order_count < repeat_from') }} as first_order,
        {{ one_if('past_order_count > 0 and past_order_count < repeat_from and order_count >= repeat_from') }}
            as first_to_repeat,
        {{ one_if('past_order_count >= repeat_from and past_order_count < loyal_from') }} as repeat_order,
        {{ one_if(
            'past_order_count >= repeat_from and past_order_count < loyal_from and order_count >= loyal_from'
        ) }} as repeat_to_loyal,
        case when are_grades_known then {{ one_if('was_second_tier') }} end as second_tier,
        case when are_grades_known then {{ one_if('was_second_tier and is_first_tier') }} end as second_to_first_tier,
        case when are_grades_known then {{ one_if("past_grade = 'D'") }} end as grade_d,
        case when are_grades_known then {{ one_if("past_grade = 'D' and grade <= 'C'") }} end as d_to_c,
        case when are_grades_known then {{ one_if("past_grade = 'C'") }} end as grade_c,
        case when are_grades_known then {{ one_if("past_grade = 'C' and grade <= 'B'") }} end as c_to_b
    from then_and_now
),

changes_pivoted as (
    select
        {% for days in [90, 365] -%}
        max(case when days_ago = {{ days }} then past_grade end) as grade_{{ days }}d_ago,
        {% for change, column in [
            ('active_before', 'active_before_%sd_count'), ('retained', 'retained_%sd_count'),
            ('staying', 'staying_%sd_ago_count'), ('churned_since', 'churned_%sd_count'),
            ('churned_then', 'churned_%sd_ago_count'), ('won_back', 'won_back_%sd_count'),
            ('prospect', 'prospect_%sd_ago_count'), ('prospect_to_first', 'prospect_to_first_%sd_count'),
            ('first_order', 'first_%sd_ago_count'), ('first_to_repeat', 'first_to_repeat_%sd_count'),
            ('repeat_order', 'repeat_%sd_ago_count'), ('repeat_to_loyal', 'repeat_to_loyal_%sd_count'),
            ('second_tier', 'second_tier_%sd_ago_count'),
            ('second_to_first_tier', 'second_to_first_tier_%sd_count'),
            ('grade_d', 'grade_d_%sd_ago_count'), ('d_to_c', 'd_to_c_%sd_count'),
            ('grade_c', 'grade_c_%sd_ago_count'), ('c_to_b', 'c_to_b_%sd_count'),
        ] -%}
        max(case when days_ago = {{ days }} then {{ change }} end) as {{ column % days }},
        {% endfor -%}
        {% endfor -%}
        customer_id
    from changes
    group by customer_id
),

-- One or nought for what a customer is, a sum for what is added up; null where it is not known tonight.
measured as (
    select
        customers.as_of,
        customers.kind,
        grades.grade,
        coalesce(grades.vip_band, 'none') as vip_band,
        grades.is_first_tier,
        lifecycle.lifecycle_stage,
        cast(1 as bigint) as customer_count,
        {{ one_if('customers.order_count > 0') }} as buyer_count,
        {{ one_if('customers.order_count_365d > 0') }} as active_365d_count,
        {{ one_if("customers.order_count > 0 and " ~ days_between('customers.first_order_on', 'run.as_of') ~ " < 90") }}
            as new_buyer_90d_count,
        customers.order_count_365d,
        customers.net_revenue_365d_amount,
        customers.net_margin_365d_amount,
        customers.cost_to_serve_365d_amount,
        customers.net_margin_365d_amount - customers.cost_to_serve_365d_amount as profit_365d_amount,
        case when present.has_survey_answers then {{ one_if('customers.nps_score is not null') }} end
            as nps_answer_count,
        case when present.has_survey_answers then {{ one_if("customers.nps_class = 'promoter'") }} end
            as promoter_count,
        case when present.has_survey_answers then {{ one_if("customers.nps_class = 'detractor'") }} end
            as detractor_count,
        case when present.has_survey_answers then coalesce(csat.answer_count, 0) end as csat_answer_90d_count,
        case when present.has_survey_answers then coalesce(csat.top_two_count, 0) end as csat_top_two_90d_count,
        case
            when present.has_cases
                then {{ one_if('customers.order_count > 0 and customers.complaint_count_90d > 0') }}
        end as complainer_90d_count,
        {{ one_if('customers.order_count >= steps.repeat_from') }} as repeat_buyer_count,
        {{ one_if('customers.order_count_365d >= steps.repeat_from') }} as repeat_buyer_365d_count,
        {{ one_if('customers.rhythm_ratio > run.churned_above') }} as churned_count,
        changes_pivoted.*
    from customers
    cross join run
    cross join steps
    cross join present
    inner join grades on customers.customer_id = grades.customer_id
    inner join lifecycle on customers.customer_id = lifecycle.customer_id
    inner join changes_pivoted on customers.customer_id = changes_pivoted.customer_id
    left join csat on customers.customer_id = csat.customer_id
)

select * from measured
order by customer_id
