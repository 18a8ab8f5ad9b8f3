"""What is usual of a number, by the last releases, and whether tonight's reaches a limit.

A breaker trips where a number reaches its limit. A night that tripped counts later with what was
usual then: what was held back never becomes usual by being repeated.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from statistics import median
from typing import Literal

import polars as pl

from pipelines.rules.breakers import Severity
from pipelines.wording import count_of

Breaker = Literal[
    "size", "entered", "left", "consent", "nulls", "repeated_contacts", "grade_changes", "drift",
    "shared_identifiers",
]  # fmt: skip
PASSED, NOT_JUDGED, WARNING, ACCEPTED, TRIPPED = (
    "passed", "not_judged", "warning", "accepted", "tripped",
)  # fmt: skip
KEY = ("stage", "name", "breaker", "column")
VERDICT = {
    "as_of": pl.Date(), "stage": pl.String(), "name": pl.String(), "breaker": pl.String(),
    "column": pl.String(), "version": pl.Int64(), "value": pl.Float64(), "usual": pl.Float64(),
    "low": pl.Float64(), "high": pl.Float64(), "nights": pl.Int64(), "outcome": pl.String(),
    "told": pl.String(),
}  # fmt: skip
DECIMALS = 6
FEW = 10  # no sentence tells a smaller number of persons

# Stage, name, breaker, column and the number itself: nothing else is let through.
Accepted = frozenset[tuple[str, str, str, str, float]]
NOBODY_ACCEPTED: Accepted = frozenset()


@dataclass(frozen=True)
class Reading:
    """One number of tonight, what is usual, and the limits; none of either: it is not judged."""

    name: str
    breaker: Breaker
    value: float | None
    usual: float | None = None
    low: float | None = None
    high: float | None = None
    nights: int = 0
    column: str = ""
    version: int | None = None
    severity: Severity = "critical"


@dataclass(frozen=True)
class Usual:
    """A number on the last nights: its median, and each night's."""

    median: float
    by_night: Mapping[date, float]

    @property
    def nights(self) -> int:
        """How many nights there are."""
        return len(self.by_night)


class Memory:
    """What the last releases measured of one stage."""

    def __init__(self, history: pl.DataFrame | None, stage: str, nights: int) -> None:
        """Read the last so many nights of a history of verdicts."""
        self._values: dict[tuple[str, str, str, int | None], dict[date, float]] = {}
        if history is None:
            return
        counted = keep_nights(history, nights).filter(pl.col("stage") == stage)
        stood = pl.when(pl.col("outcome") == TRIPPED).then("usual").otherwise("value")
        rows = counted.select("name", "breaker", "column", "version", "as_of", stood.alias("stood"))
        for *key, night, value in rows.drop_nulls("stood").rows():
            self._values.setdefault(tuple(key), {})[night] = value

    def usual(
        self, name: str, breaker: str, column: str = "", version: int | None = None
    ) -> Usual | None:
        """What is usual of a number; None if it was never measured."""
        values = self._values.get((name, breaker, column, version))
        return Usual(round(median(values.values()), DECIMALS), values) if values else None


def keep_nights(history: pl.DataFrame, nights: int) -> pl.DataFrame:
    """The rows of the last so many nights."""
    known = history["as_of"].unique().sort().tail(nights)
    return history.filter(pl.col("as_of").is_in(known.implode()))


def judge(
    readings: Iterable[Reading], stage: str, as_of: date, accepted: Accepted = NOBODY_ACCEPTED
) -> pl.DataFrame:
    """A verdict on each number.

    Returns:
        VERDICT, sorted by KEY. outcome: tripped where a critical number reaches its limit and
        nobody has accepted exactly this one, else accepted; warning where it is not critical.
    """
    rows = []
    for found in readings:
        value = None if found.value is None else round(float(found.value), DECIMALS)
        low, high = (
            None if limit is None else round(limit, DECIMALS) for limit in (found.low, found.high)
        )
        outcome = _outcome(found, value, low, high)
        if outcome == TRIPPED and value is not None:
            key = (stage, found.name, found.breaker, found.column, value)
            outcome = ACCEPTED if key in accepted else TRIPPED
        row = (
            as_of, stage, found.name, found.breaker, found.column, found.version, value,
            found.usual, low, high, found.nights, outcome, tell(stage, found),
        )  # fmt: skip
        rows.append(row)
    return pl.DataFrame(rows, VERDICT, orient="row").sort(KEY)


def _outcome(found: Reading, value: float | None, low: float | None, high: float | None) -> str:
    if value is None or (low is None and high is None):
        return NOT_JUDGED
    if not ((low is not None and value <= low) or (high is not None and value >= high)):
        return PASSED
    return WARNING if found.severity == "warning" else TRIPPED


def tell(stage: str, found: Reading) -> str:
    """The number in a sentence, with what is usual and from where on it trips."""
    if found.value is None:
        return f"nothing is known of {found.name}"
    is_count = found.breaker == "size"
    value, usual, low, high = (
        _count(number) if is_count else _share(number, found.breaker)
        for number in (found.value, found.usual, found.low, found.high)
    )
    rows = "customers" if stage == "lists" else "rows"
    said = {
        "size": f"{found.name} has {value} {rows} tonight",
        "entered": f"{value} of {found.name} were not on it last night",
        "left": f"{value} of last night's {found.name} are not on it tonight",
        "consent": f"{value} of those found for {found.name} may be written to",
        "nulls": f"{found.column} of {found.name} is missing in {value} of the rows",
        "repeated_contacts": f"{value} of {found.name} share a contact point with others",
        "grade_changes": f"{value} of the customers changed grade tonight",
        "drift": f"{found.column} of {found.name} moved since the last release, PSI {value}",
        "shared_identifiers": f"{value} of {found.name} are those of several customers",
    }[found.breaker]
    parts = [said]
    if found.usual is not None:
        parts.append(f"usual is {usual} ({count_of(found.nights, 'night')})")
    limits = [low] if found.low is not None else []
    limits += [high] if found.high is not None else []
    if limits:
        parts.append(f"it trips at {' and at '.join(limits)}")
    return "; ".join(parts)


def _count(number: float | None) -> str:
    if number is None:
        return ""
    return f"fewer than {FEW}" if 0 < number < FEW else f"{number:,.0f}"


def _share(number: float | None, breaker: Breaker) -> str:
    if number is None:
        return ""
    return f"{number:.2f}" if breaker == "drift" else f"{number:.1%}"


def bound_size(
    usual: Usual | None, least: float | None, most: float | None, min_nights: int
) -> tuple[float | None, float | None]:
    """The limits of a size; none before it is known what is usual, or where that is nothing."""
    if usual is None or usual.nights < min_nights or usual.median <= 0:
        return None, None
    return (
        None if least is None else least * usual.median,
        None if most is None else most * usual.median,
    )


def bound_share(usual: Usual | None, by: float | None, min_nights: int) -> float | None:
    """The limit of a share that may be so far above the usual one, or below it."""
    if usual is None or usual.nights < min_nights or by is None:
        return None
    return usual.median + by
