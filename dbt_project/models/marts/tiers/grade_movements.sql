with history as (
    select * from {{ ref('stg_pipeline__grade_history') }}
),

run as (
    select * from {{ ref('stg_rules__run') }}
),

movements as (
    select
        history.customer_id,
        history.ladder,
        history.valid_from_on as moved_on,
        history.level_before as from_level,
        history.level as to_level,
        history.direction,
        history.reason,
        history.score,
        history.cut_score,
        history.valid_from_on = run.as_of as is_tonight
    from history
    cross join run
    where
        history.direction <> 'first'
        and {{ days_between('history.valid_from_on', 'run.as_of') }} < run.movement_days
)

select * from movements
order by customer_id, ladder, moved_on
