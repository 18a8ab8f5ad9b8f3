with entries as (
    select * from {{ ref('stg_shop__loyalty_entries') }}
),

customer_keys as (
    select * from {{ ref('stg_pipeline__customer_keys') }}
    where entity = 'contact'
),

-- A later line has the later time, and of two of one time the greater number.
keyed as (
    select
        customer_keys.customer_id,
        entries.source,
        entries.source_account_id,
        entries.program_id,
        entries.member_id,
        entries.entry_type,
        cast(entries.points_delta as decimal(18, 4)) as points_delta,
        cast(entries.balance_after as decimal(18, 4)) as balance_after,
        entries.tier_after,
        entries.occurred_at,
        entries.occurred_on,
        {{ days_between('entries.occurred_on', as_of()) }} as age_days,
        {{ days_between(as_of(), 'entries.expires_on') }} as days_left,
        row_number() over (
            partition by
                customer_keys.customer_id,
                entries.source,
                entries.source_account_id,
                entries.program_id,
                entries.member_id
            order by entries.occurred_at, length(entries.entry_source_id), entries.entry_source_id
        ) as line_number
    from entries
    inner join customer_keys
        on
            entries.source = customer_keys.source
            and entries.source_account_id = customer_keys.source_account_id
            and entries.contact_source_id = customer_keys.source_record_id
),

witnessed as (
    select
        *,
        max(case when balance_after is not null then line_number end) over (
            partition by customer_id, source, source_account_id, program_id, member_id
        ) as last_balance_line
    from keyed
),

-- The ledger's own balance is believed over a sum: its first lines may never have been delivered.
members as (
    select
        customer_id,
        source,
        source_account_id,
        program_id,
        member_id,
        sum(
            case
                when line_number = last_balance_line then balance_after
                when line_number > coalesce(last_balance_line, 0) then points_delta
                else 0
            end
        ) as points_balance,
        -- Points are used up oldest first, so what is left is the last that came in.
        {% for days in [0, 30, 90] -%}
        sum(
            case when points_delta > 0 and (days_left is null or days_left > {{ days }}) then points_delta else 0 end
        ) as points_valid_in_{{ days }}d,
        {% endfor -%}
        sum(case when entry_type = 'earn' and age_days < 365 then points_delta else 0 end) as points_earned_365d,
        sum(case when entry_type = 'redeem' and age_days < 365 then -points_delta else 0 end) as points_redeemed_365d,
        sum(case when entry_type = 'expire' and age_days < 365 then -points_delta else 0 end) as points_expired_365d,
        {{ newest('tier_after', 'line_number desc') }} as loyalty_tier,
        max(occurred_at) as last_entry_at,
        min(occurred_on) as joined_on,
        max(case when entry_type in ('earn', 'redeem') then occurred_on end) as last_loyalty_on
    from witnessed
    group by customer_id, source, source_account_id, program_id, member_id
),

dated_members as (
    select
        *,
        {% for days in [0, 30, 90] -%}
        least(greatest(points_balance, 0), points_valid_in_{{ days }}d) as points_left_in_{{ days }}d,
        {% endfor -%}
        row_number() over (
            partition by customer_id, source, source_account_id, program_id order by last_entry_at desc, member_id asc
        ) as member_rank
    from members
),

programs as (
    select
        customer_id,
        program_id,
        sum(points_balance) as points_balance,
        sum(points_left_in_0d - points_left_in_30d) as points_expiring_30d,
        sum(points_left_in_0d - points_left_in_90d) as points_expiring_90d,
        sum(points_earned_365d) as points_earned_365d,
        sum(points_redeemed_365d) as points_redeemed_365d,
        sum(points_expired_365d) as points_expired_365d,
        max(case when member_rank = 1 then loyalty_tier end) as loyalty_tier,
        min(joined_on) as loyalty_joined_on,
        max(last_loyalty_on) as last_loyalty_on,
        count(*) over (partition by customer_id) as loyalty_program_count,
        row_number() over (
            partition by customer_id
            order by max(last_entry_at) desc, source asc, source_account_id asc, program_id asc
        ) as program_rank
    from dated_members
    group by customer_id, source, source_account_id, program_id
),

-- Points of two programmes are two currencies: the one with the newest line is told of, never their sum.
summed as (
    select
        customer_id,
        program_id as loyalty_program_id,
        cast(loyalty_program_count as bigint) as loyalty_program_count,
        loyalty_tier,
        loyalty_joined_on,
        last_loyalty_on,
        cast(points_balance as decimal(18, 4)) as points_balance,
        cast(points_expiring_30d as decimal(18, 4)) as points_expiring_30d,
        cast(points_expiring_90d as decimal(18, 4)) as points_expiring_90d,
        cast(points_earned_365d as decimal(18, 4)) as points_earned_365d,
        cast(points_redeemed_365d as decimal(18, 4)) as points_redeemed_365d,
        cast(points_expired_365d as decimal(18, 4)) as points_expired_365d
    from programs
    where program_rank = 1
)

select * from summed
