{#- The business day of a UTC time: the session's time zone is the company's. -#}
{% macro business_date(utc_time) %}{{ return(adapter.dispatch('business_date', 'customer_360')(utc_time)) }}{% endmacro %}

{% macro default__business_date(utc_time) %}cast(from_utc_timestamp({{ utc_time }}, current_timezone()) as date){% endmacro %}

{% macro duckdb__business_date(utc_time) %}cast(timezone('UTC', {{ utc_time }}) as date){% endmacro %}

{#- The business day that the run describes the end of. -#}
{% macro as_of() %}(select run.as_of from {{ ref('stg_rules__run') }} as run){% endmacro %}

{#- Whole days from one date to a later one. -#}
{% macro days_between(earlier, later) %}{{ dbt.datediff(earlier, later, 'day') }}{% endmacro %}
