with guessed as (
    select * from {{ ref('int_preferences_merged_to_customers') }}
),

customers as (
    select * from {{ ref('customer_360') }}
),

traits as (
    select * from {{ ref('int_traits_banded_to_customers') }}
),

pivoted as (
    select
        {% for trait in ['price_sensitivity', 'novelty_seeking', 'basket_size', 'brand_loyalty'] -%}
        max(case when trait = '{{ trait }}' then band end) as {{ trait }}_band,
        max(case when trait = '{{ trait }}' then evidence_count end) as {{ trait }}_evidence_count,
        {% endfor -%}
        customer_id
    from traits
    group by customer_id
),

psychographics as (
    select
        guessed.customer_id,
        customers.as_of,
        guessed.top_interest,
        guessed.top_interest_rate,
        guessed.second_interest,
        guessed.second_interest_rate,
        guessed.third_interest,
        guessed.third_interest_rate,
        guessed.interest_deed_count,
        guessed.price_sensitivity,
        pivoted.price_sensitivity_band,
        pivoted.price_sensitivity_evidence_count as price_order_count,
        guessed.novelty_seeking,
        pivoted.novelty_seeking_band,
        pivoted.novelty_seeking_evidence_count as novelty_product_count,
        guessed.basket_size,
        pivoted.basket_size_band,
        pivoted.basket_size_evidence_count as basket_order_count,
        guessed.top_brand,
        guessed.brand_loyalty,
        pivoted.brand_loyalty_band,
        pivoted.brand_loyalty_evidence_count as brand_line_count,
        guessed.preferred_contact_channel,
        guessed.preferred_contact_channel_rate,
        guessed.contact_reaction_count,
        customers.preferred_order_channel
    from guessed
    inner join customers on guessed.customer_id = customers.customer_id
    left join pivoted on guessed.customer_id = pivoted.customer_id
)

select * from psychographics
order by customer_id
