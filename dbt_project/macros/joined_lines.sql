{#- The texts of a group's rows as lines of one, in the given order. -#}
{% macro joined_lines(text, order_by) %}{{ return(adapter.dispatch('joined_lines', 'customer_360')(text, order_by)) }}{% endmacro %}

{% macro default__joined_lines(text, order_by) -%}
listagg({{ text }}, '\n') within group (order by {{ order_by }})
{%- endmacro %}

{% macro duckdb__joined_lines(text, order_by) -%}
string_agg({{ text }}, chr(10) order by {{ order_by }})
{%- endmacro %}
