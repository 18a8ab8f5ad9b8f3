with customers as (
    select * from {{ ref('customer_360') }}
),

scores as (
    select * from {{ ref('stg_pipeline__customer_scores') }}
),

network as (
    select * from {{ ref('customer_network') }}
    where degree = 1 and relation <> 'parent_company'
),

weights as (
    select * from {{ ref('stg_rules__tier_weights') }}
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

-- What an average customer buys in a year makes revenue brought comparable in any currency.
averages as (
    select cast(sum(net_revenue_365d_amount) as double) / count(*) as average_net_revenue_365d_amount
    from customers
    where net_revenue_365d_amount > 0
),

brought as (
    select
        customers.customer_id,
        greatest(
            cast(coalesce(customers.referral_net_revenue_365d_amount, 0) as double)
            + run.second_degree_share * cast(coalesce(customers.second_degree_net_revenue_365d_amount, 0) as double),
            0.0
        ) / averages.average_net_revenue_365d_amount as average_customers
    from customers
    cross join run
    cross join averages
),

-- Log-scaled, and capped apart from what is brought, so that bots cannot buy a grade.
measured as (
    select
        customers.customer_id,
        customers.as_of,
        customers.order_count,
        customers.net_margin_amount,
        customers.net_margin_365d_amount,
        customers.order_count_365d,
        customers.tenure_days,
        coalesce(customers.nps_score >= 9, false) as is_promoter,
        coalesce(customers.converted_referral_count, 0) as converted_referral_count,
        scores.clv_365d_amount,
        round(
            least(
                run.influence_cap,
                least(
                    run.social_influence_cap,
                    run.reach_weight * ln(1 + coalesce(customers.social_reach_count, 0))
                    + run.share_weight * ln(1 + coalesce(customers.social_share_count_365d, 0))
                )
                + run.brought_weight * ln(1 + coalesce(brought.average_customers, 0))
            ), 6
        ) as influence_score
    from customers
    cross join run
    left join brought on customers.customer_id = brought.customer_id
    left join scores on customers.customer_id = scores.customer_id
),

percentiles as (
    select
        *,
        {{ mid_rank_percentile('net_margin_365d_amount') }} as net_margin_percentile,
        {{ mid_rank_percentile('order_count_365d') }} as order_count_percentile,
        case
            when clv_365d_amount is not null
                then {{ mid_rank_percentile('clv_365d_amount', 'clv_365d_amount is null') }}
        end as clv_percentile,
        {{ mid_rank_percentile('tenure_days') }} as tenure_percentile,
        {{ mid_rank_percentile('influence_score') }} as influence_percentile,
        {{ mid_rank_percentile('net_margin_amount') }} as spend_percentile,
        {{ mid_rank_percentile('order_count') }} as frequency_percentile
    from measured
    where order_count > 0
),

-- Without scores tonight the predicted value drops out, and its weight with it.
valued as (
    select
        percentiles.*,
        round(
            100 * (
                percentiles.net_margin_percentile * weights.net_margin_365d_weight
                + percentiles.order_count_percentile * weights.order_count_365d_weight
                + coalesce(percentiles.clv_percentile * weights.clv_365d_weight, 0)
                + percentiles.tenure_percentile * weights.tenure_weight
                + percentiles.influence_percentile * weights.influence_weight
            ) / (
                weights.net_margin_365d_weight
                + weights.order_count_365d_weight
                + case when percentiles.clv_percentile is null then 0 else weights.clv_365d_weight end
                + weights.tenure_weight
                + weights.influence_weight
            ), 4
        ) as value_score,
        round(
            percentiles.spend_percentile * weights.vip_spend_weight
            + percentiles.frequency_percentile * weights.vip_frequency_weight
            + percentiles.tenure_percentile * weights.vip_tenure_weight
            + case
                when percentiles.is_promoter or percentiles.converted_referral_count > 0 then 1 else 0
            end * weights.vip_advocacy_weight, 6
        ) as vip_score
    from percentiles
    cross join weights
),

ranked as (
    select
        *,
        {{ mid_rank_percentile('value_score') }} as value_percentile
    from valued
),

graded as (
    select
        ranked.*,
        grade_cuts.grade,
        grade_cuts.label as grade_label,
        grade_cuts.label_zh as grade_label_zh,
        row_number() over (partition by ranked.customer_id order by grade_cuts.min_percentile desc) as cut_rank
    from ranked
    inner join grade_cuts on ranked.value_percentile >= grade_cuts.min_percentile
),

next_cuts as (
    select
        grade,
        lag(grade) over (order by grade) as next_grade,
        lag(min_percentile) over (order by grade) as next_min_percentile
    from grade_cuts
),

vip_ranked as (
    select
        customer_id,
        {{ mid_rank_percentile('vip_score') }} as vip_percentile
    from graded
    where cut_rank = 1 and grade in ('A', 'B')
),

banded as (
    select
        vip_ranked.customer_id,
        vip_ranked.vip_percentile,
        vip_cuts.band,
        vip_cuts.label,
        vip_cuts.label_zh,
        row_number() over (partition by vip_ranked.customer_id order by vip_cuts.min_percentile desc) as band_rank
    from vip_ranked
    inner join vip_cuts on vip_ranked.vip_percentile >= vip_cuts.min_percentile
),

-- A customer who never bought is graded last: there is nothing yet to grade.
all_grades as (
    select
        measured.customer_id,
        measured.as_of,
        coalesce(graded.grade, lowest.grade) as grade,
        coalesce(graded.grade_label, lowest.label) as grade_label,
        coalesce(graded.grade_label_zh, lowest.label_zh) as grade_label_zh,
        graded.value_score,
        graded.value_percentile,
        graded.net_margin_percentile,
        graded.order_count_percentile,
        graded.clv_percentile,
        graded.tenure_percentile,
        graded.influence_percentile,
        measured.influence_score,
        banded.band as vip_band,
        banded.label as vip_band_label,
        banded.label_zh as vip_band_label_zh,
        case when measured.order_count > 0 then 'value_percentile' else 'no_order' end as grade_reason,
        coalesce(graded.grade, lowest.grade) = 'A' or banded.band is not null as is_first_tier
    from measured
    inner join grade_cuts as lowest on lowest.grade = 'D'
    left join graded on measured.customer_id = graded.customer_id and graded.cut_rank = 1
    left join banded on measured.customer_id = banded.customer_id and banded.band_rank = 1
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
        all_grades.as_of,
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
        all_grades.vip_band,
        all_grades.vip_band_label,
        all_grades.vip_band_label_zh,
        all_grades.is_first_tier,
        not all_grades.is_first_tier
        and second_tier_grades.grade is not null
        and coalesce(all_grades.clv_percentile >= run.min_clv_percentile, false) as is_second_tier_potential,
        not all_grades.is_first_tier and networked.customer_id is not null as is_second_tier_network,
        case when not all_grades.is_first_tier then networked.tied_customer_id end as network_customer_id,
        case when not all_grades.is_first_tier then networked.relation end as network_relation,
        case when not all_grades.is_first_tier then networked.relation_label end as network_relation_label,
        case when not all_grades.is_first_tier then networked.relation_label_zh end as network_relation_label_zh,
        next_cuts.next_grade,
        case
            when all_grades.value_percentile is not null
                then round(100 * (next_cuts.next_min_percentile - all_grades.value_percentile), 4)
        end as next_grade_gap_points,
        coalesce(
            round(next_cuts.next_min_percentile - all_grades.value_percentile, 9) <= run.upgrade_gap, false
        ) as is_upgrade_candidate
    from all_grades
    cross join run
    left join second_tier_grades on all_grades.grade = second_tier_grades.grade
    left join networked on all_grades.customer_id = networked.customer_id and networked.tie_rank = 1
    left join next_cuts on all_grades.grade = next_cuts.grade
)

select * from grades
order by customer_id
