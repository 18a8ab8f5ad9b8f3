{#-
Every model is one Parquet file of the run: `<run>/models/<model>.parquet`.

dbt-duckdb's own `external` keeps an empty model as one row of nulls, which a later call cannot tell
from data, and holds the whole model in memory first. This streams the query into the file, empty or
not, and then checks the contract: names and types by dbt, not-null and primary keys here.
-#}
{% macro model_file(name) %}{{ return((env_var('C360_RUN') | replace("'", "''")) ~ '/models/' ~ name ~ '.parquet') }}{% endmacro %}

{% materialization parquet, adapter="duckdb" %}
    {%- set location = model_file(this.name) -%}
    {%- set query = sql -%}
    {%- if config.get('contract').enforced -%}
        {%- do get_assert_columns_equivalent(sql) -%}
        {#- In the order of its key: one night has one file, and nobody sorts it in memory later. -#}
        {%- set query = get_select_subquery(sql) ~ " order by " ~ config.get('meta')['key'] | join(", ") -%}
    {%- endif -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {% call statement('main') -%}
        copy (
            {{ query }}
        ) to '{{ location }}' (format parquet, compression zstd)
    {%- endcall %}
    {% do create_schema(this.without_identifier()) %}
    {% do run_query(parquet_view(this, location)) %}
    {% do check_constraints(this, model) %}
    {% do adapter.commit() %}
    {{ run_hooks(post_hooks, inside_transaction=False) }}

    {{ return({'relations': [this.incorporate(type='view')]}) }}
{% endmaterialization %}

{% macro parquet_view(relation, location) %}{{ return("create or replace view " ~ relation ~ " as select * from read_parquet('" ~ location ~ "')") }}{% endmacro %}

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

{#- A later call of dbt finds what earlier calls of this run wrote. -#}
{% macro register_models_of_this_run() %}
    {%- if execute -%}
        {%- set written = run_query("select parse_filename(file, true) from glob('" ~ model_file('*') ~ "')").columns[0].values() -%}
        {%- set statements = [] -%}
        {%- for node in graph['nodes'].values() if node.resource_type == 'model' and node.unique_id not in selected_resources -%}
            {%- if node.name in written -%}
                {%- set relation = api.Relation.create(database=node.database, schema=node.schema, identifier=node.alias) -%}
                {%- do statements.append("create schema if not exists " ~ relation.without_identifier()) -%}
                {%- do statements.append(parquet_view(relation, model_file(node.name))) -%}
            {%- endif -%}
        {%- endfor -%}
        {#- All at once: asking one by one takes longer than what is asked. -#}
        {%- if statements -%}{%- do run_query(statements | join("; ")) -%}{%- endif -%}
        {%- do adapter.commit() -%}
    {%- endif -%}
{% endmacro %}
