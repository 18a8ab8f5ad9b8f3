{#-
Every model is one Parquet file of the run: `<run>/models/<model>.parquet`.

dbt-duckdb's own `external` keeps an empty model as one row of nulls, which a later call cannot tell
from data, and holds the whole model in memory first. This streams the query into the file, empty or
not, and then checks the contract: names and types by dbt, not-null and primary keys here.
-#}
{% macro file_of_run(path) %}{{ return((env_var('C360_RUN') | replace("'", "''")) ~ '/' ~ path) }}{% endmacro %}
{% macro model_file(name) %}{{ return(file_of_run('models/' ~ name ~ '.parquet')) }}{% endmacro %}

{#- Landing tables are the parts that `land` froze for this run; rules and pipeline are single files. -#}
{% macro source_files(source) %}
    {%- set folder = 'inputs' if source.source_name == 'landing' else source.source_name -%}
    {{ return(file_of_run(folder ~ '/' ~ source.name ~ ('/*' if folder == 'inputs' else '') ~ '.parquet')) }}
{% endmacro %}

{% materialization parquet, adapter="duckdb" %}
    {%- set location = model_file(this.name) -%}
    {%- set query = sql -%}
    {%- if config.get('contract').enforced -%}
        {%- do get_assert_columns_equivalent(sql) -%}
        {#- In the order of its key: one night has one file, and nobody sorts it in memory later. -#}
        {%- set query = get_select_subquery(sql) ~ " order by " ~ config.get('meta')['key'] | join(", ") -%}
    {%- endif -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {#- Beside its place first: half a model that a kill left there would fail whoever reads it next. -#}
    {% call statement('main') -%}
        copy (
            {{ query }}
        ) to '{{ location }}' (format parquet, compression zstd, use_tmp_file true)
    {%- endcall %}
    {% do create_schema(this.without_identifier()) %}
    {% do run_query(parquet_view(this, location)) %}
    {% do check_constraints(this, model) %}
    {% do adapter.commit() %}
    {{ run_hooks(post_hooks, inside_transaction=False) }}

    {{ return({'relations': [this.incorporate(type='view')]}) }}
{% endmaterialization %}

{% macro parquet_view(relation, files) %}{{ return("create or replace view " ~ relation ~ " as select * from read_parquet('" ~ files ~ "', union_by_name = true)") }}{% endmacro %}

{% macro check_constraints(relation, model) %}
    {%- set required = [] -%}
    {%- set key = [] -%}
    {%- for column in model.columns.values() -%}
        {%- set kinds = column.constraints | map(attribute='type') | map('string') | list -%}
        {%- if 'not_null' in kinds or 'primary_key' in kinds -%}{%- do required.append(column.name) -%}{%- endif -%}
        {%- if 'primary_key' in kinds -%}{%- do key.append(column.name) -%}{%- endif -%}
    {%- endfor -%}
    {%- if required -%}
        {%- set counts -%}
            select
                {% for name in required %}count(*) - count({{ name }}) as {{ name }}{{ "," if not loop.last or key }}
                {% endfor %}
                {%- if key %}count(*) - count(distinct {{ key[0] if key | length == 1 else "(" ~ key | join(", ") ~ ")" }}) as repeated_keys{% endif %}
            from {{ relation }}
        {%- endset -%}
        {%- set row = run_query(counts)[0] -%}
        {%- for name in row.keys() -%}
            {%- if row[name] -%}
                {{ exceptions.raise_compiler_error(relation.identifier ~ " breaks its contract: " ~ row[name] ~ " rows with " ~ ("a repeated key" if name == "repeated_keys" else "no " ~ name)) }}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
{% endmacro %}

{#-
What this call may read: the sources, and what earlier calls of this run wrote, each where there is a file
of it; and where DuckDB may spill, which it refuses to change once it has. All in one statement: asking one
by one takes longer than what is asked.
-#}
{% macro register_files_of_this_run() %}
    {%- if execute -%}
        {%- set files = {} -%}
        {%- for source in graph['sources'].values() -%}
            {%- do files.update({source.unique_id: (source, source.identifier, source_files(source))}) -%}
        {%- endfor -%}
        {%- for node in graph['nodes'].values() if node.resource_type == 'model' and node.unique_id not in selected_resources -%}
            {%- do files.update({node.unique_id: (node, node.alias, model_file(node.name))}) -%}
        {%- endfor -%}
        {%- set asked = [] -%}
        {%- for id, (node, name, path) in files.items() -%}
            {%- do asked.append("select '" ~ id ~ "' as id where exists (from glob('" ~ path ~ "'))") -%}
        {%- endfor -%}
        {%- set statements = ["set temp_directory = '" ~ file_of_run('scratch') ~ "'"] -%}
        {%- for id in run_query(asked | join(" union all ")).columns[0].values() -%}
            {%- set node, name, path = files[id] -%}
            {%- set relation = api.Relation.create(database=node.database, schema=node.schema, identifier=name) -%}
            {%- do statements.append("create schema if not exists " ~ relation.without_identifier()) -%}
            {%- do statements.append(parquet_view(relation, path)) -%}
        {%- endfor -%}
        {%- do run_query(statements | join("; ")) -%}
        {%- do adapter.commit() -%}
    {%- endif -%}
{% endmacro %}
