{#-
The newest landed row of each record; a delete at the same instant wins, so nothing deleted comes back.
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
                    coalesce(source_updated_at, extracted_at) desc,
                    extracted_at desc,
                    case when op in ('delete', 'erase') then 0 else 1 end,
                    record_hash
            ) as version_rank
        from {{ relation }}
    ) as versions
    where version_rank = 1 and op not in ('delete', 'erase')
{% endmacro %}
