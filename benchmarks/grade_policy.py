"""A year of nights: how often grades change by nightly percentiles, fixed limits, and the policy.

    .venv/bin/python benchmarks/grade_policy.py [CUSTOMERS] [NIGHTS] [--every DAYS] [--one-night N]

Makes customers who order at rates of their own (gamma), with baskets of their own (log-normal), a
season, newcomers and drop-outs, three years of them, and lets the last year pass night by night.
All rules see the same measures: net margin and orders of 365 days, a predicted value, tenure.
Told are changes per customer-year of those graded, the share of customers with four or more, the
most of one customer, and the share of grade A at the end. `--one-night N` times one night of values
and policy for N customers instead.
"""

import argparse
import resource
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np
import polars as pl

from pipelines.rules import find_rules, load_rules
from pipelines.rules.tiers import Policy, Tiers
from pipelines.tiers.edges import Edges, find_cut_offs, take_scales
from pipelines.tiers.ladders import GRADE, tracks_of
from pipelines.tiers.memory import carry_standing
from pipelines.tiers.night import Facts, Memory, grade_customers
from pipelines.tiers.policy import move
from pipelines.tiers.scale import take_scale
from pipelines.tiers.values import PERCENTILES, Scales, add_value_score, rank_measures

FIRST = date(2025, 7, 1)
PAST = 730  # days of orders before the first night
NO_ALIASES = pl.DataFrame(
    schema={"alias_id": pl.String, "customer_id": pl.String, "changed_on": pl.Date,
            "event": pl.String}
)  # fmt: skip
NO_OVERRIDES = pl.DataFrame(
    schema={"customer_id": pl.String, "grade": pl.String, "vip_band": pl.String, "until": pl.Date}
)


class Company:
    """Made-up customers; `night(n)` is what their profile would say after day n of the year."""

    def __init__(self, customers: int, nights: int, seed: int = 7) -> None:
        """Draw everybody's orders."""
        random = np.random.default_rng(seed)
        days = PAST + nights
        self.names = [f"c{number:07d}" for number in range(customers)]
        rate = random.gamma(0.8, 3.5 / 0.8, customers) / 365
        self.basket = random.lognormal(3.4, 0.6, customers)
        born = np.where(random.random(customers) < 0.5, 0, random.integers(0, days, customers))
        gone = born + random.exponential(900, customers)
        count = random.poisson(rate * days * 1.3)
        who = np.repeat(np.arange(customers), count)
        when = random.integers(0, days, len(who))
        season = 1 + 0.3 * np.cos(2 * np.pi * (when - PAST - 150) / 365)
        kept = (when >= born[who]) & (when < gone[who]) & (random.random(len(who)) * 1.3 < season)
        who, when = who[kept], when[kept]
        order = np.argsort(when, kind="stable")
        self.who, self.when = who[order], when[order]
        self.margin = np.round(self.basket[self.who] * random.lognormal(0, 0.5, len(self.who)), 2)
        self.first = np.full(customers, days + 1)
        np.minimum.at(self.first, self.who, self.when)

    def night(self, night: int) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Columns of customer_360 and of customer_scores."""
        day = PAST + night
        year = slice(*np.searchsorted(self.when, [day - 364, day + 1]))
        past = slice(0, np.searchsorted(self.when, day + 1))
        size = len(self.names)
        margin, orders = (
            np.bincount(self.who[year], weights, size) for weights in (self.margin[year], None)
        )
        spend, count = (
            np.bincount(self.who[past], weights, size) for weights in (self.margin[past], None)
        )
        tenure = np.where(count > 0, day - self.first, 0)
        typical = np.average(self.margin[past])
        worth = (spend + 2 * typical) / (count + 2)
        clv = np.round((orders + 0.5) / (np.minimum(tenure, 365) + 150) * 365 * worth, 2)
        nought = np.zeros(size)
        customers = pl.DataFrame({
            "customer_id": self.names, "kind": ["person"] * size,
            "order_count": count.astype(np.int64), "order_count_365d": orders.astype(np.int64),
            "net_margin_365d_amount": np.round(margin, 2), "net_margin_amount": np.round(spend, 2),
            "net_revenue_365d_amount": np.round(margin, 2), "tenure_days": tenure,
            "nps_score": nought, "converted_referral_count": nought, "refunded_amount": nought,
            "referral_net_revenue_365d_amount": nought, "social_reach_count": nought,
            "second_degree_net_revenue_365d_amount": nought, "social_share_count_365d": nought,
        })  # fmt: skip
        scores = pl.DataFrame({"customer_id": self.names, "clv_365d_amount": clv})
        return customers, scores.filter(pl.Series(count > 0))


@dataclass
class Count:
    """What a rule did to everybody so far."""

    levels: np.ndarray | None = None
    changes: np.ndarray = field(default_factory=lambda: np.zeros(0, int))
    known: np.ndarray = field(default_factory=lambda: np.zeros(0, int))

    def see(self, levels: np.ndarray, graded: np.ndarray) -> None:
        """Count the changes of a night, of whoever was graded the night before."""
        if self.levels is None:
            self.changes = np.zeros(len(levels), int)
            self.known = np.zeros(len(levels), int)
        else:
            self.changes += (levels != self.levels) & self.was_graded
            self.known += self.was_graded
        self.levels, self.was_graded = levels, graded

    def tell(self, name: str, nights_per_year: float) -> None:
        """Print the figures."""
        changes, years = self.changes[self.known > 0], self.known.sum() / nights_per_year
        often, share = np.mean(changes >= 4), np.mean(self.levels[self.was_graded] == 3)
        print(
            f"{name:40} {changes.sum() / years:5.2f} changes a year {often:6.1%} with four or "
            f"more, most {changes.max():3d}; grade A {share:5.1%}"
        )


def rank(scores: pl.Series, cuts: tuple[float, ...]) -> np.ndarray:
    """How many cut-offs each score reaches; none without a score."""
    return np.searchsorted(np.array(cuts), scores.fill_null(-1).to_numpy(), side="right")


def score(measures: pl.DataFrame, scales: Scales, tiers: Tiers) -> pl.Series:
    """Value scores by the distributions of a night."""
    ranked = rank_measures(measures, {"person": scales}, {"person": 0})
    return add_value_score(ranked, tiers.weights)["value_score"]


def cut(scores: pl.Series, has_order: np.ndarray, percentiles: list[float]) -> tuple[float, ...]:
    """Where grades begin by percentiles of a night's scores."""
    scale = take_scale(scores.filter(pl.Series(has_order)))
    return tuple(scale.cut_at(rate) for rate in percentiles)


def climb(
    values: pl.DataFrame, before: pl.DataFrame | None, edges: Mapping[str, Edges], tiers: Tiers,
    causes: dict, as_of: date,
) -> pl.DataFrame:  # fmt: skip
    """Where everybody stands under another policy, with the same edges."""
    track, _ = tracks_of(tiers)
    cut_offs = {
        group: find_cut_offs(own.scales, track.cuts, track.cut_by, track.score)
        for group, own in edges.items()
    }
    tonight = values.select(
        "customer_id", "peer_group", "refunded", score=track.score, is_comparable=True,
        override=pl.lit(None, pl.String), override_until_on=pl.lit(None, pl.Date),
    )  # fmt: skip
    carried = carry_standing(before, NO_ALIASES, track.ladder)
    moved = move(tonight, carried, track.ladder, cut_offs, causes, tiers.policy, as_of)
    named = dict(enumerate(track.ladder.levels))
    ranks = {"earned_level": "rank", "level": "shown", "level_before": "shown_before"}
    levels = [
        pl.col(rank).replace_strict(named, default=None, return_dtype=pl.String).alias(name)
        for name, rank in ranks.items()
    ]
    return moved.with_columns(levels, ladder=pl.lit(GRADE))


def compare(customers: int, nights: int, every: int) -> None:
    """Let the year pass under all rules."""
    book = load_rules(find_rules(None))
    weights = book.tiers.weights.model_copy(update={"influence": 0.0})
    tiers = book.tiers.model_copy(update={"weights": weights})
    policies = {
        "policy, reviews at 0.9 of the cut-off": Policy(review_below=0.9),
        "policy, reviewed once a year": Policy(review_months=12),
        "policy, a step up at a time": Policy(upgrade_steps="one"),
        "policy, without hold": Policy(hold_days=0),
        "policy, without band and hold": Policy(hold_days=0, band=1.0, below_days=0),
    }
    others = {
        name: tiers.model_copy(update={"policy": policy}) for name, policy in policies.items()
    }
    company = Company(customers, nights)
    counts = {name: Count() for name in ("nightly percentiles", "fixed limits", "policy", *others)}
    standing: dict[str, pl.DataFrame] = {}
    memory, fixed = None, None
    percentiles = [cut.min_percentile for cut in reversed(tiers.grades[:-1])]
    for night in range(0, nights, every):
        day = FIRST + timedelta(night)
        facts = Facts(*company.night(night), NO_ALIASES, NO_OVERRIDES)
        graded = grade_customers(facts, memory, tiers, book.influence, day)
        memory = Memory(graded.edges, graded.standing)
        measures = graded.values.drop(*PERCENTILES.values(), "value_weight", "value_score")
        has_order = measures["has_order"].to_numpy()
        scales = take_scales(measures.filter("has_order"), tuple(PERCENTILES))
        scores = score(measures, scales, tiers)
        cuts = cut(scores, has_order, percentiles)
        counts["nightly percentiles"].see(rank(scores, cuts), has_order)
        fixed = fixed or (scales, cuts)
        counts["fixed limits"].see(rank(score(measures, fixed[0], tiers), fixed[1]), has_order)
        grades = graded.standing.filter(ladder=GRADE)
        counts["policy"].see(grades["shown"].to_numpy(), has_order)
        for name, rules in others.items():
            period = rules.policy.period_of(day)
            causes = {"person": "review"} if night and day - timedelta(every) < period else {}
            standing[name] = climb(
                graded.values, standing.get(name), graded.edges, rules, causes, day
            )
            counts[name].see(standing[name]["shown"].to_numpy(), has_order)
    print(f"{customers:,} customers, {nights} nights, one in {every}")
    for name, count in counts.items():
        count.tell(name, 365 / every)


def time_night(customers: int) -> None:
    """Time a first night and the one after it."""
    book = load_rules(find_rules(None))
    company = Company(customers, 2)
    memory = None
    for night in range(2):
        facts = Facts(*company.night(night), NO_ALIASES, NO_OVERRIDES)
        start, used = time.perf_counter(), time.process_time()
        graded = grade_customers(
            facts, memory, book.tiers, book.influence, FIRST + timedelta(night)
        )
        memory = Memory(graded.edges, graded.standing)
        spent = time.perf_counter() - start, time.process_time() - used
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"night {night + 1}: {spent[0]:.1f} s, {spent[1]:.1f} CPU s, {most:.2f} GiB at most")


def main() -> None:
    """Compare rules over a year, or time one night."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("customers", type=int, nargs="?", default=50_000)
    parser.add_argument("nights", type=int, nargs="?", default=365)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--one-night", type=int)
    chosen = parser.parse_args()
    if chosen.one_night:
        time_night(chosen.one_night)
    else:
        compare(chosen.customers, chosen.nights, chosen.every)


if __name__ == "__main__":
    main()
