{% for dataset in ['customer_grades', 'customer_lifecycle', 'audience'] -%}
select
    '{{ dataset }}' as dataset,
    coalesce(customers.customer_id, rated.customer_id) as customer_id
from {{ ref('customer_360') }} as customers
full outer join {{ ref(dataset) }} as rated on customers.customer_id = rated.customer_id
where customers.customer_id is null or rated.customer_id is null
{{ "union all" if not loop.last }}
{% endfor %}
