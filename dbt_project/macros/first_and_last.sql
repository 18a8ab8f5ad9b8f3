{#-
Of a group's rows, the columns of the first or the last one together, as one record, whose columns `field` takes out
again. The order must be total and without nulls.
-#}
{% macro earliest(columns, order_by) -%}
min_by({{ record(columns) }}, {{ ordering(order_by) }})
{%- endmacro %}

{% macro latest(columns, order_by) -%}
max_by({{ record(columns) }}, {{ ordering(order_by) }})
{%- endmacro %}

{% macro record(columns) %}{{ return(adapter.dispatch('record', 'customer_360')(columns)) }}{% endmacro %}

{% macro default__record(columns) -%}
named_struct({% for column in columns %}'{{ column }}', {{ column }}{{ ", " if not loop.last }}{% endfor %})
{%- endmacro %}

{% macro duckdb__record(columns) -%}
struct_pack({% for column in columns %}{{ column }} := {{ column }}{{ ", " if not loop.last }}{% endfor %})
{%- endmacro %}

{% macro ordering(columns) %}{{ return(adapter.dispatch('ordering', 'customer_360')(columns)) }}{% endmacro %}

{% macro default__ordering(columns) %}struct({{ columns | join(', ') }}){% endmacro %}

{% macro duckdb__ordering(columns) %}row({{ columns | join(', ') }}){% endmacro %}

{% macro field(record, column) %}{{ record }}.{{ column }}{% endmacro %}
