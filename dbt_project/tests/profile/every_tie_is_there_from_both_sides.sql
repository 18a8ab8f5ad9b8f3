with network as (
    select * from {{ ref('customer_network') }}
),

one_sided as (
    select
        here.customer_id,
        here.tied_customer_id
    from network as here
    left join network as there
        on
            here.customer_id = there.tied_customer_id
            and here.tied_customer_id = there.customer_id
            and here.degree = there.degree
            and (here.relation = there.relation or here.degree = 2)
            and (here.is_outgoing is distinct from there.is_outgoing or here.is_outgoing is null)
    where there.customer_id is null
)

select * from one_sided
