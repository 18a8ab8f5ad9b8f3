with contacts as (
    select * from {{ ref('customer_contacts') }}
    where purpose = 'marketing'
),

customers as (
    select * from {{ ref('customer_360') }}
),

contradicted as (
    select
        contacts.customer_id,
        contacts.channel
    from contacts
    inner join customers on contacts.customer_id = customers.customer_id
    where
        customers.is_marketing_allowed is false
        {% for channel in ['email', 'sms', 'phone', 'wechat'] -%}
        or (contacts.channel = '{{ channel }}' and customers.is_{{ channel }}_marketing_allowed is false)
        {% endfor %}
)

select * from contradicted
