with recommendations as (
    select * from {{ ref('stg_pipeline__recommendations') }}
),

items as (
    select * from {{ ref('int_items_merged_to_ids') }}
),

-- A category is its own name.
named as (
    select
        recommendations.customer_id,
        {{ as_of() }} as as_of,
        recommendations.kind,
        recommendations.rank,
        recommendations.item_id,
        coalesce(items.item_name, items.product_id, recommendations.item_id) as item_name,
        case when recommendations.kind = 'category' then recommendations.item_id else items.category end as category,
        recommendations.basis,
        coalesce(reasons.item_name, reasons.product_id, recommendations.because_item_id) as because_item_name,
        recommendations.affinity_score
    from recommendations
    left join items on recommendations.kind = 'product' and recommendations.item_id = items.item_id
    left join items as reasons
        on recommendations.kind = 'product' and recommendations.because_item_id = reasons.item_id
)

select * from named
order by customer_id, kind, rank
