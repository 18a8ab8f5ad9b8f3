with customer_values as (
    select * from {{ ref('stg_pipeline__customer_values') }}
),

decisions as (
    select * from {{ ref('stg_pipeline__grade_decisions') }}
),

network as (
    select * from {{ ref('customer_network') }}
    where degree = 1 and relation <> 'parent_company'
),

grade_cuts as (
    select * from {{ ref('stg_rules__grade_cuts') }}
),

vip_cuts as (
    select * from {{ ref('stg_rules__vip_cuts') }}
),

second_tier_grades as (
    select * from {{ ref('stg_rules__second_tier_grades') }}
),

run as (
    select * from {{ ref('stg_rules__run') }}
),

graded as (
    select * from decisions
    where ladder = 'grade'
),

banded as (
    select * from decisions
    where ladder = 'vip_band'
),

all_grades as (
    select
        customer_values.customer_id,
        customer_values.peer_group,
        graded.level as grade,
        grade_cuts.label as grade_label,
        grade_cuts.label_zh as grade_label_zh,
        customer_values.value_score,
        customer_values.value_percentile,
        customer_values.net_margin_percentile,
        customer_values.order_count_percentile,
        customer_values.clv_percentile,
        customer_values.tenure_percentile,
        customer_values.influence_percentile,
        customer_values.influence as influence_score,
        graded.reason as grade_reason,
        graded.level_before as grade_before,
        graded.changed_on as grade_since_on,
        graded.change_score as grade_change_score,
        graded.change_cut_score as grade_change_cut_score,
        graded.score as grade_score,
        graded.shown_cut_score as grade_cut_score,
        graded.next_cut_score as next_grade_cut_score,
        graded.held_until_on as grade_held_until_on,
        graded.warned_on as grade_warned_on,
        graded.grace_until_on as grade_grace_until_on,
        graded.review_on as grade_review_on,
        graded.override_until_on as grade_override_until_on,
        banded.level as vip_band,
        vip_cuts.label as vip_band_label,
        vip_cuts.label_zh as vip_band_label_zh,
        banded.reason as vip_band_reason,
        banded.level_before as vip_band_before,
        banded.changed_on as vip_band_since_on,
        customer_values.vip_score,
        banded.override_until_on as vip_band_override_until_on,
        {{ is_first_tier('graded.level', 'banded.level') }} as is_first_tier,
        graded.next_level as next_grade,
        graded.next_percentile - graded.percentile as next_grade_gap
    from customer_values
    inner join graded on customer_values.customer_id = graded.customer_id
    inner join banded on customer_values.customer_id = banded.customer_id
    inner join grade_cuts on graded.level = grade_cuts.grade
    left join vip_cuts on banded.level = vip_cuts.band
),

-- Whoever is tied to a first-tier customer; of several the closest tie is named, then the first customer.
networked as (
    select
        network.customer_id,
        network.tied_customer_id,
        network.relation,
        network.relation_label,
        network.relation_label_zh,
        row_number() over (
            partition by network.customer_id order by network.closeness, network.tied_customer_id
        ) as tie_rank
    from network
    inner join all_grades on network.tied_customer_id = all_grades.customer_id
    where all_grades.is_first_tier
),

grades as (
    select
        all_grades.customer_id,
        run.as_of,
        all_grades.peer_group,
        all_grades.grade,
        all_grades.grade_label,
        all_grades.grade_label_zh,
        all_grades.value_score,
        all_grades.value_percentile,
        all_grades.net_margin_percentile,
        all_grades.order_count_percentile,
        all_grades.clv_percentile,
        all_grades.tenure_percentile,
        all_grades.influence_percentile,
        all_grades.influence_score,
        all_grades.grade_reason,
        all_grades.grade_before,
        all_grades.grade_since_on,
        all_grades.grade_change_score,
        all_grades.grade_change_cut_score,
        all_grades.grade_score,
        all_grades.grade_cut_score,
        all_grades.next_grade_cut_score,
        all_grades.grade_held_until_on,
        all_grades.grade_warned_on,
        all_grades.grade_grace_until_on,
        all_grades.grade_review_on,
        all_grades.grade_override_until_on,
        all_grades.vip_band,
        all_grades.vip_band_label,
        all_grades.vip_band_label_zh,
        all_grades.vip_band_reason,
        all_grades.vip_band_before,
        all_grades.vip_band_since_on,
        all_grades.vip_score,
        all_grades.vip_band_override_until_on,
        all_grades.is_first_tier,
        not all_grades.is_first_tier
        and second_tier_grades.grade is not null
        and coalesce(all_grades.clv_percentile >= run.min_clv_percentile, false) as is_second_tier_potential,
        not all_grades.is_first_tier and networked.customer_id is not null as is_second_tier_network,
        case when not all_grades.is_first_tier then networked.tied_customer_id end as network_customer_id,
        case when not all_grades.is_first_tier then networked.relation end as network_relation,
        case when not all_grades.is_first_tier then networked.relation_label end as network_relation_label,
        case when not all_grades.is_first_tier then networked.relation_label_zh end as network_relation_label_zh,
        all_grades.next_grade,
        round(100 * all_grades.next_grade_gap, 4) as next_grade_gap_points,
        coalesce(round(all_grades.next_grade_gap, 9) <= run.upgrade_gap, false) as is_upgrade_candidate,
        all_grades.grade_since_on = run.as_of and all_grades.grade_before is not null as is_grade_changed
    from all_grades
    cross join run
    left join second_tier_grades on all_grades.grade = second_tier_grades.grade
    left join networked on all_grades.customer_id = networked.customer_id and networked.tie_rank = 1
)

select * from grades
order by customer_id
