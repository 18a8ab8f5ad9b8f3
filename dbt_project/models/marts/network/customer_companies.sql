{#- Each round doubles how far up the hierarchy a company looks: five see 32 levels. -#}
{%- set rounds = 5 -%}
with companies as (
    select * from {{ ref('int_records_merged_to_customers') }}
    where kind in ('company', 'institution')
),

survived as (
    select * from {{ ref('int_fields_survived_to_customers') }}
    where field = 'parent_account_source_id'
),

accounts as (
    select * from {{ ref('stg_pipeline__customer_keys') }}
    where entity = 'account'
),

contacts as (
    select * from {{ ref('company_contacts') }}
),

-- A company that is one with its parent has none.
stated as (
    select
        companies.customer_id,
        companies.kind,
        nullif(accounts.customer_id, companies.customer_id) as parent_customer_id,
        survived.value is not null and accounts.customer_id is null as is_parent_missing
    from companies
    left join survived on companies.customer_id = survived.customer_id
    left join accounts
        on
            survived.source = accounts.source
            and survived.source_account_id = accounts.source_account_id
            and survived.value = accounts.source_record_id
),

round_0 as (
    select
        customer_id,
        coalesce(parent_customer_id, customer_id) as ancestor_customer_id,
        cast(case when parent_customer_id is null then 0 else 1 end as bigint) as steps
    from stated
),
{% for round in range(1, rounds + 1) %}
round_{{ round }} as (
    select
        lower_part.customer_id,
        upper_part.ancestor_customer_id,
        lower_part.steps + upper_part.steps as steps
    from round_{{ round - 1 }} as lower_part
    inner join round_{{ round - 1 }} as upper_part
        on lower_part.ancestor_customer_id = upper_part.customer_id
),
{% endfor %}
-- Whoever has not come to a company without a parent by then never will, or not soon enough.
climbed as (
    select
        reached.customer_id,
        case when tops.steps = 0 then reached.ancestor_customer_id end as ultimate_parent_customer_id,
        case when tops.steps = 0 then reached.steps end as hierarchy_depth
    from round_{{ rounds }} as reached
    inner join round_0 as tops on reached.ancestor_customer_id = tops.customer_id
),

children as (
    select
        parent_customer_id as customer_id,
        count(*) as child_count
    from stated
    where parent_customer_id is not null
    group by parent_customer_id
),

staff as (
    select
        company_customer_id as customer_id,
        count(*) as contact_count
    from contacts
    group by company_customer_id
),

hierarchy as (
    select
        stated.customer_id,
        stated.kind,
        stated.parent_customer_id,
        climbed.ultimate_parent_customer_id,
        climbed.hierarchy_depth,
        case
            when stated.is_parent_missing then 'missing_parent'
            when climbed.hierarchy_depth is null then 'endless'
        end as hierarchy_problem,
        coalesce(children.child_count, 0) as child_count,
        coalesce(staff.contact_count, 0) as contact_count
    from stated
    inner join climbed on stated.customer_id = climbed.customer_id
    left join children on stated.customer_id = children.customer_id
    left join staff on stated.customer_id = staff.customer_id
)

select * from hierarchy
order by customer_id
