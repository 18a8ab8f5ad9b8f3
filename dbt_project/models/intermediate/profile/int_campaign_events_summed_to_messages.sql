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
        min(case when kind in ('bounce_soft', 'bounce_hard') then event_on end) as bounced_on,
        min(case when kind in ('delivered', 'open', 'machine_open', 'click', 'convert') then event_on end)
            as received_on,
        min(case when kind in ('open', 'click', 'convert') then event_on end) as opened_on,
        count(case when kind in ('click', 'convert') then 1 end) > 0 as is_clicked
    from events
    where kind not in ('member_added', 'member_removed')
    group by customer_id, campaign_id
),

-- What was opened had arrived; what was sent and did not come back is taken to have.
delivered as (
    select
        *,
        received_on is not null or (is_sent and bounced_on is null) as is_delivered,
        opened_on is not null as is_opened
    from summed
)

select * from delivered
