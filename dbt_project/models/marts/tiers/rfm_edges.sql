with rfm as (
    select * from {{ ref('customer_rfm') }}
),

before as (
    select * from {{ ref('stg_pipeline__previous_rfm_edges') }}
),

run as (
    select * from {{ ref('stg_rules__run') }}
),

scores as (
    {% for dimension, measure in [
        ('recency', 'recency_days'), ('frequency', 'frequency_count'), ('monetary', 'monetary_amount'),
    ] -%}
    select
        as_of,
        rfm_base,
        '{{ dimension }}' as dimension,
        {{ dimension }}_score as score,
        cast({{ measure }} as decimal(18, 4)) as measure
    from rfm
    {{ "union all" if not loop.last }}
    {% endfor %}
),

tonight as (
    select
        as_of,
        rfm_base,
        dimension,
        score,
        min(measure) as from_value,
        max(measure) as to_value,
        count(*) as customer_count
    from scores
    group by as_of, rfm_base, dimension, score
),

kept as (
    select before.*
    from before
    cross join run
    where before.as_of < run.as_of and {{ days_between('before.as_of', 'run.as_of') }} <= run.rfm_kept_days
),

edges as (
    select * from tonight
    union all
    select * from kept
)

select * from edges
order by as_of, rfm_base, dimension, score
