"""How many rows a source brings into a landing table in a night, and how many it usually does.

A source that sends on some weekdays only would trip each week: a number is usual, too, if it is as
on all nights of the same weekday that are remembered. After nights without a source it brings what
it has gathered since, so that it may bring more by as many days.
"""

from collections.abc import Iterable, Iterator
from datetime import date

from pipelines.breakers.judge import Memory, Reading, Usual
from pipelines.rules.breakers import InputBreakers, InputLimits

Brought = tuple[str, str, int, int]  # source, landing table, rows tonight, days since it last came


def read_inputs(
    brought: Iterable[Brought],
    stale: frozenset[str],
    as_of: date,
    rules: InputBreakers,
    memory: Memory,
) -> Iterator[Reading]:
    """The rows of each source's tables with their limits.

    Args:
        brought: what each source brought into each table.
        stale: sources that are down, and may be: that they bring less is known.
        as_of: the run date.
        rules: the breakers of inputs.
        memory: what the last releases measured of inputs.
    """
    for source, table, rows, days in brought:
        name = f"{source}.{table}"
        limits, usual = rules.of(name), memory.usual(name, "size")
        low, high = bound_rows(usual, limits, as_of, days)
        yield Reading(
            name, "size", rows, usual.median if usual else None,
            None if source in stale else low, high, usual.nights if usual else 0,
            severity=limits.severity,
        )  # fmt: skip


def bound_rows(
    usual: Usual | None, limits: InputLimits, as_of: date, days: int
) -> tuple[float | None, float | None]:
    """The fewest and the most rows; none for a table that is small or not yet known."""
    if usual is None or usual.nights < limits.min_nights or usual.median < limits.min_rows:
        return None, None
    alike = [rows for night, rows in usual.by_night.items() if night.weekday() == as_of.weekday()]
    fewest = min(usual.median, max(alike, default=usual.median))
    most = max(usual.median, min(alike, default=usual.median))
    least, times = limits.least_of_usual, limits.most_of_usual
    return (
        None if least is None or not fewest else least * fewest,
        None if times is None else times * most * days,
    )
