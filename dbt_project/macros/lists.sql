{#- How many elements a list has; null for no list. -#}
{% macro list_length(column) %}{{ return(adapter.dispatch('list_length', 'customer_360')(column)) }}{% endmacro %}

{% macro default__list_length(column) %}size({{ column }}){% endmacro %}

{% macro duckdb__list_length(column) %}len({{ column }}){% endmacro %}

{#- One row for each element of a list; none for an empty or missing list. -#}
{% macro list_elements(column) %}{{ return(adapter.dispatch('list_elements', 'customer_360')(column)) }}{% endmacro %}

{% macro default__list_elements(column) %}explode({{ column }}){% endmacro %}

{% macro duckdb__list_elements(column) %}unnest({{ column }}){% endmacro %}
