with entries as (
    select * from {{ ref('stg_shop__loyalty_entries') }}
),

customer_keys as (
    select * from {{ ref('stg_pipeline__customer_keys') }}
),

keyed as (
    select
        customer_keys.customer_id,
        entries.entry_type,
        cast(entries.points_delta as decimal(18, 4)) as points_delta,
        {{ days_between('entries.occurred_on', as_of()) }} as age_days
    from entries
    inner join customer_keys
        on
            customer_keys.entity = 'contact'
            and entries.source = customer_keys.source
            and entries.source_account_id = customer_keys.source_account_id
            and entries.contact_source_id = customer_keys.source_record_id
),

summed as (
    select
        customer_id,
        cast(sum(points_delta) as decimal(18, 4)) as points_balance,
        cast(
            sum(case when entry_type = 'earn' and age_days < 365 then points_delta else 0 end) as decimal(18, 4)
        ) as points_earned_365d,
        cast(
            sum(case when entry_type = 'redeem' and age_days < 365 then -points_delta else 0 end) as decimal(18, 4)
        ) as points_redeemed_365d
    from keyed
    group by customer_id
)

select * from summed
