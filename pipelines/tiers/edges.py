"""What grades are measured against, frozen at each review: nobody moves because others did.

At a review the distribution of every measure among the peers is taken, and stands until the next
one. Percentiles, scores and cut-offs of all nights between follow from these tables alone.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

import polars as pl

from pipelines.rules.influence import Influence
from pipelines.rules.tiers import PERCENTILE, Cut, Policy, Tiers
from pipelines.tiers.scale import Scale, read_scale, scale_rows, take_scale
from pipelines.tiers.values import PERCENTILES, Scales

Cause = Literal["review", "rules_changed", "base_grew"]
AVERAGE = "average_customer"
SCORES = ("value_score", "vip_score")
FACTS = {
    "taken_on": pl.Date(), "period_on": pl.Date(), "rules_digest": pl.String(),
    "customer_count": pl.Int64(),
}  # fmt: skip
EDGES = pl.Schema(
    {"peer_group": pl.String(), "measure": pl.String(), "value": pl.Float64(),
     "below_rate": pl.Float64(), "upto_rate": pl.Float64(), **FACTS}
)  # fmt: skip
CutOffs = tuple[float | None, ...]


@dataclass(frozen=True)
class Edges:
    """The frozen distributions of a peer group.

    taken_on: the night they are of.
    period_on: first day of its review period.
    rules_digest: of the rules that they follow from.
    customer_count: buyers of the group that night.
    average: yearly net revenue of an average customer that night.
    scales: by measure, scores among them.
    """

    taken_on: date
    period_on: date
    rules_digest: str
    customer_count: int
    average: float | None
    scales: Scales


def find_cut_offs(scales: Scales, cuts: Sequence[Cut], cut_by: str, score: str) -> CutOffs:
    """The score at which each level above the lowest begins, from the lowest of them up.

    None where a level is out of reach, as the best 5 % of three companies are.
    """
    if cut_by != PERCENTILE:
        return tuple(cut.min_value for cut in reversed(cuts))
    scale = scales.get(score)
    if scale is None:
        return (None,) * len(cuts)
    return tuple(scale.cut_at(cut.min_percentile or 0) for cut in reversed(cuts))


def digest_rules(tiers: Tiers, influence: Influence) -> str:
    """A digest of the rules that edges depend on: what is measured, its weights, and the cuts."""
    kept = {"weights", "cut_by", "grades", "vip_grades", "vip_weights", "vip_cut_by", "vip_bands"}
    told = tiers.model_dump(mode="json", include=kept)
    for cut in (*told["grades"], *told["vip_bands"]):
        del cut["label"], cut["label_zh"]
    told["influence"] = influence.model_dump(mode="json")
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:12]


def why_take(
    edges: Edges, buyers: pl.DataFrame, digest: str, policy: Policy, as_of: date
) -> Cause | None:
    """Why edges are to be taken anew tonight; None while they stand.

    A review waits, but not longer than a grace, while nobody has a measure that counted so far, as
    on a night without scores.

    Args:
        edges: those of the nights before.
        buyers: the group's measures tonight, of customers with an order.
        digest: of tonight's rules.
        policy: when reviews are.
        as_of: the run date.
    """
    if edges.rules_digest != digest:
        return "rules_changed"
    period = policy.period_of(as_of)
    if edges.period_on != period:
        waits = missing_measures(edges, buyers) and as_of < period + timedelta(policy.grace_days)
        return None if waits else "review"
    grew = buyers.height > edges.customer_count
    return "base_grew" if grew and buyers.height >= policy.regrow * edges.customer_count else None


def missing_measures(edges: Edges, buyers: pl.DataFrame) -> list[str]:
    """What the edges count and nobody has tonight."""
    return [
        name
        for name in PERCENTILES
        if name in edges.scales and buyers[name].null_count() == buyers.height
    ]


def take_scales(buyers: pl.DataFrame, names: Sequence[str]) -> dict[str, Scale]:
    """The distributions of columns, without those that nobody has."""
    taken = {name: take_scale(buyers[name]) for name in names}
    return {name: scale for name, scale in taken.items() if scale is not None}


def write_edges(edges: Mapping[str, Edges]) -> pl.DataFrame:
    """Edges by peer group as rows, for the next night."""
    parts = [pl.DataFrame(schema=EDGES)]
    for group, own in edges.items():
        facts = {"peer_group": group} | {name: getattr(own, name) for name in FACTS}
        average = {"measure": AVERAGE, "value": own.average, "below_rate": 0.0, "upto_rate": 1.0}
        parts.append(pl.DataFrame([facts | average], schema=EDGES))
        for name, scale in own.scales.items():
            parts.append(scale_rows(scale, measure=name, **facts).select(EDGES.names()).cast(EDGES))
    return pl.concat(parts).sort("peer_group", "measure", "value")


def read_edges(rows: pl.DataFrame) -> dict[str, Edges]:
    """Edges by peer group from the rows that a night before wrote."""
    edges = {}
    for whole in rows.filter(measure=AVERAGE).sort("peer_group").to_dicts():
        group = whole["peer_group"]
        own = rows.filter(pl.col("measure") != AVERAGE, peer_group=group)
        scales = own.partition_by("measure", as_dict=True)
        edges[group] = Edges(
            **{name: whole[name] for name in FACTS},
            average=whole["value"],
            scales={str(name): read_scale(part) for (name,), part in scales.items()},
        )
    return edges
