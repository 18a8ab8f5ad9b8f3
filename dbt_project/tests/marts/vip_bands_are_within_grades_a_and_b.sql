select
    grade,
    vip_band
from {{ ref('customer_grades') }}
where vip_band is not null and vip_band_override_until_on is null and grade not in ('A', 'B')
