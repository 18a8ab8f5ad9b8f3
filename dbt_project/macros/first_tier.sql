{#- First tier: grade A, or any VIP band. -#}
{% macro is_first_tier(grade, vip_band) -%}
({{ grade }} = 'A' or {{ vip_band }} is not null)
{%- endmacro %}
