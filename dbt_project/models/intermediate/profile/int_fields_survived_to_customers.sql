with written as (
    select * from {{ ref('int_fields_written') }}
),

-- The longest table of the night: read once for each use, as it would not fit into memory to be kept.
agreeing as (
    select * from {{ ref('int_fields_written') }}
),

claiming as (
    select * from {{ ref('int_fields_written') }}
),

records as (
    select
        customer_id,
        newest_rank,
        entity,
        source,
        source_account_id,
        source_record_id,
        version_at
    from {{ ref('int_records_attributed') }}
),

rules as (
    select * from {{ ref('stg_rules__survivorship') }}
),

-- How many records agree: on the first field of a group, which stands for the group.
agreements as (
    select
        agreeing.customer_id,
        agreeing.field,
        lower(agreeing.value) as compared,
        count(*) as record_count
    from agreeing
    inner join rules on agreeing.field = rules.field
    where rules.strategy = 'frequency' and rules.position = 1
    group by agreeing.customer_id, agreeing.field, lower(agreeing.value)
),

-- A record claims a group with each field it has, and does best with the group's first. A nickname does
-- not count as a name where there is one.
claims as (
    select
        claiming.customer_id,
        claiming.newest_rank,
        rules.field_group,
        case when rules.position = 1 and not claiming.is_nickname then 0 else 1 end as lacks_first_field,
        case rules.strategy
            when 'frequency' then -coalesce(agreements.record_count, 0)
            when 'source_priority' then {{ place_in_list('rules.sources', 'claiming.source') }}
            when 'oldest' then claiming.oldest_rank
            else 0
        end as strategy_rank
    from claiming
    inner join rules on claiming.field = rules.field
    left join agreements
        on
            claiming.customer_id = agreements.customer_id
            and claiming.field = agreements.field
            and lower(claiming.value) = agreements.compared
),

winners as (
    select
        customer_id,
        field_group,
        {{ first_by('newest_rank', ['lacks_first_field', 'strategy_rank', 'newest_rank']) }} as newest_rank
    from claims
    group by customer_id, field_group
),

survived as (
    select
        written.customer_id,
        written.field,
        written.value,
        rules.is_personal,
        rules.field_group,
        rules.strategy as rule,
        records.entity,
        records.source,
        records.source_account_id,
        records.source_record_id,
        records.version_at as valued_at
    from written
    inner join rules on written.field = rules.field
    inner join winners
        on
            written.customer_id = winners.customer_id
            and rules.field_group = winners.field_group
            and written.newest_rank = winners.newest_rank
    inner join records on written.customer_id = records.customer_id and written.newest_rank = records.newest_rank
)

select * from survived
