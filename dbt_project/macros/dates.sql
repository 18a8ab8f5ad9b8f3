{#- The business day of a UTC time: the session's time zone is the company's. -#}
{% macro business_date(utc_time) %}{{ return(adapter.dispatch('business_date', 'customer_360')(utc_time)) }}{% endmacro %}

{% macro default__business_date(utc_time) %}cast(from_utc_timestamp({{ utc_time }}, current_timezone()) as date){% endmacro %}

{% macro duckdb__business_date(utc_time) %}cast(timezone('UTC', {{ utc_time }}) as date){% endmacro %}

{#- The business day that the run describes the end of. -#}
{% macro as_of() %}(select run.as_of from {{ ref('stg_rules__run') }} as run){% endmacro %}

{#- Whole days from one date to a later one. -#}
{% macro days_between(earlier, later) %}{{ dbt.datediff(earlier, later, 'day') }}{% endmacro %}

{#- Whole seconds from one time to a later one. -#}
{% macro seconds_between(earlier, later) %}{{ dbt.datediff(earlier, later, 'second') }}{% endmacro %}

{#- The same day of a later month, or that month's last. -#}
{% macro months_after(months, day) %}cast({{ dbt.dateadd('month', months, day) }} as date){% endmacro %}

{#- Birthdays that a person has had: a year is older on the very day. -#}
{% macro age_in_years(birth_date, on_date) -%}
cast(floor(({{ calendar_number(on_date) }} - {{ calendar_number(birth_date) }}) / 10000) as bigint)
{%- endmacro %}

{#- A date as the number yyyymmdd. -#}
{% macro calendar_number(day) -%}
(extract(year from {{ day }}) * 10000 + extract(month from {{ day }}) * 100 + extract(day from {{ day }}))
{%- endmacro %}

{#- The hour of a UTC time on the company's clock, 0 to 23. -#}
{% macro business_hour(utc_time) %}{{ return(adapter.dispatch('business_hour', 'customer_360')(utc_time)) }}{% endmacro %}

{% macro default__business_hour(utc_time) %}cast(extract(hour from from_utc_timestamp({{ utc_time }}, current_timezone())) as bigint){% endmacro %}

{% macro duckdb__business_hour(utc_time) %}cast(extract(hour from timezone('UTC', {{ utc_time }})) as bigint){% endmacro %}

{#- The day of the week, from 1 for Monday to 7 for Sunday. -#}
{% macro iso_weekday(day) %}{{ return(adapter.dispatch('iso_weekday', 'customer_360')(day)) }}{% endmacro %}

{% macro default__iso_weekday(day) %}cast(extract(dayofweek_iso from {{ day }}) as bigint){% endmacro %}

{% macro duckdb__iso_weekday(day) %}cast(extract(isodow from {{ day }}) as bigint){% endmacro %}
