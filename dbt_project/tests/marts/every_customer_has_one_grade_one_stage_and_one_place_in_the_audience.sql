{% for mart in ['customer_grades', 'customer_lifecycle', 'audience'] -%}
select
    '{{ mart }}' as mart,
    coalesce(customers.customer_id, others.customer_id) as customer_id
from {{ ref('customer_360') }} as customers
full outer join {{ ref(mart) }} as others on customers.customer_id = others.customer_id
where customers.customer_id is null or others.customer_id is null
{{ "union all" if not loop.last }}
{% endfor %}
