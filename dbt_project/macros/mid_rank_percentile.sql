{#-
Share of rows below a row, counting half of its equals: 0 to 1, the same for equal values.
`partition_by` names a column, if ranks are taken within groups.
-#}
{% macro mid_rank_percentile(order_by, partition_by=none) -%}
{%- set value = order_by.split(' ')[0] -%}
{%- set groups = partition_by ~ ', ' if partition_by else '' -%}
{%- set within = 'partition by ' ~ partition_by ~ ' ' if partition_by else '' -%}
round(
            (
                rank() over ({{ within }}order by {{ order_by }}) - 1
                + count(*) over (partition by {{ groups }}{{ value }}) / 2.0
            ) / count(*) over ({{ within | trim }}),
            9
        )
{%- endmacro %}
