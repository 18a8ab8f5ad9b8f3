{#- One where a condition holds and nought where it does not, to be summed. -#}
{% macro one_if(condition) -%}
cast(case when {{ condition }} then 1 else 0 end as bigint)
{%- endmacro %}
