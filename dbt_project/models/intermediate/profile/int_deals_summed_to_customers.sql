with deals as (
    select * from {{ ref('stg_crm__deals') }}
),

customer_keys as (
    select * from {{ ref('stg_pipeline__customer_keys') }}
),

rates as (
    select * from {{ ref('int_fx_rates_spanned') }}
),

run as (
    select * from {{ ref('stg_rules__run') }}
),

-- A deal is its organisation's; only where it names none is it the contact's own. Open ones are worth
-- what they are tonight, closed ones what they were on the day.
attributed as (
    select
        customer_keys.customer_id,
        deals.is_won,
        deals.closed_on is null or deals.closed_on > run.as_of as is_open,
        deals.closed_on,
        deals.expected_close_on,
        {{ in_base_currency('deals.amount', 'rates.rate') }} as deal_amount
    from deals
    cross join run
    inner join customer_keys
        on
            customer_keys.entity = case when deals.account_source_id is null then 'contact' else 'account' end
            and deals.source = customer_keys.source
            and deals.source_account_id = customer_keys.source_account_id
            and coalesce(deals.account_source_id, deals.contact_source_id) = customer_keys.source_record_id
    left join rates
        on
            coalesce(deals.currency, run.base_currency) = rates.currency
            and least(coalesce(deals.closed_on, run.as_of), run.as_of) >= rates.valid_from
            and least(coalesce(deals.closed_on, run.as_of), run.as_of) < rates.valid_to
),

summed as (
    select
        customer_id,
        count(case when is_open then 1 end) as open_deal_count,
        cast(sum(case when is_open then deal_amount else 0 end) as decimal(18, 4)) as open_deal_amount,
        min(case when is_open then expected_close_on end) as next_deal_close_on,
        count(
            case when is_won and not is_open and {{ days_between('closed_on', as_of()) }} < 365 then 1 end
        ) as won_deal_count_365d,
        cast(sum(
            case
                when is_won and not is_open and {{ days_between('closed_on', as_of()) }} < 365 then deal_amount
                else 0
            end
        ) as decimal(18, 4)) as won_deal_365d_amount
    from attributed
    group by customer_id
)

select * from summed
