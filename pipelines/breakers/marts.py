"""What a watched mart of tonight is measured by."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import polars as pl

from pipelines.breakers.judge import Breaker, Memory, Reading, bound_share, bound_size
from pipelines.rules.breakers import MartLimits


@dataclass(frozen=True)
class Counted:
    """The rows of a mart, and how many of each column are missing."""

    rows: int
    missing: Mapping[str, int]


def read_mart(name: str, counted: Counted, limits: MartLimits, memory: Memory) -> Iterator[Reading]:
    """Size and missing values of a mart with their limits."""
    usual = memory.usual(name, "size")
    is_large = max(counted.rows, usual.median if usual else 0) >= limits.min_rows
    low, high = bound_size(usual, limits.least_of_usual, limits.most_of_usual, limits.min_nights)
    yield Reading(
        name, "size", counted.rows, usual.median if usual else None,
        low if is_large else None, high if is_large else None, usual.nights if usual else 0,
        severity=limits.severity,
    )  # fmt: skip
    for column, missing in counted.missing.items():
        share = missing / counted.rows if counted.rows else None
        yield _share(name, "nulls", share, limits.max_null_rise, counted, limits, memory, column)


def read_shared(
    name: str, shared: int, counted: Counted, limits: MartLimits, memory: Memory
) -> Reading:
    """The share of identifiers that several customers have: too many, and people run together."""
    share = shared / counted.rows if counted.rows else None
    return _share(
        name, "shared_identifiers", share, limits.max_shared_rise, counted, limits, memory
    )


def _share(
    name: str, breaker: Breaker, share: float | None, rise: float | None, counted: Counted,
    limits: MartLimits, memory: Memory, column: str = "",
) -> Reading:  # fmt: skip
    usual = memory.usual(name, breaker, column)
    high = bound_share(usual, rise, limits.min_nights)
    return Reading(
        name, breaker, share, usual.median if usual else None, None,
        high if counted.rows >= limits.min_rows else None, usual.nights if usual else 0, column,
        severity=limits.severity,
    )  # fmt: skip


def read_grade_changes(name: str, changed: int, rows: int, limits: MartLimits) -> Reading:
    """The share of customers whose grade changed tonight."""
    return Reading(
        name, "grade_changes", changed / rows if rows else None,
        high=limits.max_grade_changes_share if rows >= limits.min_rows else None,
        severity=limits.severity,
    )  # fmt: skip


def read_drift(name: str, drift: pl.DataFrame, limits: MartLimits) -> Iterator[Reading]:
    """How far each input and score has moved since the last release: `model_drift` of tonight."""
    watched = drift.filter(pl.col("column").is_in(limits.drift_columns))
    for column, psi in watched.select("column", "psi").rows():
        yield Reading(
            name, "drift", psi, high=limits.max_drift, column=column, severity=limits.severity
        )
