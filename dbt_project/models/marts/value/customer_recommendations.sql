with recommendations as (
    select * from {{ ref('stg_pipeline__recommendations') }}
),

items as (
    select * from {{ ref('int_items_merged_to_ids') }}
),

-- A category is its own name.
keyed as (
    select
        *,
        case when kind = 'product' then item_id end as product_item_id,
        case when kind = 'product' then because_item_id end as because_product_item_id
    from recommendations
),

named as (
    select
        keyed.customer_id,
        {{ as_of() }} as as_of,
        keyed.kind,
        keyed.rank,
        keyed.item_id,
        coalesce(items.item_name, items.product_id, keyed.item_id) as item_name,
        case when keyed.kind = 'category' then keyed.item_id else items.category end as category,
        keyed.basis,
        coalesce(reasons.item_name, reasons.product_id, keyed.because_item_id) as because_item_name,
        keyed.affinity_score
    from keyed
    left join items on keyed.product_item_id = items.item_id
    left join items as reasons on keyed.because_product_item_id = reasons.item_id
)

select * from named
order by customer_id, kind, rank
