with order_days as (
    select * from {{ ref('int_orders_summed_to_customer_days') }}
    where ordered_on <= {{ as_of() }} and is_order
),

feature_days as (
    select * from {{ ref('stg_rules__feature_days') }}
),

run as (
    select * from {{ ref('stg_rules__run') }}
),

customers as (
    select
        customer_id,
        min(ordered_on) as first_order_on
    from order_days
    group by customer_id
),

-- Every k-th in the order of their ids, as the scores do: models are learnt on these, and all are scored.
numbered as (
    select
        *,
        row_number() over (order by customer_id) - 1 as place,
        count(*) over () as customer_count
    from customers
),

sampled as (
    select
        numbered.customer_id,
        feature_days.feature_on
    from numbered
    cross join run
    inner join feature_days on numbered.first_order_on <= feature_days.feature_on
    where
        feature_days.feature_on = run.as_of
        or numbered.place % cast(ceil(numbered.customer_count / cast(run.sample_customers as double)) as bigint) = 0
)

select * from sampled
