with mentions as (
    select * from {{ ref('stg_pipeline__feedback_topics') }}
),

grades as (
    select * from {{ ref('customer_grades') }}
),

topics as (
    select * from {{ ref('stg_rules__topics') }}
),

run as (
    select * from {{ ref('stg_rules__run') }}
),

recent as (
    select
        mentions.customer_id,
        mentions.topic,
        mentions.is_problem,
        grades.grade,
        case when {{ days_between('mentions.said_on', 'run.as_of') }} < 90 then 'now' else 'before' end as span
    from mentions
    cross join run
    inner join grades on mentions.customer_id = grades.customer_id
    where {{ days_between('mentions.said_on', 'run.as_of') }} < 180
),

-- Each thing said counts for its grade and for all.
of_grades as (
    select * from recent
    union all
    select
        customer_id,
        topic,
        is_problem,
        'total' as grade,
        span
    from recent
),

speakers as (
    select
        grade,
        count(distinct case when span = 'now' then customer_id end) as speaker_count_90d,
        count(distinct case when span = 'before' then customer_id end) as speaker_count_previous_90d
    from of_grades
    group by grade
),

counted as (
    select
        topic,
        grade,
        count(distinct case when span = 'now' then customer_id end) as person_count_90d,
        count(case when span = 'now' then 1 end) as mention_count_90d,
        count(distinct case when span = 'now' and is_problem then customer_id end) as problem_person_count_90d,
        count(case when span = 'now' and is_problem then 1 end) as problem_mention_count_90d,
        count(distinct case when span = 'before' then customer_id end) as person_count_previous_90d,
        count(case when span = 'before' then 1 end) as mention_count_previous_90d,
        count(distinct case when span = 'before' and is_problem then customer_id end)
            as problem_person_count_previous_90d
    from of_grades
    group by topic, grade
),

shares as (
    select
        counted.topic,
        counted.grade,
        run.as_of,
        topics.label,
        topics.label_zh,
        speakers.speaker_count_90d,
        counted.person_count_90d,
        counted.mention_count_90d,
        {{ share('counted.person_count_90d', 'speakers.speaker_count_90d') }} as person_rate_90d,
        counted.problem_person_count_90d,
        counted.problem_mention_count_90d,
        {{ share('counted.problem_person_count_90d', 'speakers.speaker_count_90d') }} as problem_person_rate_90d,
        case
            when counted.problem_person_count_90d = 0 then null
            when
                counted.problem_person_count_90d >= run.shared_min_persons
                and {{ share('counted.problem_person_count_90d', 'speakers.speaker_count_90d') }}
                >= run.shared_min_share
                then 'shared'
            else 'individual'
        end as problem_scope,
        speakers.speaker_count_previous_90d,
        counted.person_count_previous_90d,
        counted.mention_count_previous_90d,
        {{ share('counted.person_count_previous_90d', 'speakers.speaker_count_previous_90d') }}
            as person_rate_previous_90d,
        counted.problem_person_count_previous_90d,
        {{ share('counted.problem_person_count_previous_90d', 'speakers.speaker_count_previous_90d') }}
            as problem_person_rate_previous_90d
    from counted
    cross join run
    inner join speakers on counted.grade = speakers.grade
    inner join topics on counted.topic = topics.topic
)

select * from shares
order by topic, grade
