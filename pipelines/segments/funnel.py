"""What becomes of everybody whom a list's condition finds: one decision each, with the reason.

In this order, and each customer of a list falls out at the first that holds:

    suppressed      never written to, or not for this: erased, under age, opted out, bounced …
    no_consent      nothing allows this channel for this purpose
    lower_priority  on, or held out of, a list of the same channel with a higher priority
    capped          contacted too often of late
    over_limit      the places are taken by those before
    list_too_small  too few are left for the list to go out
    list_kept       a breaker kept tonight's list back, and the last one, which stands, has them not
    holdout         would be on the list, but is held out to compare with
    on_list         on the list

A list that is not refreshed tonight, or is kept, still has what was decided last of who is not on
it.

Holdout comes last, so that those held out are those who would have been on the list, and differ
from those who are by chance alone. Who is held out of a list takes its place all the same: on
another list of that channel instead, they would be no measure of getting nothing.
"""

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import date

import polars as pl

from pipelines.rules.segments import NO_CHANNEL, Refresh, Segment, Segments
from pipelines.segments.condition import Condition, read_conditions
from pipelines.segments.holdout import GLOBALLY, TREATED, draw_roles
from pipelines.segments.judgements import PROFILING
from pipelines.segments.reasons import named_columns

SUPPRESSED, NO_CONSENT, LOWER_PRIORITY = "suppressed", "no_consent", "lower_priority"
CAPPED, OVER_LIMIT, TOO_SMALL = "capped", "over_limit", "list_too_small"
KEPT, HOLDOUT, ON_LIST = "list_kept", "holdout", "on_list"
WITHDRAWN = "withdrawn"  # of suppressed: said no to this channel and purpose
DECISIONS = (
    SUPPRESSED, NO_CONSENT, LOWER_PRIORITY, CAPPED, OVER_LIMIT, TOO_SMALL, KEPT, HOLDOUT,
    ON_LIST,
)  # fmt: skip
DECISION = {
    "list": pl.String(), "version": pl.Int64(), "customer_id": pl.String(),
    "decision": pl.String(), "detail": pl.String(), "is_on_list": pl.Boolean(),
    "decided_on": pl.Date(),
}  # fmt: skip
KEY = ["customer_id"]
SUPPRESSING = (
    "suppressed_because", "is_email_bounced", "is_email_complained", "has_open_complaint",
    "is_profiling_refused",
)  # fmt: skip
NOBODY = pl.DataFrame(schema={"customer_id": pl.String, "placed_on": pl.String})
# Of a list that must not go out as it is tonight, the last one that did: customer_id, may_write
# (whether the contact point that stands there may be used tonight); else None.
Keep = Callable[["Segment", pl.DataFrame], pl.DataFrame | None]


@dataclass(frozen=True)
class Members:
    """Who was on which list on the last night, or held out of it, and what was decided of others.

    lists: names and versions, also of empty lists, each with the night of its last refresh.
    rows: list, version, customer_id as of tonight.
    others: DECISION of those who were neither on the list nor held out, as of tonight.
    """

    released_on: date | None = None
    lists: Mapping[tuple[str, int], date] = field(default_factory=dict)
    rows: pl.DataFrame = field(
        default_factory=lambda: pl.DataFrame(
            schema={"list": pl.String, "version": pl.Int64, "customer_id": pl.String}
        )
    )
    others: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=DECISION))
    # Lists that were kept back then, and the day that they are of: they are refreshed since then.
    kept_from: Mapping[str, date] = field(default_factory=dict)

    def of(self, segment: Segment) -> pl.DataFrame:
        """customer_id of those of a list, if it is still of this version."""
        return self.rows.filter(_is_of(segment)).select("customer_id").unique()

    def refreshed_on(self, segment: Segment, as_of: date) -> date:
        """The night that last took new customers in; tonight where the list is refreshed."""
        last = self.lists.get((segment.name, segment.version))
        since = self.kept_from.get(segment.name, self.released_on)
        if last is None or is_refreshed(segment.refresh, as_of, since):
            return as_of
        return last


@dataclass(frozen=True)
class Night:
    """What one night knows of the customers.

    audience: the audience mart, prepared for the conditions of all lists.
    allowed: customer_id, channel, purpose with consent; None if no source states any consent:
        then only who refused is kept off.
    refused: customer_id, channel (may be `any`), purpose.
    capped: customer_id, channel, detail.
    """

    as_of: date
    audience: pl.DataFrame
    allowed: pl.DataFrame | None
    refused: pl.DataFrame
    capped: pl.DataFrame
    members: Members = field(default_factory=Members)


def decide_lists(
    night: Night, rules: Segments, keep: Keep = lambda segment, decided: None
) -> pl.DataFrame:
    """Decide for every list and customer whom its condition is true for.

    Of a list that is not refreshed tonight, those who are on it are decided anew: suppression,
    consent, caps and priority act at once. Of all others the last refresh's decision is kept.
    `keep` is asked of each list, and one that is kept takes nobody new either: lists of a lower
    priority are decided by who is on that.

    Returns:
        DECISION; of each list best first, what is kept last. detail says which suppression, list,
        cap or holdout; null where there is nothing to add. decided_on is before tonight where the
        decision is kept.
    """
    conditions = read_conditions(rules.segments, night.audience.schema)
    placed: dict[str, pl.DataFrame] = {}
    decided: dict[str, pl.DataFrame] = {}
    for segment in rules.by_priority:
        before = placed.get(segment.channel, NOBODY)
        condition = conditions[segment.name]
        rows = decide_list(night, segment, condition, rules, before)
        if (last := keep(segment, rows)) is not None:
            rows = _keep(decide_list(night, segment, condition, rules, before, last), last, rows)
        decided[segment.name] = rows
        if segment.channel != NO_CHANNEL:
            taken = rows.filter(pl.col("decision").is_in([ON_LIST, HOLDOUT]))
            here = taken.select("customer_id", placed_on="list")
            placed[segment.channel] = pl.concat([before, here])
    in_order = [decided[segment.name] for segment in rules.segments]
    return pl.concat(in_order) if in_order else pl.DataFrame(schema=DECISION)


def decide_list(
    night: Night,
    segment: Segment,
    condition: Condition,
    rules: Segments,
    placed: pl.DataFrame = NOBODY,
    last: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Decide for one list, by its condition; or, if it is kept, for those of the last one.

    Args:
        night: what is known of the customers.
        segment: the list.
        condition: its condition.
        rules: all lists.
        placed: customer_id and placed_on: who is on lists of its channel that go before it.
        last: the list that stays, as of `Keep`.
    """
    columns = condition.columns | named_columns(segment)
    members = night.members.of(segment)
    capped = night.capped.filter(pl.col("channel") == segment.channel).select(*KEY, cap="detail")
    stays = pl.col("is_member") if segment.sent == "on_entry" else pl.lit(value=False)
    judged = (
        _find(night, segment, condition, members, is_kept=last is not None)
        .pipe(_ask_consent, night, segment)
        .pipe(_ask_address, last)
        .join(members.with_columns(is_member=True), on=KEY, how="left", maintain_order="left")
        .with_columns(pl.col("is_member").fill_null(value=False))
        .join(placed, on=KEY, how="left", maintain_order="left")
        .join(capped, on=KEY, how="left", maintain_order="left")
        .with_columns(
            suppressed_because(segment, columns, pl.col("is_refused")).alias("suppressed")
        )
    )
    decision, detail = _first(
        (SUPPRESSED, pl.col("suppressed").is_not_null(), pl.col("suppressed")),
        (NO_CONSENT, ~pl.col("is_allowed"), pl.lit(None, pl.String)),
        (LOWER_PRIORITY, pl.col("placed_on").is_not_null(), pl.col("placed_on")),
        (CAPPED, pl.col("cap").is_not_null() & ~stays, pl.col("cap")),
    )
    decided = judged.select("customer_id", decision=decision, detail=detail)
    left = decided.filter(pl.col("decision").is_null()).select("customer_id")
    settled = _settle(left.with_columns(draw_roles(left["customer_id"], segment, rules)), segment)
    whole = (
        decided.join(settled, on=KEY, how="left", maintain_order="left", suffix="_then")
        .with_columns(
            pl.coalesce("decision", "decision_then").alias("decision"),
            pl.coalesce("detail", "detail_then").alias("detail"),
            pl.lit(segment.name).alias("list"),
            pl.lit(segment.version, pl.Int64).alias("version"),
            pl.lit(night.as_of, pl.Date).alias("decided_on"),
        )
        .with_columns((pl.col("decision") == ON_LIST).alias("is_on_list"))
    ).select(*DECISION)
    known = _kept(night, segment, is_kept=last is not None)
    return pl.concat([whole, known.join(whole, on=KEY, how="anti")])


def is_refreshed(refresh: Refresh, as_of: date, released_on: date | None) -> bool:
    """Whether a list takes new customers in tonight.

    The first night of a week or month that there is; a night that fails is made up for.
    """
    if refresh == "nightly" or released_on is None:
        return True
    if refresh == "weekly":
        return as_of.isocalendar()[:2] != released_on.isocalendar()[:2]
    return (as_of.year, as_of.month) != (released_on.year, released_on.month)


def suppressed_because(segment: Segment, columns: AbstractSet[str], is_refused: pl.Expr) -> pl.Expr:
    """Why a list may not have a customer; null if it may.

    Args:
        segment: the list.
        columns: what its condition reads and it shows; whoever refused profiling is on no list by
            a judgement.
        is_refused: whether the customer said no to this channel and purpose.

    Returns:
        An expression over the audience.
    """
    by_mail = pl.lit(segment.channel == "email")
    is_promotion = pl.lit(segment.purpose == "marketing")
    by_judgement = pl.lit(bool(columns & PROFILING))
    # What is not known speaks against it.
    bounced, complained, open_complaint, refused = (
        pl.col(name).fill_null(value=True) for name in SUPPRESSING[1:]
    )
    return pl.coalesce(
        "suppressed_because",
        pl.when(is_refused).then(pl.lit(WITHDRAWN)),
        pl.when(by_mail & bounced).then(pl.lit("hard_bounce")),
        pl.when(by_mail & complained).then(pl.lit("complained")),
        pl.when(is_promotion & open_complaint).then(pl.lit("open_complaint")),
        pl.when(by_judgement & refused).then(pl.lit("profiling_refused")),
    )


def _find(
    night: Night, segment: Segment, condition: Condition, members: pl.DataFrame, *, is_kept: bool
) -> pl.DataFrame:
    """Those whom the condition is true for, or who stay until the next refresh; best first."""
    order = segment.order_by.removesuffix(" desc")
    if is_kept or night.members.refreshed_on(segment, night.as_of) < night.as_of:
        found = night.audience.join(members, on=KEY, how="semi")
    else:
        found = condition.match(night.audience)
    read = found.select(sorted({*KEY, order, *SUPPRESSING}))
    return sort_best_first(read, segment).select(*KEY, *SUPPRESSING)


def _kept(night: Night, segment: Segment, *, is_kept: bool) -> pl.DataFrame:
    """What was decided last of those who are not on the list; none if it is made anew tonight.

    Whom a breaker had held back is decided anew: the last list was not for them.
    """
    here = night.members.others.filter(_is_of(segment))
    if night.members.refreshed_on(segment, night.as_of) == night.as_of:
        here = here.filter(pl.col("decision") != KEPT) if is_kept else here.clear()
    return here.join(night.audience, on=KEY, how="semi").sort(KEY).select(*DECISION)


def _is_of(segment: Segment) -> pl.Expr:
    return (pl.col("list") == segment.name) & (pl.col("version") == segment.version)


def sort_best_first(rows: pl.DataFrame, segment: Segment) -> pl.DataFrame:
    """By the list's order, what is missing last; of equals, by id."""
    descending = segment.order_by.endswith(" desc")
    return rows.sort(
        segment.order_by.removesuffix(" desc"),
        "customer_id",
        descending=[descending, False],
        nulls_last=True,
    )


def _ask_consent(found: pl.DataFrame, night: Night, segment: Segment) -> pl.DataFrame:
    """Adds is_allowed and is_refused; a list without a channel needs no consent."""
    if segment.channel == NO_CHANNEL:
        return found.with_columns(is_allowed=pl.lit(value=True), is_refused=pl.lit(value=False))
    for_this = pl.col("purpose") == segment.purpose
    here = pl.col("channel").is_in([segment.channel, "any"]) & for_this
    refused = night.refused.filter(here).select(KEY).unique().with_columns(is_refused=True)
    if night.allowed is None:
        allowed = found.select(KEY).with_columns(is_allowed=True)
    else:
        this = (pl.col("channel") == segment.channel) & for_this
        allowed = night.allowed.filter(this).select(KEY).unique().with_columns(is_allowed=True)
        refused = refused.join(allowed, on=KEY, how="anti")  # another address may be written to
    for told in (allowed, refused):
        found = found.join(told, on=KEY, how="left", maintain_order="left")
    return found.with_columns(pl.col("is_allowed", "is_refused").fill_null(value=False))


def _ask_address(found: pl.DataFrame, last: pl.DataFrame | None) -> pl.DataFrame:
    """Of a list that is kept: the consent must be for the contact point that stands there."""
    if last is None:
        return found
    unusable = last.filter(~pl.col("may_write"))["customer_id"].implode()
    return found.with_columns(
        is_allowed=pl.col("is_allowed") & ~pl.col("customer_id").is_in(unusable)
    )


def _keep(kept: pl.DataFrame, last: pl.DataFrame, tonight: pl.DataFrame) -> pl.DataFrame:
    """Decisions of a list that is kept: of those whom the last one found, and of all others."""
    is_for = ~pl.col("decision").is_in([SUPPRESSED, NO_CONSENT])
    has_row = pl.col("customer_id").is_in(last["customer_id"].implode())
    rest = pl.concat(
        [
            kept.filter((pl.col("decision") == ON_LIST) & ~has_row),
            tonight.join(kept, on=KEY, how="anti"),
        ]
    ).with_columns(
        decision=pl.when(is_for).then(pl.lit(KEPT)).otherwise("decision"),
        detail=pl.when(is_for).then("decision").otherwise("detail"),
        is_on_list=pl.lit(value=False),
    )
    return pl.concat([kept.join(rest, on=KEY, how="anti", maintain_order="left"), rest])


def _first(*cases: tuple[str, pl.Expr, pl.Expr]) -> tuple[pl.Expr, pl.Expr]:
    """The decision and the detail of the first case that holds."""
    decision = pl.coalesce(pl.when(holds).then(pl.lit(name)) for name, holds, _ in cases)
    detail = pl.lit(None, pl.String)
    for _, holds, told in reversed(cases):
        detail = pl.when(holds).then(told).otherwise(detail)
    return decision, detail


def _settle(left: pl.DataFrame, segment: Segment) -> pl.DataFrame:
    """Who of those left, best first and each with a role, has a place on the list.

    The list is cut where its places are taken; held out are those before the cut only.
    """
    is_treated = pl.col("role") == TREATED
    place = is_treated.cum_sum()
    limit = segment.limit or left.height
    fits = pl.when(is_treated).then(place <= limit).otherwise(place < limit)
    ranked = left.with_columns(fits.alias("fits"))
    too_small = ranked.filter(is_treated & pl.col("fits")).height < segment.min_size
    return ranked.select(
        "customer_id",
        decision=pl.when(~pl.col("fits"))
        .then(pl.lit(OVER_LIMIT))
        .when(pl.lit(too_small))
        .then(pl.lit(TOO_SMALL))
        .when(is_treated)
        .then(pl.lit(ON_LIST))
        .otherwise(pl.lit(HOLDOUT)),
        role="role",
    ).select(
        "customer_id",
        "decision",
        detail=pl.when(pl.col("decision") == HOLDOUT).then(
            pl.when(pl.col("role") == GLOBALLY).then(pl.lit("global")).otherwise(pl.lit("list"))
        ),
    )
