{#- An item as it is written everywhere: where it is sold, and what it is told apart by there. -#}
{% macro item_id(key) -%}
case
            when {{ key }} is not null
                then concat(source, case when source_account_id = '' then '' else concat('/', source_account_id) end, ':', {{ key }})
        end
{%- endmacro %}
