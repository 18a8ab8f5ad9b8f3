{#- Engagement by engagement.yml; the model joins the rows `weights` and `run` of it. Sums of decimals depend on no order. -#}

{#- What the touches of a kind are worth; so many days ago they had faded so much less. -#}
{% macro weighed_touches(faded_count, days_ago=0) -%}
sum(cast(
            cast({{ faded_count }} as double)
            {%- if days_ago %} * power(2, {{ days_ago }} / run.half_life_days){% endif %} * weights.weight as decimal(28, 8)
        ))
{%- endmacro %}

{#- The sum of the channels, each up to its cap. -#}
{% macro capped_engagement(score) -%}
cast(sum(least({{ score }}, cast(run.channel_cap as decimal(28, 8)))) as decimal(18, 4))
{%- endmacro %}
