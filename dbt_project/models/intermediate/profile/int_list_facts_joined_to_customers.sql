with records as (
    select * from {{ ref('int_records_merged_to_customers') }}
),

points as (
    select * from {{ ref('int_contact_points') }}
    where contact_type = 'email'
),

festivals as (
    select * from {{ ref('stg_rules__festivals') }}
),

suppressing_tags as (
    select * from {{ ref('stg_rules__suppressing_tags') }}
),

run as (
    select * from {{ ref('stg_rules__run') }}
),

-- Whoever is born on 29 February is greeted on the 28th in years that have no such day.
aged as (
    select
        records.customer_id,
        run.as_of,
        records.birth_date,
        12 * {{ age_in_years('records.birth_date', 'run.as_of') }} as months_had
    from records
    cross join run
    where records.birth_date <= run.as_of
),

next_birthdays as (
    select
        customer_id,
        as_of,
        {{ months_after('months_had', 'birth_date') }} as this_birthday_on,
        {{ months_after('months_had + 12', 'birth_date') }} as next_birthday_on
    from aged
),

birthdays as (
    select
        customer_id,
        case
            when this_birthday_on = as_of then 0
            else {{ days_between('as_of', 'next_birthday_on') }}
        end as birthday_in_days
    from next_birthdays
),

coming_festivals as (
    select
        festivals.festival,
        festivals.label,
        festivals.label_zh,
        festivals.celebrated_on,
        festivals.country_code,
        {{ days_between('run.as_of', 'festivals.celebrated_on') }} as in_days
    from festivals
    cross join run
    where festivals.celebrated_on > run.as_of
),

countries as (
    select distinct coalesce(country_code, '') as country_code
    from records
),

ranked_festivals as (
    select
        countries.country_code,
        coming_festivals.festival,
        coming_festivals.label,
        coming_festivals.label_zh,
        coming_festivals.celebrated_on,
        coming_festivals.in_days,
        row_number() over (
            partition by countries.country_code
            order by coming_festivals.celebrated_on, coming_festivals.festival
        ) as festival_rank
    from countries
    inner join coming_festivals
        on countries.country_code = coming_festivals.country_code or coming_festivals.country_code = 'any'
),

next_festivals as (
    select * from ranked_festivals
    where festival_rank = 1
),

-- An address that came back for good is none; whoever called one mail spam wants none on another address.
mailboxes as (
    select
        customer_id,
        min(case when is_bounced then 1 else 0 end) = 1 as is_email_bounced,
        max(case when is_complained then 1 else 0 end) = 1 as is_email_complained
    from points
    group by customer_id
),

ranked_tags as (
    select
        records.customer_id,
        suppressing_tags.because,
        row_number() over (
            partition by records.customer_id
            order by suppressing_tags.priority, suppressing_tags.tag
        ) as tag_rank
    from records
    inner join suppressing_tags
        on ', ' || lower(records.tags) || ', ' like '%, ' || suppressing_tags.tag || ', %'
    where records.tags is not null
),

tags as (
    select * from ranked_tags
    where tag_rank = 1
),

joined as (
    select
        records.customer_id,
        birthdays.birthday_in_days,
        next_festivals.festival as next_festival,
        next_festivals.label as next_festival_label,
        next_festivals.label_zh as next_festival_label_zh,
        next_festivals.celebrated_on as next_festival_on,
        next_festivals.in_days as festival_in_days,
        coalesce(mailboxes.is_email_bounced, false) as is_email_bounced,
        coalesce(mailboxes.is_email_complained, false) as is_email_complained,
        tags.because as tagged_because
    from records
    left join birthdays on records.customer_id = birthdays.customer_id
    left join next_festivals on coalesce(records.country_code, '') = next_festivals.country_code
    left join mailboxes on records.customer_id = mailboxes.customer_id
    left join tags on records.customer_id = tags.customer_id
)

select * from joined
