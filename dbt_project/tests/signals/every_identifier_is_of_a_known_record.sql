with signals as (
    select * from {{ ref('int_identity_signals') }}
),

records as (
    select * from {{ ref('int_identity_records') }}
),

orphans as (
    select
        signals.id_type,
        count(*) as signal_count
    from signals
    left join records on signals.node = records.node
    where records.node is null
    group by signals.id_type
)

select * from orphans
