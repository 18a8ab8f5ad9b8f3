"""The past nights once more under two sets of rules: what would have been otherwise."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

import polars as pl

from pipelines.rules.influence import Influence
from pipelines.rules.tiers import Tiers
from pipelines.tiers.ladders import GRADE
from pipelines.tiers.night import Facts, Memory, grade_customers

AS_IS, OTHER = "as it is", "other rules"
OFTEN = 4  # so many changes in the nights looked at are told as many
YEAR = 365
LEAST_DAYS = 28  # a shorter span says nothing of a year: one night's review would count for many


@dataclass(frozen=True)
class Replay:
    """Two sets of rules over the same nights.

    moves: ladder, level (as it is), other_level, customer_count; null is no band.
    changes: rules, ladder, change_count, changes_per_customer_year (null of fewer than LEAST_DAYS
        from the first night to the last), often_rate (share of customers with four changes or
        more).
    grades: rules, grade, customer_count, net_margin_365d_amount.
    customers: customer_id, ladder, level, other_level of whom the last night differs.
    nights, first_on, last_on: what was looked at.
    """

    moves: pl.DataFrame
    changes: pl.DataFrame
    grades: pl.DataFrame
    customers: pl.DataFrame
    nights: int
    first_on: date
    last_on: date

    @property
    def days(self) -> int:
        """From the first night to the last."""
        return (self.last_on - self.first_on).days


class _Course:
    """One set of rules on its way through the nights."""

    def __init__(self, rules: Tiers, memory: Memory | None) -> None:
        self.rules, self.memory = rules, memory
        self.changed: list[pl.DataFrame] = []

    def go_on(self, facts: Facts, influence: Influence, as_of: date) -> None:
        graded = grade_customers(facts, self.memory, self.rules, influence, as_of)
        is_change = (pl.col("changed_on") == as_of) & pl.col("shown_before").is_not_null()
        self.changed.append(graded.standing.filter(is_change).select("customer_id", "ladder"))
        self.memory = Memory(graded.edges, graded.standing)

    @property
    def levels(self) -> pl.DataFrame:
        assert self.memory is not None  # noqa: S101 - at least one night was gone through
        return self.memory.standing.select("customer_id", "ladder", "level")


def replay_nights(
    nights: Iterable[tuple[date, Facts]],
    before: Memory | None,
    rules: Tiers,
    other: Tiers,
    influence: Influence,
) -> Replay:
    """Grade the same nights by two sets of rules, from the same standing before the first.

    Args:
        nights: run date and what was known, oldest first; at least one.
        before: where everybody stood before the first; None if nobody was graded.
        rules: as it is.
        other: what if.
        influence: what makes an influencer.
    """
    courses = {AS_IS: _Course(rules, before), OTHER: _Course(other, before)}
    days: list[date] = []
    customer_days, facts = 0, None
    for as_of, facts in nights:
        customer_days += (as_of - days[-1]).days * facts.customers.height if days else 0
        days.append(as_of)
        for course in courses.values():
            course.go_on(facts, influence, as_of)
    if facts is None:
        raise ValueError("there is no night to go through")
    both = courses[AS_IS].levels.join(
        courses[OTHER].levels.rename({"level": "other_level"}), on=["customer_id", "ladder"]
    )
    moves = both.group_by("ladder", "level", "other_level").agg(customer_count=pl.len())
    is_long_enough = (days[-1] - days[0]).days >= LEAST_DAYS
    years = customer_days / YEAR if is_long_enough else None
    money = facts.customers.select("customer_id", "net_margin_365d_amount")
    return Replay(
        moves=moves.sort("ladder", "level", "other_level", nulls_last=True),
        changes=pl.concat(
            [
                _count(name, course.changed, facts.customers.height, years)
                for name, course in courses.items()
            ]
        ),
        grades=pl.concat(
            [
                course.levels.filter(ladder=GRADE).join(money, on="customer_id")
                .group_by(grade="level")
                .agg(pl.len().alias("customer_count"), pl.col("net_margin_365d_amount").sum())
                .sort("grade").select(pl.lit(name).alias("rules"), pl.all())
                for name, course in courses.items()
            ]
        ),
        customers=both.filter(pl.col("level").ne_missing(pl.col("other_level"))).sort(
            "customer_id", "ladder"
        ),
        nights=len(days),
        first_on=days[0],
        last_on=days[-1],
    )  # fmt: skip


def _count(
    name: str, changed: list[pl.DataFrame], customers: int, years: float | None
) -> pl.DataFrame:
    """Changes of one set of rules on each ladder, and per customer-year if they are enough."""
    per_customer = pl.concat(changed).group_by("ladder", "customer_id").len()
    counted = per_customer.group_by("ladder").agg(
        change_count=pl.col("len").sum(), often_count=(pl.col("len") >= OFTEN).sum()
    )
    ladders = pl.DataFrame({"ladder": ["grade", "vip_band"]})
    told = ladders.join(counted, on="ladder", how="left").fill_null(0)
    per_year = pl.col("change_count") / pl.lit(years, pl.Float64)
    return told.select(
        pl.lit(name).alias("rules"), "ladder", "change_count",
        per_year.round(4).alias("changes_per_customer_year"),
        (pl.col("often_count") / customers).round(6).alias("often_rate"),
    )  # fmt: skip
