with written as (
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
        written.customer_id,
        written.field,
        lower(written.value) as compared,
        count(*) as record_count
    from written
    inner join rules on written.field = rules.field
    where rules.strategy = 'frequency' and rules.position = 1
    group by written.customer_id, written.field, lower(written.value)
),

-- A record claims a group with each field it has, and does best with the group's first. A nickname does
-- not count as a name where there is one.
claims as (
    select
        written.customer_id,
        written.newest_rank,
        rules.field_group,
        case when rules.position = 1 and not written.is_nickname then 0 else 1 end as lacks_first_field,
        case rules.strategy
            when 'frequency' then -coalesce(agreements.record_count, 0)
            when 'source_priority' then {{ place_in_list('rules.sources', 'written.source') }}
            when 'oldest' then written.oldest_rank
            else 0
        end as strategy_rank
    from written
    inner join rules on written.field = rules.field
    left join agreements
        on
            written.customer_id = agreements.customer_id
            and written.field = agreements.field
            and lower(written.value) = agreements.compared
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
