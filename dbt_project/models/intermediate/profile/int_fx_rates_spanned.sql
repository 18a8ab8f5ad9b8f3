with rates as (
    select * from {{ ref('stg_shop__fx_rates') }}
),

run as (
    select * from {{ ref('stg_rules__run') }}
),

-- Two sources may give a rate for one day; the higher keeps the choice free of the order of rows.
daily_rates as (
    select
        rates.currency,
        rates.rate_date,
        max(rates.rate) as rate
    from rates
    inner join run on rates.base_currency = run.base_currency
    where rates.currency <> run.base_currency
    group by rates.currency, rates.rate_date
),

spans as (
    select
        currency,
        rate,
        lag(rate_date) over (partition by currency order by rate_date) as previous_rate_date,
        rate_date as valid_from,
        lead(rate_date) over (partition by currency order by rate_date) as valid_to
    from daily_rates
),

-- A rate holds until the next; the first also covers the days before it.
open_spans as (
    select
        currency,
        cast(rate as decimal(18, 8)) as rate,
        case when previous_rate_date is null then cast('1900-01-01' as date) else valid_from end as valid_from,
        coalesce(valid_to, cast('2999-12-31' as date)) as valid_to
    from spans

    union all

    select
        base_currency as currency,
        cast(1 as decimal(18, 8)) as rate,
        cast('1900-01-01' as date) as valid_from,
        cast('2999-12-31' as date) as valid_to
    from run
)

select * from open_spans
