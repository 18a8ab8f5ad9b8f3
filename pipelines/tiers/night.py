"""Grades of one night: measures, edges, and both ladders moved by the policy."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date

import polars as pl

from pipelines.rules.influence import Influence
from pipelines.rules.tiers import PERCENTILE, Tiers
from pipelines.tiers.edges import (
    Cause,
    CutOffs,
    Edges,
    digest_rules,
    find_cut_offs,
    missing_measures,
    take_scales,
    why_take,
)
from pipelines.tiers.ladders import Track, tracks_of
from pipelines.tiers.memory import carry_standing
from pipelines.tiers.policy import move
from pipelines.tiers.values import (
    PEER_GROUPS,
    PERCENTILES,
    Scales,
    add_value_score,
    add_vip_score,
    average_customer,
    measure_customers,
    rank_measures,
    rates_of,
)


@dataclass(frozen=True)
class Facts:
    """What is known tonight.

    customers: the columns `READ` of `customer_360`.
    scores: customer_id, clv_365d_amount.
    aliases: `customer_aliases`.
    overrides: customer_id, grade, vip_band and until of customers set by hand.
    """

    customers: pl.DataFrame
    scores: pl.DataFrame
    aliases: pl.DataFrame
    overrides: pl.DataFrame


@dataclass(frozen=True)
class Memory:
    """What the last night left: edges by peer group, and where everybody stood."""

    edges: Mapping[str, Edges]
    standing: pl.DataFrame


@dataclass(frozen=True)
class Graded:
    """A night's grades.

    values: one row per customer: measures, percentiles, value_score, value_percentile, vip_score.
    standing: one row per customer and ladder (grade, vip_band): what `move` returns, level,
        level_before, next_level, percentile and next_percentile (among the peers of the day the
        edges were taken), grace_until_on and review_on.
    edges: by peer group.
    causes: why edges were taken tonight, by peer group; none for a group's first.
    unmoved: peer groups of which nobody was moved, as a measure that counts is missing.
    """

    values: pl.DataFrame
    standing: pl.DataFrame
    edges: dict[str, Edges]
    causes: dict[str, Cause]
    unmoved: tuple[str, ...]


def grade_customers(
    facts: Facts, before: Memory | None, tiers: Tiers, influence: Influence, as_of: date
) -> Graded:
    """Grade everybody, from where the night before left them."""
    edges, causes = _take_edges(facts, before, tiers, influence, as_of)
    taken = [group for group in edges if not before or edges[group] is not before.edges.get(group)]
    averages = dict.fromkeys(PEER_GROUPS, average_customer(facts.customers))
    averages |= {group: own.average for group, own in edges.items()}
    measures = measure_customers(facts.customers, facts.scores, influence, averages)
    unmoved = tuple(
        group
        for group, own in edges.items()
        if missing_measures(own, measures.filter("has_order", peer_group=group))
    )
    values = _value(measures, edges, tiers, as_of)
    edges = _with_scale(edges, taken, values, "value_score")
    values = values.with_columns(
        rates_of(values, "value_score", _scales(edges)).alias("value_percentile")
    )
    known = before.standing if before else None
    grades, bands = tracks_of(tiers)

    def climb(scored: pl.DataFrame, track: Track) -> pl.DataFrame:
        by_hand = facts.overrides.filter(pl.col(track.name).is_not_null(), pl.col("until") >= as_of)
        tonight = scored.select(
            "customer_id", "peer_group", "refunded", "has_order", track.score,
            score=pl.when("has_order").then(track.score),
            is_comparable=~pl.col("peer_group").is_in(unmoved),
        ).join(
            by_hand.select("customer_id", override=track.name, override_until_on="until"),
            on="customer_id", how="left",
        )  # fmt: skip
        standing = move(
            tonight, carry_standing(known, facts.aliases, track.ladder), track.ladder,
            _cut_offs(edges, track), causes, tiers.policy, as_of,
        )  # fmt: skip
        return _tell(standing, scored, track, edges, tiers, as_of)

    graded = climb(values, grades)
    is_vip = graded.select("customer_id", is_vip=pl.col("level").is_in(tiers.vip_grades))
    vips = values.join(is_vip, on="customer_id", maintain_order="left").with_columns(
        has_order=pl.col("has_order") & pl.col("is_vip")
    )
    edges = _with_scale(edges, taken, vips, "vip_score")
    standing = pl.concat([graded, climb(vips, bands)]).sort("customer_id", "ladder")
    return Graded(values, standing, edges, causes, unmoved)


def _take_edges(
    facts: Facts, before: Memory | None, tiers: Tiers, influence: Influence, as_of: date
) -> tuple[dict[str, Edges], dict[str, Cause]]:
    """The edges that hold tonight; those taken tonight hold no scores yet."""
    digest = digest_rules(tiers, influence)
    edges = dict(before.edges) if before else {}
    average = average_customer(facts.customers)
    averages = dict.fromkeys(PEER_GROUPS, average)
    measures = measure_customers(facts.customers, facts.scores, influence, averages)
    causes: dict[str, Cause] = {}
    for group in PEER_GROUPS:
        buyers = measures.filter("has_order", peer_group=group)
        if buyers.is_empty():
            continue
        if group in edges:
            cause = why_take(edges[group], buyers, digest, tiers.policy, as_of)
            if cause is None:
                continue
            causes[group] = cause
        edges[group] = Edges(
            taken_on=as_of, period_on=tiers.policy.period_of(as_of), rules_digest=digest,
            customer_count=buyers.height, average=average,
            scales=take_scales(buyers, tuple(PERCENTILES)),
        )  # fmt: skip
    return edges, causes


def _value(
    measures: pl.DataFrame, edges: Mapping[str, Edges], tiers: Tiers, as_of: date
) -> pl.DataFrame:
    days = {group: (as_of - own.taken_on).days for group, own in edges.items()}
    ranked = rank_measures(measures, _scales(edges), days)
    scored = add_vip_score(add_value_score(ranked, tiers.weights), tiers.vip_weights)
    # A predicted value that is new since the review is told, but does not count before the next.
    new = {
        group: take_scales(measures.filter("has_order", peer_group=group), ("clv_365d",))
        for group, own in edges.items()
        if "clv_365d" not in own.scales
    }
    told = rates_of(measures, "clv_365d", new)
    return scored.with_columns(clv_percentile=pl.coalesce("clv_percentile", told))


def _with_scale(
    edges: Mapping[str, Edges], taken: list[str], scored: pl.DataFrame, name: str
) -> dict[str, Edges]:
    """Edges taken tonight get the scale of a score, too."""
    result = dict(edges)
    for group in taken:
        scale = take_scales(scored.filter("has_order", peer_group=group), (name,))
        result[group] = replace(edges[group], scales={**edges[group].scales, **scale})
    return result


def _scales(edges: Mapping[str, Edges]) -> dict[str, Scales]:
    return {group: own.scales for group, own in edges.items()}


def _cut_offs(edges: Mapping[str, Edges], track: Track) -> dict[str, CutOffs]:
    return {
        group: find_cut_offs(own.scales, track.cuts, track.cut_by, track.score)
        for group, own in edges.items()
    }


def _tell(
    standing: pl.DataFrame,
    scored: pl.DataFrame,
    track: Track,
    edges: Mapping[str, Edges],
    tiers: Tiers,
    as_of: date,
) -> pl.DataFrame:
    """Names of levels, percentiles and dates beside where everybody stands."""
    levels = pl.Series(track.ladder.levels, dtype=pl.String)

    def named(rank: pl.Expr) -> pl.Expr:
        return pl.lit(levels.implode()).list.get(rank, null_on_oob=True)

    scales = _scales(edges)
    percentile = rates_of(scored, track.score, scales)
    told = standing.with_columns(
        ladder=pl.lit(track.name),
        level=named(pl.col("shown")),
        earned_level=named(pl.col("rank")),
        level_before=named(pl.col("shown_before")),
        next_level=named(pl.col("shown") + 1),
        percentile=percentile,
        grace_until_on=pl.col("warned_on") + pl.duration(days=tiers.policy.grace_days),
        review_on=tiers.policy.next_review(as_of),
    )
    if track.cut_by == PERCENTILE:
        limits = pl.Series([cut.min_percentile for cut in reversed(track.cuts)], dtype=pl.Float64)
        beyond = pl.lit(limits.implode()).list.get(pl.col("shown"), null_on_oob=True)
        return told.with_columns(next_percentile=beyond)
    cut = told.select("peer_group", pl.lit(True).alias("has_order"),
                      pl.col("next_cut_score").alias(track.score))  # fmt: skip
    return told.with_columns(rates_of(cut, track.score, scales).alias("next_percentile"))
