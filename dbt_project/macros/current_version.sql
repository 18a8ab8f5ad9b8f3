{#- The newest version of a record first; a delete at the same instant wins, so nothing deleted comes back. -#}
{% macro newest_version_first() -%}
coalesce(source_updated_at, extracted_at) desc,
                    extracted_at desc,
                    case when op in ('delete', 'erase') then 0 else 1 end,
                    record_hash
{%- endmacro %}

{#-
The newest landed row of each record that is not deleted.
Every staging model names the columns that it keeps, so `version_rank` goes no further.
-#}
{% macro current_version(relation) %}
    select *
    from (
        select
            *,
            row_number() over (
                partition by source, source_account_id, source_record_id
                order by
                    {{ newest_version_first() }}
            ) as version_rank
        from {{ relation }}
    ) as versions
    where version_rank = 1 and op not in ('delete', 'erase')
{% endmacro %}

{#-
Every landed row of each record that says something of it: `is_newest` marks the last word, `is_deleted`
the records that are gone since. A deleted record still names its customer; an erased one is not there.
-#}
{% macro every_version(relation) %}
    select
        *,
        said_rank = 1 as is_newest,
        newest_op = 'delete' as is_deleted
    from (
        select
            *,
            row_number() over (
                partition by source, source_account_id, source_record_id, op in ('delete', 'erase')
                order by
                    {{ newest_version_first() }}
            ) as said_rank,
            first_value(op) over (
                partition by source, source_account_id, source_record_id
                order by
                    {{ newest_version_first() }}
            ) as newest_op
        from {{ relation }}
    ) as versions
    where newest_op <> 'erase' and op not in ('delete', 'erase')
{% endmacro %}
