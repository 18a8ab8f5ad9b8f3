with bounds as (
    select
        grade,
        min(value_score) as lowest_score,
        max(value_score) as highest_score
    from {{ ref('customer_grades') }}
    where value_score is not null
    group by grade
),

overlapping as (
    select
        better.grade as better_grade,
        worse.grade as worse_grade
    from bounds as better
    inner join bounds as worse on better.grade < worse.grade
    where better.lowest_score <= worse.highest_score
)

select * from overlapping
