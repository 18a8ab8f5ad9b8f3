with guessed as (
    select * from {{ ref('int_preferences_merged_to_customers') }}
),

bands as (
    select * from {{ ref('stg_rules__trait_bands') }}
),

traits as (
    {% for trait, evidence in [
        ('price_sensitivity', 'order_count'), ('novelty_seeking', 'later_product_count'),
        ('basket_size', 'item_order_count'), ('brand_loyalty', 'brand_line_count'),
    ] -%}
    select
        customer_id,
        '{{ trait }}' as trait,
        {{ trait }} as trait_value,
        {{ evidence }} as evidence_count
    from guessed
    where {{ trait }} is not null
    {{ "union all" if not loop.last }}
    {% endfor %}
),

fitted as (
    select
        traits.customer_id,
        traits.trait,
        bands.band,
        bands.label,
        bands.label_zh
    from traits
    inner join bands
        on
            traits.trait = bands.trait
            and traits.evidence_count >= bands.min_evidence
            and traits.trait_value >= bands.from_value
            and (bands.to_value is null or traits.trait_value < bands.to_value)
),

-- What is known by too little has a value and no band.
banded as (
    select
        traits.customer_id,
        traits.trait,
        traits.trait_value,
        traits.evidence_count,
        fitted.band,
        fitted.label,
        fitted.label_zh
    from traits
    left join fitted on traits.customer_id = fitted.customer_id and traits.trait = fitted.trait
)

select * from banded
