{#- An amount at an exchange rate. Wider first: DuckDB multiplies two decimals of 18 digits within 18. -#}
{% macro at_rate(amount, rate) -%}
cast({{ amount }} as decimal(28, 4)) * {{ rate }}
{%- endmacro %}
