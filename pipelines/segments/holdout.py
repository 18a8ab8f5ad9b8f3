"""Who is held out of a list, so that there is somebody to compare with, and whether it is fair.

A customer is held out by a number that is made of the id and a salt, and of nothing else. So
anybody can find it again, in SQL too; no night has to remember it; and it stays through a merge of
customers, as the older customer's id is the one that is kept (pipelines/identity/naming.py).
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl
from scipy import stats

from pipelines.rules.segments import PROGRAMME, Holdout, Segment, Segments

BUCKETS = 10_000
TREATED, HELD_OUT, GLOBALLY = "treated", "holdout", "global_holdout"
STRATA = {"grade": "grade", "stage": "lifecycle_stage"}


def bucket_customers(customer_ids: pl.Series, salt: str) -> pl.Series:
    """A number from 0 to 9999 for each customer; another salt, other numbers.

    The first 8 hexadecimal digits of SHA-256 of `salt:customer_id`, modulo 10,000.
    """
    start = hashlib.sha256(f"{salt}:".encode())
    numbers = []
    for customer_id in customer_ids.to_list():
        digest = start.copy()
        digest.update(customer_id.encode())
        numbers.append(int.from_bytes(digest.digest()[:4], "big") % BUCKETS)
    return pl.Series("bucket", numbers, dtype=pl.Int32)


def list_salt(segment: Segment) -> str:
    """The salt of a list and its version."""
    return f"{segment.name}:v{segment.version}"


def global_salt(holdout: Holdout) -> str:
    """The salt of the holdout from all marketing."""
    return f"{PROGRAMME}:v{holdout.global_version}"


def is_drawn(customer_ids: pl.Series, salt: str, rate: float) -> pl.Series:
    """Whether each customer is held out at a rate."""
    if rate == 0:
        return pl.repeat(value=False, n=customer_ids.len(), dtype=pl.Boolean, eager=True)
    return bucket_customers(customer_ids, salt) < round(rate * BUCKETS)


def draw_roles(customer_ids: pl.Series, segment: Segment, rules: Segments) -> pl.Series:
    """treated, holdout or global_holdout for each customer.

    The global holdout gets no marketing; service and surveys it gets as anybody does.
    """
    here = is_drawn(customer_ids, list_salt(segment), rules.holdout_rate(segment))
    rate = rules.holdout.global_rate if segment.purpose == "marketing" else 0
    everywhere = is_drawn(customer_ids, global_salt(rules.holdout), rate)
    role = pl.when(everywhere).then(pl.lit(GLOBALLY)).when(here).then(pl.lit(HELD_OUT))
    return pl.select(role.otherwise(pl.lit(TREATED)).alias("role")).to_series()


@dataclass(frozen=True)
class Drawn:
    """Customers of one draw: `customers` has is_held_out, grade, lifecycle_stage."""

    name: str
    version: int
    rate: float
    customers: pl.DataFrame


def measure_balance(draws: Iterable[Drawn]) -> pl.DataFrame:
    """How alike the treated and the held out are, by grade and by stage.

    Returns:
        list, version, stratum (all, grade or stage), value, treated_count, holdout_count,
        expected_holdout_count, standardised_difference (of the shares that the value has among
        treated and held out; null for `all`), p_value (that a fair draw is as far from what is
        expected; exact binomial test). No rows for a draw without a holdout or without customers.
    """
    rows = [row for drawn in draws if drawn.rate and drawn.customers.height for row in _rows(drawn)]
    schema = {
        "list": pl.String, "version": pl.Int64, "stratum": pl.String, "value": pl.String,
        "treated_count": pl.Int64, "holdout_count": pl.Int64,
        "expected_holdout_count": pl.Float64, "standardised_difference": pl.Float64,
        "p_value": pl.Float64,
    }  # fmt: skip
    return pl.DataFrame(rows, schema=schema, orient="row")


def _rows(drawn: Drawn) -> list[tuple[object, ...]]:
    held = int(drawn.customers["is_held_out"].sum())
    treated = drawn.customers.height - held
    rows = [_row(drawn, "all", "all", treated, held, None)]
    for stratum, column in STRATA.items():
        counts = drawn.customers.group_by(column).agg(
            (~pl.col("is_held_out")).sum().alias("treated"), pl.col("is_held_out").sum().alias("h")
        )
        for value, here, out in counts.drop_nulls(column).sort(column).iter_rows():
            difference = _standardised(here / treated, out / held) if treated and held else None
            rows.append(_row(drawn, stratum, value, here, out, difference))
    return rows


def _row(
    drawn: Drawn, stratum: str, value: str, treated: int, held: int, difference: float | None
) -> tuple[object, ...]:
    both = treated + held
    p_value = float(stats.binomtest(held, both, drawn.rate).pvalue)
    return (
        drawn.name, drawn.version, stratum, value, treated, held, round(both * drawn.rate, 2),
        None if difference is None else round(difference, 4), round(p_value, 6),
    )  # fmt: skip


def _standardised(one: float, other: float) -> float:
    """Difference of two shares in their standard deviations (Austin 2009, formula 2)."""
    spread = (one * (1 - one) + other * (1 - other)) / 2
    return (one - other) / float(spread**0.5) if spread else 0.0
