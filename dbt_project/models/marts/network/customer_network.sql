with referral_ties as (
    select * from {{ ref('int_referral_ties') }}
),

households as (
    select * from {{ ref('customer_households') }}
),

contacts as (
    select * from {{ ref('company_contacts') }}
),

companies as (
    select * from {{ ref('customer_companies') }}
    where parent_customer_id is not null
),

erased as (
    select * from {{ ref('int_erased_customers') }}
),

relations as (
    select * from {{ ref('stg_rules__relations') }}
),

run as (
    select * from {{ ref('stg_rules__run') }}
),

-- A tie that somebody stated leads on to a second degree; being of one company or home does not.
stated as (
    select
        referrer_customer_id as customer_id,
        referee_customer_id as tied_customer_id,
        relation,
        relation = 'referral' as is_directed,
        true as is_passable,
        referred_on as since_on,
        source
    from referral_ties

    union all

    select
        customer_id,
        company_customer_id as tied_customer_id,
        'account' as relation,
        true as is_directed,
        false as is_passable,
        since_on,
        source
    from contacts

    union all

    select
        customer_id,
        parent_customer_id as tied_customer_id,
        'parent_company' as relation,
        true as is_directed,
        false as is_passable,
        cast(null as date) as since_on,
        cast(null as varchar) as source
    from companies

    union all

    select
        one.customer_id,
        other.customer_id as tied_customer_id,
        'household' as relation,
        false as is_directed,
        false as is_passable,
        cast(null as date) as since_on,
        cast(null as varchar) as source
    from households as one
    inner join households as other on one.household_id = other.household_id and one.customer_id < other.customer_id
),

-- Each tie from both sides.
sides as (
    select
        customer_id,
        tied_customer_id,
        relation,
        is_passable,
        case when is_directed then true end as is_outgoing,
        since_on,
        source
    from stated

    union all

    select
        tied_customer_id as customer_id,
        customer_id as tied_customer_id,
        relation,
        is_passable,
        case when is_directed then false end as is_outgoing,
        since_on,
        source
    from stated
),

direct as (
    select
        sides.customer_id,
        sides.tied_customer_id,
        sides.relation,
        relations.closeness,
        bool_or(sides.is_passable) as is_passable,
        case when min(sides.is_outgoing) = max(sides.is_outgoing) then min(sides.is_outgoing) end as is_outgoing,
        min(sides.since_on) as since_on,
        {{ first_by('sides.source', ['sides.since_on', 'sides.source']) }} as source
    from sides
    inner join relations on sides.relation = relations.relation
    left join erased as erased_here on sides.customer_id = erased_here.customer_id
    left join erased as erased_there on sides.tied_customer_id = erased_there.customer_id
    where erased_here.customer_id is null and erased_there.customer_id is null
    group by sides.customer_id, sides.tied_customer_id, sides.relation, relations.closeness
),

passable as (
    select * from direct
    where is_passable
),

-- Who has very many ties, as a desk or an influencer, does not tie them to one another.
passages as (
    select passable.customer_id
    from passable
    cross join run
    group by passable.customer_id
    having count(distinct passable.tied_customer_id) <= max(run.max_ties_passed)
),

paths as (
    select
        first_tie.customer_id,
        second_tie.tied_customer_id,
        first_tie.tied_customer_id as via_customer_id,
        first_tie.relation as via_relation,
        second_tie.relation,
        case when first_tie.is_outgoing = second_tie.is_outgoing then second_tie.is_outgoing end as is_outgoing,
        greatest(first_tie.since_on, second_tie.since_on) as since_on,
        second_tie.source,
        row_number() over (
            partition by first_tie.customer_id, second_tie.tied_customer_id
            order by
                first_tie.closeness,
                second_tie.closeness,
                first_tie.tied_customer_id
        ) as path_rank
    from passable as first_tie
    inner join passages on first_tie.tied_customer_id = passages.customer_id
    inner join passable as second_tie on passages.customer_id = second_tie.customer_id
    where first_tie.customer_id <> second_tie.tied_customer_id
),

second_degree as (
    select paths.*
    from paths
    left join direct
        on paths.customer_id = direct.customer_id and paths.tied_customer_id = direct.tied_customer_id
    where paths.path_rank = 1 and direct.customer_id is null
),

ties as (
    select
        customer_id,
        tied_customer_id,
        cast(1 as bigint) as degree,
        relation,
        is_outgoing,
        cast(null as varchar) as via_customer_id,
        cast(null as varchar) as via_relation,
        since_on,
        source
    from direct

    union all

    select
        customer_id,
        tied_customer_id,
        cast(2 as bigint) as degree,
        relation,
        is_outgoing,
        via_customer_id,
        via_relation,
        since_on,
        source
    from second_degree
),

network as (
    select
        ties.customer_id,
        ties.tied_customer_id,
        ties.degree,
        ties.relation,
        relations.label as relation_label,
        relations.label_zh as relation_label_zh,
        relations.closeness,
        ties.is_outgoing,
        ties.via_customer_id,
        ties.via_relation,
        ties.since_on,
        ties.source
    from ties
    inner join relations on ties.relation = relations.relation
)

select * from network
order by customer_id, degree, tied_customer_id, relation
