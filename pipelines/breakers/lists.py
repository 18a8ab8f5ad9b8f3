"""What a list of tonight is measured by, before it goes out.

A list is measured by whom it is for: those whom it found and may write to. That another list or a
cap takes them for a night, as a festival's greeting does, is no change of this one.
"""

from collections.abc import Iterator

import polars as pl

from pipelines.breakers.judge import Breaker, Memory, Reading, bound_share, bound_size
from pipelines.rules.breakers import ListLimits
from pipelines.rules.segments import Segment
from pipelines.segments.funnel import CAPPED, HOLDOUT, KEY, LOWER_PRIORITY, ON_LIST, TOO_SMALL

FOR_WHOM = (LOWER_PRIORITY, CAPPED, TOO_SMALL, HOLDOUT, ON_LIST)
# Written anew each night in words, or equal in all rows.
NOT_FACTS = ("customer_id", "channel", "reason", "reason_zh")


def find_audience(decided: pl.DataFrame) -> pl.DataFrame:
    """customer_id of those whom a list is for, by what was decided of everybody it found."""
    return decided.filter(pl.col("decision").is_in(FOR_WHOM)).select(KEY)


def read_list(
    rows: pl.DataFrame,
    tonight: pl.DataFrame,
    before: pl.DataFrame | None,
    consent: tuple[int, int] | None,
    segment: Segment,
    limits: ListLimits,
    memory: Memory,
) -> Iterator[Reading]:
    """The numbers of a list with their limits.

    Args:
        rows: what would go out tonight.
        tonight: customer_id of those whom it is for.
        before: the same of the last release, under the ids of tonight; None if it had not this
            version of the list.
        consent: how many its condition is true for, and how many of them consent for its channel
            and purpose; None where nobody is asked.
        segment: the list's rule.
        limits: its breakers.
        memory: what the last releases measured of lists.
    """

    def reading(
        breaker: Breaker, value: float | None, of: int, low: float | None, high: float | None,
        column: str = "",
    ) -> Reading:  # fmt: skip
        known = memory.usual(segment.name, breaker, column, segment.version)
        is_judged = of >= limits.min_customers
        return Reading(
            segment.name, breaker, value, known.median if known else None,
            low if is_judged else None, high if is_judged else None,
            known.nights if known else 0, column, segment.version, limits.severity,
        )  # fmt: skip

    def away(breaker: Breaker, by: float | None, column: str = "") -> float | None:
        known = memory.usual(segment.name, breaker, column, segment.version)
        return bound_share(known, by, limits.min_nights)

    size = memory.usual(segment.name, "size", "", segment.version)
    bounds = bound_size(size, limits.least_of_usual, limits.most_of_usual, limits.min_nights)
    largest = max(tonight.height, int(size.median) if size else 0)
    yield reading("size", tonight.height, largest, *bounds)

    if before is not None:
        stayed = tonight.join(before, on=KEY, how="semi").height
        entered, left = _less(stayed, tonight.height), _less(stayed, before.height)
        yield reading("entered", entered, tonight.height, None, limits.max_entered_share)
        yield reading("left", left, before.height, None, limits.max_left_share)

    if consent is not None:
        found, consenting = consent
        change = limits.max_consent_change
        low, high = (away("consent", by) for by in (None if change is None else -change, change))
        yield reading("consent", consenting / found if found else None, found, low, high)

    for name in rows.columns:
        if name not in NOT_FACTS:
            missing = rows[name].null_count() / rows.height if rows.height else None
            high = away("nulls", limits.max_null_rise, name)
            yield reading("nulls", missing, rows.height, None, high, name)

    if "contact" in rows.columns:
        known = rows["contact"].drop_nulls()
        share = int(known.is_duplicated().sum()) / rows.height if rows.height else None
        high = limits.max_repeated_contacts_share
        yield reading("repeated_contacts", share, rows.height, None, high)


def _less(part: int, whole: int) -> float | None:
    return 1 - part / whole if whole else None
