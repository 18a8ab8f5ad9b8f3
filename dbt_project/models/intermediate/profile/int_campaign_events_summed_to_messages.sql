with events as (
    select * from {{ ref('int_campaign_events_attributed') }}
),

-- Of one campaign a customer has one message, however often it was sent, opened and clicked.
summed as (
    select
        customer_id,
        campaign_id,
        max(campaign_type) as campaign_type,
        min(event_on) as sent_on,
        count(case when kind = 'sent' then 1 end) > 0 as is_sent,
        count(case when kind in ('bounce_soft', 'bounce_hard') then 1 end) > 0 as is_bounced,
        count(case when kind in ('delivered', 'open', 'machine_open', 'click', 'convert') then 1 end) > 0
            as is_received,
        count(case when kind in ('open', 'click', 'convert') then 1 end) > 0 as is_opened,
        count(case when kind in ('click', 'convert') then 1 end) > 0 as is_clicked
    from events
    where kind not in ('member_added', 'member_removed')
    group by customer_id, campaign_id
),

-- What was opened had arrived; what was sent and did not come back is taken to have.
delivered as (
    select
        *,
        is_received or (is_sent and not is_bounced) as is_delivered
    from summed
)

select * from delivered
