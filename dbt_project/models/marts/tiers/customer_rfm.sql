with customers as (
    select
        *,
        case when kind = 'person' then 'person' else 'organisation' end as rfm_base
    from {{ ref('customer_360') }}
    where order_count > 0
),

rfm_groups as (
    select * from {{ ref('stg_rules__rfm_groups') }}
),

-- Equal values get equal scores, in whatever order rows arrive: a percentile by mid-rank, not ntile.
percentiles as (
    select
        customer_id,
        as_of,
        rfm_base,
        days_since_last_order,
        order_count,
        order_count_365d,
        net_margin_365d_amount,
        {{ mid_rank_percentile('days_since_last_order desc', 'rfm_base') }} as recency_percentile,
        {{ mid_rank_percentile('order_count_365d', 'rfm_base') }} as frequency_percentile,
        {{ mid_rank_percentile('net_margin_365d_amount', 'rfm_base') }} as monetary_percentile
    from customers
),

scored as (
    select
        *,
        cast(least(5, floor(recency_percentile * 5) + 1) as bigint) as recency_score,
        cast(least(5, floor(frequency_percentile * 5) + 1) as bigint) as frequency_score,
        cast(least(5, floor(monetary_percentile * 5) + 1) as bigint) as monetary_score
    from percentiles
),

-- Round half up, without the engine's own idea of rounding.
combined as (
    select
        *,
        cast(floor((frequency_score + monetary_score + 1) / 2.0) as bigint) as fm_score
    from scored
),

named as (
    select
        combined.*,
        rfm_groups.rfm_group,
        rfm_groups.label,
        rfm_groups.label_zh,
        row_number() over (partition by combined.customer_id order by rfm_groups.priority) as group_rank
    from combined
    inner join rfm_groups
        on
            combined.recency_score = rfm_groups.recency_score
            and combined.fm_score = rfm_groups.fm_score
            and (not rfm_groups.single_order_only or combined.order_count = 1)
),

rfm as (
    select
        customer_id,
        as_of,
        rfm_base,
        days_since_last_order as recency_days,
        order_count_365d as frequency_count,
        net_margin_365d_amount as monetary_amount,
        recency_score,
        frequency_score,
        monetary_score,
        fm_score,
        rfm_group,
        label as rfm_group_label,
        label_zh as rfm_group_label_zh
    from named
    where group_rank = 1
)

select * from rfm
order by customer_id
