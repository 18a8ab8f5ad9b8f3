{#- A home by address and one by phone may have a person in common: so many rounds find who else belongs
to a household of eight, even where each shares a home only with the next. -#}
{%- set rounds = 7 -%}
with shared_homes as (
    select * from {{ ref('int_homes_shared') }}
),

customers as (
    select * from {{ ref('int_records_merged_to_customers') }}
),

run as (
    select * from {{ ref('stg_rules__run') }}
),

-- Everybody is first of a household alone, named by seniority; then the oldest of each home names it.
persons as (
    select
        members.customer_id,
        row_number() over (order by customers.first_seen_on, members.customer_id) as seniority
    from (select distinct customer_id from shared_homes) as members
    inner join customers on members.customer_id = customers.customer_id
),

round_0 as (
    select
        customer_id,
        seniority as oldest
    from persons
),
{% for round in range(1, rounds + 1) %}
homes_{{ round }} as (
    select
        shared_homes.basis,
        shared_homes.family_key,
        shared_homes.home,
        min(round_{{ round - 1 }}.oldest) as oldest
    from shared_homes
    inner join round_{{ round - 1 }} on shared_homes.customer_id = round_{{ round - 1 }}.customer_id
    group by shared_homes.basis, shared_homes.family_key, shared_homes.home
),

round_{{ round }} as (
    select
        shared_homes.customer_id,
        min(homes_{{ round }}.oldest) as oldest
    from shared_homes
    inner join homes_{{ round }}
        on
            shared_homes.basis = homes_{{ round }}.basis
            and shared_homes.family_key = homes_{{ round }}.family_key
            and shared_homes.home = homes_{{ round }}.home
    group by shared_homes.customer_id
),
{% endfor %}
bases as (
    select
        customer_id,
        case when min(basis) = max(basis) then min(basis) else 'both' end as basis
    from shared_homes
    group by customer_id
),

households as (
    select
        members.customer_id,
        concat('h-', oldest.customer_id) as household_id,
        bases.basis,
        count(*) over (partition by members.oldest) as member_count
    from round_{{ rounds }} as members
    inner join persons as oldest on members.oldest = oldest.seniority
    inner join bases on members.customer_id = bases.customer_id
),

-- Homes that hang together by one person may come to more than a household has.
sized as (
    select
        households.household_id,
        households.customer_id,
        households.basis,
        households.member_count
    from households
    cross join run
    where households.member_count between 2 and run.max_household_persons
)

select * from sized
order by household_id, customer_id
