with history as (
    select * from {{ ref('stg_pipeline__grade_history') }}
    where ladder = 'grade'
),

customers as (
    select * from {{ ref('customer_360') }}
),

run as (
    select * from {{ ref('stg_rules__run') }}
),

-- A history that is shorter is compared with its first night.
compared as (
    select
        run.as_of,
        min(
            case
                when {{ days_between('history.valid_from_on', 'run.as_of') }} >= run.movement_days
                    then {{ days_before('run.movement_days', 'run.as_of') }}
                else history.valid_from_on
            end
        ) as compared_on
    from history
    cross join run
    group by run.as_of
),

grades_then as (
    select
        history.customer_id,
        history.level as grade
    from history
    cross join compared
    where
        history.valid_from_on <= compared.compared_on
        and (history.valid_to_on is null or history.valid_to_on > compared.compared_on)
),

-- Who became one with another customer has not left.
merged as (
    select distinct customer_id
    from history
    where ended_because = 'merged'
),

grades_now as (
    select
        customer_id,
        level as grade
    from history
    where valid_to_on is null
),

moved as (
    select
        grades_then.grade as from_grade,
        grades_now.grade as to_grade,
        customers.net_margin_365d_amount
    from grades_then
    full outer join grades_now on grades_then.customer_id = grades_now.customer_id
    left join customers on grades_now.customer_id = customers.customer_id
    left join merged on grades_then.customer_id = merged.customer_id
    where merged.customer_id is null or grades_now.customer_id is not null
),

counted as (
    select
        coalesce(from_grade, 'none') as from_grade,
        coalesce(to_grade, 'none') as to_grade,
        count(*) as customer_count,
        cast(coalesce(sum(net_margin_365d_amount), 0) as decimal(18, 4)) as net_margin_365d_amount
    from moved
    group by coalesce(from_grade, 'none'), coalesce(to_grade, 'none')
),

migration as (
    select
        compared.as_of,
        compared.compared_on,
        counted.from_grade,
        counted.to_grade,
        case
            when counted.from_grade = 'none' then 'entered'
            when counted.to_grade = 'none' then 'left'
            when counted.to_grade < counted.from_grade then 'up'
            when counted.to_grade > counted.from_grade then 'down'
            else 'stayed'
        end as movement,
        counted.customer_count,
        counted.net_margin_365d_amount,
        round(
            cast(counted.customer_count as double)
            / sum(counted.customer_count) over (partition by counted.from_grade),
            9
        ) as row_rate
    from counted
    cross join compared
)

select * from migration
order by from_grade, to_grade
