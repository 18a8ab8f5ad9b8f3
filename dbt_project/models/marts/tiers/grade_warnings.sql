with targets as (
    select * from {{ ref('stg_pipeline__grade_targets') }}
    where aim = 'keep'
),

decisions as (
    select * from {{ ref('stg_pipeline__grade_decisions') }}
),

customers as (
    select * from {{ ref('customer_360') }}
),

run as (
    select * from {{ ref('stg_rules__run') }}
),

in_grace as (
    select
        targets.customer_id,
        targets.ladder,
        run.as_of,
        decisions.level,
        targets.because,
        case when targets.because <> 'override_ends' then decisions.warned_on end as warned_on,
        case
            when targets.because = 'override_ends' then decisions.override_until_on
            else decisions.grace_until_on
        end as until_on,
        decisions.score,
        targets.target_score,
        targets.missing_score,
        cast(targets.missing_net_margin_365d_amount as decimal(18, 4)) as missing_net_margin_365d_amount,
        targets.missing_order_count_365d,
        targets.missing_usual_order_count_365d,
        customers.account_manager_id,
        customers.base_currency
    from targets
    inner join decisions on targets.customer_id = decisions.customer_id and targets.ladder = decisions.ladder
    inner join customers on targets.customer_id = customers.customer_id
    cross join run
)

select * from in_grace
order by customer_id, ladder
