with named as (
    select customer_id from {{ ref('customer_households') }}
    union
    select customer_id from {{ ref('customer_companies') }}
    union
    select parent_customer_id as customer_id from {{ ref('customer_companies') }}
    union
    select ultimate_parent_customer_id as customer_id from {{ ref('customer_companies') }}
    union
    select customer_id from {{ ref('company_contacts') }}
    union
    select company_customer_id as customer_id from {{ ref('company_contacts') }}
    union
    select customer_id from {{ ref('customer_network') }}
    union
    select via_customer_id as customer_id from {{ ref('customer_network') }}
),

strangers as (
    select named.customer_id
    from named
    left join {{ ref('customer_360') }} as customers on named.customer_id = customers.customer_id
    where named.customer_id is not null and customers.customer_id is null
)

select * from strangers
