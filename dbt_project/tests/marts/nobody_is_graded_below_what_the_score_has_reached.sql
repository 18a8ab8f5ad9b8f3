-- A rise waits for nothing but a hold, where the rules raise a step at a time, or a grade set by hand.
select
    customer_id,
    grade,
    grade_score,
    next_grade_cut_score
from {{ ref('customer_grades') }}
where
    grade_score >= next_grade_cut_score
    and grade_held_until_on is null
    and grade_override_until_on is null
