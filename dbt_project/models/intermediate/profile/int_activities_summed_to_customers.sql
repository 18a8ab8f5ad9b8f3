with activities as (
    select * from {{ ref('int_activities_attributed') }}
),

-- A task that is due today may still be done today.
summed as (
    select
        customer_id,
        max(case when is_completed and activity_type = 'call' then active_on end) as last_call_on,
        max(case when is_completed and activity_type in ('meeting', 'visit') then active_on end) as last_meeting_on,
        max(case when is_completed and activity_type = 'email' then active_on end) as last_personal_email_on,
        max(case when is_completed and activity_type = 'wechat' then active_on end) as last_wechat_on,
        max(case when is_completed and activity_type = 'sms' then active_on end) as last_sms_on,
        max(case when is_completed and direction = 'inbound' then active_on end) as last_inbound_on,
        count(case when not is_completed then 1 end) as open_task_count,
        count(case when not is_completed and due_on < {{ as_of() }} then 1 end) as overdue_task_count,
        min(case when not is_completed and due_on >= {{ as_of() }} then due_on end) as next_task_due_on
    from activities
    group by customer_id
)

select * from summed
