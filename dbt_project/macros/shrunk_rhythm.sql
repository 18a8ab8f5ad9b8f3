{#-
A customer's own gap between orders in days: the median gap, shrunk to the base's median with weight
n / (n + shrinkage_gaps), and kept between the shortest and the longest rhythm. Needs `base` and `run`.
-#}
{% macro shrunk_rhythm(median_gap_days, gap_count) -%}
least(
            run.max_rhythm_days,
            greatest(
                run.min_rhythm_days,
                (coalesce({{ median_gap_days }}, 0) * {{ gap_count }} + base.base_median_gap_days * run.shrinkage_gaps)
                / ({{ gap_count }} + run.shrinkage_gaps)
            )
        )
{%- endmacro %}
