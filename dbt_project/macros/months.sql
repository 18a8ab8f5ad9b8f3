{#- The first day of a date's month. -#}
{% macro month_of(day) -%}
cast({{ dbt.date_trunc('month', day) }} as date)
{%- endmacro %}

{#- The first days of all months from one to another, as a list. -#}
{% macro months_between(first_month, last_month) %}{{ return(adapter.dispatch('months_between', 'customer_360')(first_month, last_month)) }}{% endmacro %}

{% macro default__months_between(first_month, last_month) %}sequence({{ first_month }}, {{ last_month }}, interval 1 month){% endmacro %}

{% macro duckdb__months_between(first_month, last_month) %}generate_series({{ first_month }}, {{ last_month }}, interval 1 month){% endmacro %}

{#- Whole months from the first day of one month to that of a later one. -#}
{% macro months_apart(earlier, later) %}{{ dbt.datediff(earlier, later, 'month') }}{% endmacro %}
