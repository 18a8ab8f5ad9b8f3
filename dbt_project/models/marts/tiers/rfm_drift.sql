{%- set scores = [1, 2, 3, 4, 5] -%}
with rfm as (
    select * from {{ ref('customer_rfm') }}
),

edges as (
    select
        *,
        -- The least favourable value that still has the score: of recency the most days.
        case when dimension = 'recency' then -to_value else from_value end as worth
    from {{ ref('rfm_edges') }}
),

run as (
    select * from {{ ref('stg_rules__run') }}
),

nights as (
    select
        max(case when edges.as_of < run.as_of then edges.as_of end) as last_on,
        max(
            case when {{ days_between('edges.as_of', 'run.as_of') }} >= run.rfm_drift_days then edges.as_of end
        ) as earlier_on
    from edges
    cross join run
),

compared as (
    select
        'last_release' as compared_with,
        last_on as compared_on
    from nights
    where last_on is not null

    union all

    select
        'earlier' as compared_with,
        earlier_on as compared_on
    from nights
    where earlier_on is not null
),

then_edges as (
    select
        compared.compared_with,
        compared.compared_on,
        edges.rfm_base,
        edges.dimension,
        edges.score,
        edges.worth,
        edges.customer_count
    from compared
    inner join edges on compared.compared_on = edges.as_of
),

-- Where each score began then, side by side: to look each customer up in five numbers, not in five rows.
ladders as (
    select
        compared_with,
        compared_on,
        rfm_base,
        dimension,
        {% for score in scores -%}
        max(case when score = {{ score }} then worth end) as worth_{{ score }},
        {% endfor -%}
        min(score) as lowest_score
    from then_edges
    group by compared_with, compared_on, rfm_base, dimension
),

customers as (
    {% for dimension, worth in [
        ('recency', '-recency_days'), ('frequency', 'frequency_count'), ('monetary', 'monetary_amount'),
    ] -%}
    select
        rfm_base,
        '{{ dimension }}' as dimension,
        {{ dimension }}_score as score,
        cast({{ worth }} as decimal(18, 4)) as worth
    from rfm
    {{ "union all" if not loop.last }}
    {% endfor %}
),

-- What tonight's value would have scored then. Who is below all of then's values has the lowest score there was.
rescored as (
    select
        ladders.compared_with,
        ladders.compared_on,
        customers.rfm_base,
        customers.dimension,
        customers.score,
        case
            {% for score in scores | reverse -%}
            when customers.worth >= ladders.worth_{{ score }} then {{ score }}
            {% endfor -%}
            else ladders.lowest_score
        end as score_then
    from customers
    inner join ladders
        on customers.rfm_base = ladders.rfm_base and customers.dimension = ladders.dimension
),

moved as (
    select
        compared_with,
        compared_on,
        rfm_base,
        dimension,
        score,
        count(*) as customer_count,
        count(case when score <> score_then then 1 end) as moved_count
    from rescored
    group by compared_with, compared_on, rfm_base, dimension, score
),

now_edges as (
    select
        edges.rfm_base,
        edges.dimension,
        edges.score,
        edges.worth
    from edges
    inner join run on edges.as_of = run.as_of
),

paired as (
    select
        moved.compared_with,
        moved.compared_on,
        moved.rfm_base,
        moved.dimension,
        moved.score,
        moved.customer_count,
        then_edges.customer_count as customer_count_then,
        case when moved.dimension = 'recency' then -now_edges.worth else now_edges.worth end as edge_value,
        case when moved.dimension = 'recency' then -then_edges.worth else then_edges.worth end as edge_value_then,
        now_edges.worth - then_edges.worth as shift,
        greatest(abs(now_edges.worth), abs(then_edges.worth)) as larger,
        moved.moved_count,
        sum(moved.customer_count) over (
            partition by moved.compared_with, moved.rfm_base, moved.dimension
        ) as base_count
    from moved
    inner join now_edges
        on
            moved.rfm_base = now_edges.rfm_base
            and moved.dimension = now_edges.dimension
            and moved.score = now_edges.score
    left join then_edges
        on
            moved.compared_with = then_edges.compared_with
            and moved.rfm_base = then_edges.rfm_base
            and moved.dimension = then_edges.dimension
            and moved.score = then_edges.score
),

drift as (
    select
        paired.compared_with,
        paired.compared_on,
        paired.rfm_base,
        paired.dimension,
        paired.score,
        run.as_of,
        paired.edge_value,
        paired.edge_value_then,
        case
            when paired.larger = 0 then 0.0
            else round(cast(paired.shift as double) / cast(paired.larger as double), 6)
        end as edge_shift_rate,
        paired.customer_count,
        paired.customer_count_then,
        paired.moved_count,
        case
            when paired.base_count >= run.rfm_drift_min_customers
                then {{ share('paired.moved_count', 'paired.base_count') }}
        end as moved_rate
    from paired
    cross join run
)

select * from drift
order by compared_with, rfm_base, dimension, score
