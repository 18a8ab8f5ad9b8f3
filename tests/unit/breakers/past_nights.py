"""Verdicts of past nights, from the numbers that a test names."""

from datetime import date, timedelta

import polars as pl

from pipelines.breakers.judge import Memory, Reading, judge

AS_OF = date(2026, 6, 30)


def remember(stage, nights=14, tripped=(), **measured):
    """A memory of nights before AS_OF, the last value being of the last night.

    measured: values of `breaker__name` (or `breaker__name__column`); tripped: how many nights ago
    a night tripped, at a number far from its usual one.
    """
    days = max(len(values) for values in measured.values())
    parts = []
    for place in range(days):
        day = AS_OF - timedelta(days - place)
        readings = []
        for key, values in measured.items():
            breaker, name, *column = key.split("__")
            is_tripped = days - place in tripped
            readings.append(
                Reading(
                    name.replace("_of_", "."), breaker, values[place], usual=values[0],
                    high=values[place] if is_tripped else None, nights=place,
                    column="".join(column), version=1 if stage == "lists" else None,
                )
            )  # fmt: skip
        parts.append(judge(readings, stage, day))
    return Memory(pl.concat(parts), stage, nights)


def outcomes(readings, stage="lists", accepted=frozenset(), as_of=AS_OF):
    """The outcome of each number, by breaker and column."""
    told = judge(readings, stage, as_of, accepted)
    keys = [
        f"{breaker} {column}".strip() for breaker, column in told.select("breaker", "column").rows()
    ]
    return dict(zip(keys, told["outcome"], strict=True))
