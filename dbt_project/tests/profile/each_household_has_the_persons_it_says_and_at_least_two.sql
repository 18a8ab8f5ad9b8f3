with households as (
    select
        household_id,
        count(*) as person_count,
        min(member_count) as fewest,
        max(member_count) as most,
        max(case when household_id = concat('h-', customer_id) then 1 else 0 end) as has_its_oldest
    from {{ ref('customer_households') }}
    group by household_id
),

wrong as (
    select household_id from households
    where person_count < 2 or fewest <> person_count or most <> person_count or has_its_oldest = 0
)

select * from wrong
