select
    grade,
    vip_band
from {{ ref('customer_grades') }}
where vip_band is not null and grade not in ('A', 'B')
