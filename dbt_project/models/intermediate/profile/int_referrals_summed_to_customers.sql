with ties as (
    select * from {{ ref('int_referral_ties') }}
    where relation = 'referral'
),

referrals as (
    select * from {{ ref('int_referrals_attributed') }}
    where relation = 'referral' and referrer_customer_id is not null
),

orders as (
    select * from {{ ref('int_orders_summed_to_customers') }}
),

rates as (
    select * from {{ ref('int_fx_rates_spanned') }}
),

run as (
    select * from {{ ref('stg_rules__run') }}
),

-- Invitations to people who never became known are invitations all the same.
invitations as (
    select
        referrals.referrer_customer_id as customer_id,
        count(*) as referral_invitation_count,
        cast(sum({{ in_base_currency('referrals.reward_amount', 'rates.rate') }}) as decimal(18, 4))
            as referral_reward_amount,
        max(referrals.referred_on) as last_referral_on
    from referrals
    cross join run
    left join rates
        on
            coalesce(referrals.currency, run.base_currency) = rates.currency
            and coalesce(referrals.converted_on, referrals.referred_on) >= rates.valid_from
            and coalesce(referrals.converted_on, referrals.referred_on) < rates.valid_to
    group by referrals.referrer_customer_id
),

made as (
    select
        referrer_customer_id as customer_id,
        count(distinct referee_customer_id) as referral_count,
        count(distinct case when is_converted then referee_customer_id end) as converted_referral_count
    from ties
    group by referrer_customer_id
),

received as (
    select
        referee_customer_id as customer_id,
        count(distinct referrer_customer_id) as referral_received_count
    from ties
    group by referee_customer_id
),

-- What a customer brings is the merit of the first who referred and won them: no value counts twice.
first_ties as (
    select
        referee_customer_id,
        referrer_customer_id,
        row_number() over (
            partition by referee_customer_id order by referred_on, referrer_customer_id
        ) as tie_rank
    from ties
    where is_converted
),

won as (
    select
        first_ties.referrer_customer_id as customer_id,
        first_ties.referee_customer_id as won_customer_id,
        coalesce(orders.net_revenue_amount, 0) as net_revenue_amount,
        coalesce(orders.net_revenue_365d_amount, 0) as net_revenue_365d_amount
    from first_ties
    left join orders on first_ties.referee_customer_id = orders.customer_id
    where first_ties.tie_rank = 1
),

brought as (
    select
        customer_id,
        sum(net_revenue_amount) as referral_net_revenue_amount,
        sum(net_revenue_365d_amount) as referral_net_revenue_365d_amount
    from won
    group by customer_id
),

-- Whom the won won in turn. Each is won by one only, so no value counts twice; in a circle of two
-- nobody is their own merit.
brought_on as (
    select
        won.customer_id,
        sum(won_on.net_revenue_365d_amount) as second_degree_net_revenue_365d_amount
    from won
    inner join won as won_on on won.won_customer_id = won_on.customer_id
    where won.customer_id <> won_on.won_customer_id
    group by won.customer_id
),

customers as (
    select customer_id from invitations
    union
    select customer_id from made
    union
    select customer_id from received
),

summed as (
    select
        customers.customer_id,
        coalesce(invitations.referral_invitation_count, 0) as referral_invitation_count,
        invitations.referral_reward_amount,
        invitations.last_referral_on,
        coalesce(made.referral_count, 0) as referral_count,
        coalesce(made.converted_referral_count, 0) as converted_referral_count,
        coalesce(received.referral_received_count, 0) as referral_received_count,
        cast(coalesce(brought.referral_net_revenue_amount, 0) as decimal(18, 4)) as referral_net_revenue_amount,
        cast(coalesce(brought.referral_net_revenue_365d_amount, 0) as decimal(18, 4))
            as referral_net_revenue_365d_amount,
        cast(coalesce(brought_on.second_degree_net_revenue_365d_amount, 0) as decimal(18, 4))
            as second_degree_net_revenue_365d_amount
    from customers
    left join invitations on customers.customer_id = invitations.customer_id
    left join made on customers.customer_id = made.customer_id
    left join received on customers.customer_id = received.customer_id
    left join brought on customers.customer_id = brought.customer_id
    left join brought_on on customers.customer_id = brought_on.customer_id
)

select * from summed
