with rfm as (
    select * from {{ ref('customer_rfm') }}
),

unequal as (
    select
        'recency' as dimension,
        rfm_base,
        recency_days as measure
    from rfm
    group by rfm_base, recency_days
    having min(recency_score) <> max(recency_score)

    union all

    select
        'frequency' as dimension,
        rfm_base,
        frequency_count as measure
    from rfm
    group by rfm_base, frequency_count
    having min(frequency_score) <> max(frequency_score)

    union all

    select
        'monetary' as dimension,
        rfm_base,
        monetary_amount as measure
    from rfm
    group by rfm_base, monetary_amount
    having min(monetary_score) <> max(monetary_score)
)

select * from unequal
