with customers as (
    select * from {{ ref('customer_360') }}
),

rfm as (
    select * from {{ ref('customer_rfm') }}
),

lifecycle as (
    select * from {{ ref('customer_lifecycle') }}
),

guessed as (
    select * from {{ ref('int_preferences_merged_to_customers') }}
),

traits as (
    select * from {{ ref('int_traits_banded_to_customers') }}
    where band is not null
),

household_bands as (
    select * from {{ ref('stg_rules__household_size_bands') }}
),

labels as (
    select * from {{ ref('stg_rules__segment_labels') }}
),

sized as (
    select
        customers.customer_id,
        household_bands.household_size_band
    from customers
    inner join household_bands
        on
            customers.household_size >= household_bands.min_size
            and (household_bands.max_size is null or customers.household_size <= household_bands.max_size)
),

-- What is stated or seen, and called as the rules say or else as it is.
told as (
    {% for dimension, column in [
        ('kind', 'kind'), ('gender', 'gender'), ('age_band', 'age_band'), ('country', 'country_code'),
        ('city', 'city'), ('language', 'language'), ('income_band', 'income_band'),
        ('occupation', 'occupation'), ('industry', 'industry'),
    ] -%}
    select
        customer_id,
        'demographic' as scheme,
        '{{ dimension }}' as dimension,
        {{ column }} as segment
    from customers

    union all

    {% endfor -%}
    select
        customer_id,
        'demographic' as scheme,
        'household_size' as dimension,
        household_size_band as segment
    from sized

    union all

    select
        customer_id,
        'behavioural' as scheme,
        'order_channel' as dimension,
        preferred_order_channel as segment
    from customers
    where not is_profiling_refused

    union all

    select
        customer_id,
        'psychographic' as scheme,
        'contact_channel' as dimension,
        preferred_contact_channel as segment
    from guessed

    {% for place in ['top', 'second', 'third'] -%}
    union all

    select
        customer_id,
        'psychographic' as scheme,
        'interest' as dimension,
        {{ place }}_interest as segment
    from guessed

    {% endfor -%}
),

called as (
    select
        told.customer_id,
        told.scheme,
        told.dimension,
        coalesce(labels.segment, told.segment) as segment,
        coalesce(labels.label, told.segment) as label,
        coalesce(labels.label_zh, told.segment) as label_zh
    from told
    left join labels on told.dimension = labels.dimension and lower(told.segment) = labels.segment
    where told.segment is not null
),

-- To judge somebody by what they did is profiling: nobody who refused it is judged.
judged as (
    select
        rfm.customer_id,
        'behavioural' as scheme,
        'rfm_group' as dimension,
        rfm.rfm_group as segment,
        rfm.rfm_group_label as label,
        rfm.rfm_group_label_zh as label_zh
    from rfm
    inner join customers on rfm.customer_id = customers.customer_id
    where not customers.is_profiling_refused

    union all

    select
        lifecycle.customer_id,
        'behavioural' as scheme,
        'lifecycle_stage' as dimension,
        lifecycle.lifecycle_stage as segment,
        lifecycle.lifecycle_stage_label as label,
        lifecycle.lifecycle_stage_label_zh as label_zh
    from lifecycle
    inner join customers on lifecycle.customer_id = customers.customer_id
    where not customers.is_profiling_refused

    union all

    select
        customer_id,
        'psychographic' as scheme,
        trait as dimension,
        band as segment,
        label,
        label_zh
    from traits
),

united as (
    select * from called
    union all
    select * from judged
),

segments as (
    select
        united.customer_id,
        customers.as_of,
        united.scheme,
        united.dimension,
        united.segment,
        united.label,
        united.label_zh
    from united
    inner join customers on united.customer_id = customers.customer_id
)

select * from segments
order by customer_id, dimension, segment
