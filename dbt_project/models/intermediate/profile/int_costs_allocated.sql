with costs as (
    select * from {{ ref('int_costs_attributed') }}
),

drivers as (
    select * from {{ ref('int_cost_drivers') }}
),

pools as (
    select
        cost_type,
        allocation_method,
        campaign_id,
        cost_amount
    from costs
    where attribution = 'shared'
),

-- Each customer's place on the line from nothing to the whole, in the order of their ids.
placed as (
    select
        pools.cost_type,
        pools.allocation_method,
        pools.campaign_id,
        pools.cost_amount,
        drivers.customer_id,
        sum(drivers.weight) over (
            partition by pools.cost_type, pools.allocation_method, pools.campaign_id
            order by drivers.customer_id
            rows between unbounded preceding and current row
        ) as weight_so_far,
        sum(drivers.weight) over (
            partition by pools.cost_type, pools.allocation_method, pools.campaign_id
        ) as weight_in_all
    from pools
    inner join drivers
        on
            pools.allocation_method = drivers.allocation_method
            and pools.campaign_id = drivers.campaign_id
),

cut as (
    select
        *,
        case
            when weight_so_far = weight_in_all then cost_amount
            else cast(
                round(
                    cast(cost_amount as double) * (cast(weight_so_far as double) / cast(weight_in_all as double)), 4
                ) as decimal(18, 4)
            )
        end as amount_so_far
    from placed
),

-- The difference of two rounded places: no share is off by more than the last digit, and their sum by nothing.
shares as (
    select
        customer_id,
        cost_type,
        allocation_method,
        campaign_id,
        amount_so_far - lag(amount_so_far, 1, cast(0 as decimal(18, 4))) over (
            partition by cost_type, allocation_method, campaign_id order by customer_id
        ) as cost_amount
    from cut
),

driven as (
    select distinct
        allocation_method,
        campaign_id
    from drivers
),

-- What has nobody to share it, such as a cost for each case in a year without a case.
unshared as (
    select pools.*
    from pools
    left join driven
        on
            pools.allocation_method = driven.allocation_method
            and pools.campaign_id = driven.campaign_id
    where driven.allocation_method is null
),

allocated as (
    select
        customer_id,
        cost_type,
        attribution,
        cost_amount
    from costs
    where attribution <> 'shared'

    union all

    select
        customer_id,
        cost_type,
        'shared' as attribution,
        cost_amount
    from shares

    union all

    select
        null as customer_id,
        cost_type,
        'nobody_to_share' as attribution,
        cost_amount
    from unshared
),

summed as (
    select
        customer_id,
        cost_type,
        attribution,
        cast(sum(cost_amount) as decimal(18, 4)) as cost_amount
    from allocated
    group by customer_id, cost_type, attribution
)

select * from summed
