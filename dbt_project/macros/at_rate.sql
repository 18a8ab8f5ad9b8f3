{#- An amount at an exchange rate. Wider first: DuckDB multiplies two decimals of 18 digits within 18. -#}
{% macro at_rate(amount, rate) -%}
cast({{ amount }} as decimal(28, 4)) * {{ rate }}
{%- endmacro %}

{#- The same as money of four decimals. By way of a double: DuckDB takes six times as long to cut a wide decimal. -#}
{% macro in_base_currency(amount, rate) -%}
cast(round(cast({{ at_rate(amount, rate) }} as double), 4) as decimal(18, 4))
{%- endmacro %}
