{#- A count or sum of a source: nought for who is not in it, but unknown on a night without the source. -#}
{% macro nought_if_present(source, fact) -%}
case when present.has_{{ source }} then coalesce({{ fact }}, 0) else {{ fact }} end
{%- endmacro %}

{#- A share of 0 to 1, to six decimals; unknown of nothing. -#}
{% macro share(part, whole) -%}
round(cast({{ part }} as double) / nullif({{ whole }}, 0), 6)
{%- endmacro %}

{#- The first level of a category path. -#}
{% macro top_level(category_path) -%}
nullif(trim(split_part({{ category_path }}, '>', 1)), '')
{%- endmacro %}
