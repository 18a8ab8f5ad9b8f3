"""Histories as intervals: what held for a customer, from which night until which.

The same three rules make every history (grades, stages, lists). A night on which nothing changed
leaves an interval as it is; a change closes it on the day of the change and opens the next; who
is no longer there is closed. Nothing overlaps, and for as long as a customer is known nothing is
missing. A history is read from the release before and written whole into the next one, so a night
that is run again goes on from the same place.
"""

from collections.abc import Sequence
from datetime import date

import polars as pl

VALIDITY = {"valid_from_on": pl.Date(), "valid_to_on": pl.Date(), "ended_because": pl.String()}
CHANGED = "changed"
GONE = "gone"


def carry_intervals(
    history: pl.DataFrame | None,
    tonight: pl.DataFrame,
    as_of: date,
    key: Sequence[str],
    state: Sequence[str],
    endings: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """The history of a night: the one before, with what changed closed and opened on `as_of`.

    Args:
        history: as this function returned it for an earlier night; None or empty on the first.
        tonight: what holds tonight, one row per key; columns beside key and state are kept as
            they were on the night that opened the interval.
        as_of: the run date.
        key: columns that name whose history it is.
        state: columns whose change ends an interval; may be empty, as of a membership.
        endings: key and `ended_because` of keys that are not there tonight; of the others it is
            `gone`.

    Returns:
        Columns of `tonight`, `valid_from_on`, `valid_to_on` (first day on which it no longer
        held; null while it holds) and `ended_because`; sorted by key and day.
    """
    opening = tonight.with_columns(
        pl.lit(as_of).alias("valid_from_on"),
        pl.lit(None, pl.Date).alias("valid_to_on"),
        pl.lit(None, pl.String).alias("ended_because"),
    )
    if history is None or history.is_empty():
        return opening.sort(key)
    columns = opening.columns
    is_open = pl.col("valid_to_on").is_null()
    past, before = history.filter(~is_open), history.filter(is_open)
    same = [*key, *state]
    going_on = before.join(tonight.select(same), on=same, how="semi", nulls_equal=True)
    ended = before.join(tonight.select(same), on=same, how="anti", nulls_equal=True)
    ended = ended.with_columns(pl.lit(as_of).alias("valid_to_on")).drop("ended_because")
    begun = opening.join(before.select(same), on=same, how="anti", nulls_equal=True)
    told = _endings(tonight, key, endings)
    ended = ended.join(told, on=key, how="left").with_columns(
        pl.col("ended_because").fill_null(GONE)
    )
    parts = [part.select(columns) for part in (past, going_on, ended, begun)]
    return pl.concat(parts).sort(*key, "valid_from_on")


def _endings(
    tonight: pl.DataFrame, key: Sequence[str], endings: pl.DataFrame | None
) -> pl.DataFrame:
    changed = tonight.select(*key, pl.lit(CHANGED).alias("ended_because"))
    if endings is None:
        return changed
    gone = endings.select(*key, "ended_because").join(changed, on=key, how="anti")
    return pl.concat([changed, gone])
