"""What a list of tonight is measured by, before it goes out.

A list is measured by whom it is for: those whom it found and may write to. That another list or a
cap takes them for a night, as a festival's greeting does, is no change of this one.
"""

from collections.abc import Iterator, Mapping

import polars as pl

from pipelines.breakers.judge import Breaker, Memory, Reading, bound_share, bound_size
from pipelines.rules.breakers import ListLimits
from pipelines.rules.segments import Segment
from pipelines.segments.funnel import CAPPED, HOLDOUT, KEY, LOWER_PRIORITY, ON_LIST, TOO_SMALL

Part = tuple[int, int]  # so many of so many
FOR_WHOM = (LOWER_PRIORITY, CAPPED, TOO_SMALL, HOLDOUT, ON_LIST)
# Written anew each night in words, or equal in all rows.
NOT_FACTS = ("customer_id", "channel", "reason", "reason_zh")


def find_audience(decided: pl.DataFrame) -> pl.DataFrame:
    """customer_id of those whom a list is for, by what was decided of everybody it found."""
    return decided.filter(pl.col("decision").is_in(FOR_WHOM)).select(KEY)


def read_list(
    rows: pl.DataFrame,
    size: int,
    shares: Mapping[Breaker, Part],
    segment: Segment,
    limits: ListLimits,
    memory: Memory,
) -> Iterator[Reading]:
    """The numbers of a list with their limits.

    Args:
        rows: what would go out tonight.
        size: customers whom it is for.
        shares: of entered: who is new, of those whom it is for; of left: who is gone, of those
            whom it was for at the last release; of consent: who may be written to, of those whom
            its condition finds. None of these where there is nothing to tell.
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

    usual = memory.usual(segment.name, "size", "", segment.version)
    bounds = bound_size(usual, limits.least_of_usual, limits.most_of_usual, limits.min_nights)
    yield reading("size", size, max(size, int(usual.median) if usual else 0), *bounds)

    change = limits.max_consent_change
    limits_of: dict[Breaker, tuple[float | None, float | None]] = {
        "entered": (None, limits.max_entered_share),
        "left": (None, limits.max_left_share),
        "consent": (away("consent", None if change is None else -change), away("consent", change)),
    }
    for breaker, (part, whole) in shares.items():
        share = part / whole if whole else None
        yield reading(breaker, share, whole, *limits_of[breaker])

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
