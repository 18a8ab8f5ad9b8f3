with survived as (
    select * from {{ ref('int_fields_survived_to_customers') }}
),

record_homes as (
    select * from {{ ref('stg_pipeline__record_homes') }}
),

customers as (
    select * from {{ ref('int_records_merged_to_customers') }}
    where kind = 'person'
),

points as (
    select * from {{ ref('int_contact_points') }}
    where contact_type = 'phone'
),

erased as (
    select * from {{ ref('int_erased_customers') }}
),

run as (
    select * from {{ ref('stg_rules__run') }}
),

-- A customer's family name and home are those of the records that won the name and the address.
families as (
    select
        survived.customer_id,
        record_homes.family_key
    from survived
    inner join record_homes
        on
            survived.entity = record_homes.entity
            and survived.source = record_homes.source
            and survived.source_account_id = record_homes.source_account_id
            and survived.source_record_id = record_homes.source_record_id
    inner join customers on survived.customer_id = customers.customer_id
    left join erased on survived.customer_id = erased.customer_id
    where survived.field = 'full_name' and erased.customer_id is null
),

addresses as (
    select
        survived.customer_id,
        record_homes.home_by_postal_code,
        record_homes.home_by_city
    from survived
    inner join record_homes
        on
            survived.entity = record_homes.entity
            and survived.source = record_homes.source
            and survived.source_account_id = record_homes.source_account_id
            and survived.source_record_id = record_homes.source_record_id
    where survived.field = 'street'
),

homes as (
    select
        customer_id,
        'address' as basis,
        home_by_postal_code as home
    from addresses
    where home_by_postal_code is not null

    union all

    select
        customer_id,
        'address' as basis,
        home_by_city as home
    from addresses
    where home_by_city is not null

    union all

    select
        customer_id,
        'phone' as basis,
        contact_value as home
    from points
),

inhabited as (
    select
        families.customer_id,
        families.family_key,
        homes.basis,
        homes.home
    from homes
    inner join families on homes.customer_id = families.customer_id
),

relatives as (
    select
        basis,
        home,
        family_key,
        count(*) as person_count
    from inhabited
    group by basis, home, family_key
),

small as (
    select
        relatives.basis,
        relatives.home
    from relatives
    cross join run
    group by relatives.basis, relatives.home
    having
        sum(relatives.person_count) <= max(run.max_household_persons)
        and count(*) <= max(run.max_household_families)
),

shared as (
    select
        inhabited.customer_id,
        inhabited.basis,
        inhabited.family_key,
        inhabited.home
    from inhabited
    inner join relatives
        on
            inhabited.basis = relatives.basis
            and inhabited.home = relatives.home
            and inhabited.family_key = relatives.family_key
    inner join small on inhabited.basis = small.basis and inhabited.home = small.home
    where relatives.person_count > 1
)

select * from shared
