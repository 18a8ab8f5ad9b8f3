-- MetricFlow asks for the days that metrics may be of; a run knows customers as of one.
with run as (
    select * from {{ ref('stg_rules__run') }}
),

days as (
    select as_of as metric_on
    from run
)

select * from days
