with customers as (
    select * from {{ ref('customer_360') }}
),

contradicted as (
    select customer_id
    from customers
    where
        {% for part, whole in [
            ('order_count_30d', 'order_count_90d'), ('order_count_90d', 'order_count_365d'),
            ('order_count_365d', 'order_count'), ('order_day_count', 'order_count'),
            ('cancelled_order_count_365d', 'cancelled_order_count'),
            ('web_visit_count_30d', 'web_visit_count_90d'), ('web_visit_count_90d', 'web_visit_count_365d'),
            ('web_session_count_30d', 'web_session_count_90d'), ('web_session_count_90d', 'web_session_count_365d'),
            ('product_view_count_90d', 'web_visit_count_90d'), ('abandoned_cart_count_90d', 'cart_session_count_90d'),
            ('cart_session_count_90d', 'web_session_count_90d'),
            ('campaign_click_rate_365d', 'campaign_open_rate_365d'), ('campaign_open_rate_365d', '1'),
            ('interaction_count_90d', 'interaction_count_365d'), ('overdue_task_count', 'open_task_count'),
            ('complaint_count', 'case_count'), ('complaint_count_90d', 'complaint_count_365d'),
            ('open_complaint_count', 'open_case_count'), ('points_expiring_30d', 'points_expiring_90d'),
            ('converted_referral_count', 'referral_count'), ('first_touch_on', 'last_touch_on'),
            ('first_order_on', 'last_order_on'), ('refunded_order_rate', '1'), ('cart_abandonment_rate_90d', '1'),
            ('csat_top_two_rate_90d', '1'), ('price_sensitivity', '1'), ('novelty_seeking', '1'),
        ] -%}
        {{ part }} > {{ whole }}
        or {% endfor -%}
        order_count < 0
)

select * from contradicted
