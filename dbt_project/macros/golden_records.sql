{#- A full name from its parts: Chinese names have the family name first and no space. -#}
{% macro written_name(first_name, last_name) -%}
case
            when left(trim({{ last_name }}), 1) between '㐀' and '鿿'
                then concat(trim({{ last_name }}), coalesce(trim({{ first_name }}), ''))
            else nullif(trim(concat_ws(' ', trim({{ first_name }}), trim({{ last_name }}))), '')
        end
{%- endmacro %}

{#- Of a group's rows, the value of the one that comes first in the order of the given columns. -#}
{% macro first_by(value, order) %}{{ return(adapter.dispatch('first_by', 'customer_360')(value, order)) }}{% endmacro %}

{% macro default__first_by(value, order) %}min_by({{ value }}, struct({{ order | join(', ') }})){% endmacro %}

{% macro duckdb__first_by(value, order) %}arg_min({{ value }}, row({{ order | join(', ') }})){% endmacro %}

{#- The place of a value in a list, from 1; behind all others where it is not in it. -#}
{% macro place_in_list(list, value) -%}
coalesce(nullif({{ adapter.dispatch('position_in_list', 'customer_360')(list, value) }}, 0), 1000000)
{%- endmacro %}

{% macro default__position_in_list(list, value) %}array_position({{ list }}, {{ value }}){% endmacro %}

{% macro duckdb__position_in_list(list, value) %}list_position({{ list }}, {{ value }}){% endmacro %}

{#- What is in any list of a group's rows, each once and sorted, as text; null where nothing is in one. -#}
{% macro union_of_lists(column) %}{{ return(adapter.dispatch('union_of_lists', 'customer_360')(column)) }}{% endmacro %}

{% macro default__union_of_lists(column) -%}
nullif(array_join(array_sort(array_distinct(flatten(collect_list({{ column }})))), ', '), '')
{%- endmacro %}

{% macro duckdb__union_of_lists(column) -%}
nullif(array_to_string(list_sort(list_distinct(flatten(list({{ column }})))), ', '), '')
{%- endmacro %}
