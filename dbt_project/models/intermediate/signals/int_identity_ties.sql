with contacts as (
    select * from {{ ref('stg_crm__contact_versions') }}
    where is_newest
),

links as (
    select * from {{ ref('stg_privacy__identity_links') }}
),

merged_contacts as (
    select
        'merged_into' as tie,
        source,
        source_account_id,
        'contact_id' as id_type_a,
        contact_source_id as id_a,
        'contact_id' as id_type_b,
        merged_into_id as id_b,
        landed_on as since_on
    from contacts
    where merged_into_id is not null
),

stated_links as (
    select
        'stated_link' as tie,
        source,
        source_account_id,
        id_type_a,
        id_a,
        id_type_b,
        id_b,
        observed_on as since_on
    from links
),

ties as (
    select * from merged_contacts
    union all
    select * from stated_links
)

select * from ties
