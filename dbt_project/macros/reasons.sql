{#-
A reason of a rules file with a customer's own values in the place of each {word}; what is unknown reads `-`.
`texts` and `numbers` are pairs of a word and the column that stands for it. The template is data and is
never part of the statement.
-#}
{% macro filled_reason(template, texts, numbers) -%}
{%- set filled = namespace(sql=template) -%}
{%- for word, column in texts -%}
    {%- set filled.sql = "replace(" ~ filled.sql ~ ", '{" ~ word ~ "}', coalesce(cast(" ~ column ~ " as " ~ dbt.type_string() ~ "), '-'))" -%}
{%- endfor -%}
{%- for word, column in numbers -%}
    {%- set filled.sql = "replace(" ~ filled.sql ~ ", '{" ~ word ~ "}', coalesce(" ~ plain_number(column) ~ ", '-'))" -%}
{%- endfor -%}
{{ filled.sql }}
{%- endmacro %}

{#- A number as a person writes it: two decimals, and none that are nought. -#}
{% macro plain_number(number) -%}
trim(trailing '.' from trim(trailing '0' from cast(cast({{ number }} as decimal(18, 2)) as {{ dbt.type_string() }})))
{%- endmacro %}
