{#- Of a group's rows, the first value that is there, in the given order. Spark needs its own variant. -#}
{% macro newest(column, order_by) %}{{ return(adapter.dispatch('newest', 'customer_360')(column, order_by)) }}{% endmacro %}


{% macro duckdb__newest(column, order_by) -%}
first({{ column }} order by {{ order_by }}) filter (where {{ column }} is not null)
{%- endmacro %}
