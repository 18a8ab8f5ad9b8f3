with signals as (
    select * from {{ ref('int_identity_signals') }}
),

records as (
    select * from {{ ref('int_identity_records') }}
),

orphans as (
    select
        signals.entity,
        count(*) as signal_count
    from signals
    left join records
        on
            signals.entity = records.entity
            and signals.source = records.source
            and signals.source_account_id = records.source_account_id
            and signals.source_record_id = records.source_record_id
    where records.source_record_id is null
    group by signals.entity
)

select * from orphans
