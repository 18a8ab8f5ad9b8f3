"""Have inputs and scores moved since the last release? The population stability index.

Of a column's reference the edges of ten equal parts and their shares are kept and published; the
next night counts its own values between the same edges. PSI is the sum over bins of
(now - then) ln(now / then); unknown values are a bin of their own.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from pipelines.rules.schemas import DriftLimits
from pipelines.scoring.past.metrics import Floats

PARTS = 10
DECIMALS = 6
# An empty bin counts as a share this small: the logarithm of nothing would alarm about anything.
LEAST_SHARE = 1e-3
REFERENCE_SCHEMA = pl.Schema(
    {
        "column": pl.String,
        "bin": pl.Int64,
        "upper": pl.Float64,
        "share": pl.Float64,
    }
)
DRIFT_SCHEMA = pl.Schema(
    {
        "column": pl.String,
        "psi": pl.Float64,
        "risen": pl.String,
        "share_then": pl.Float64,
        "share_now": pl.Float64,
    }
)


def summarise_columns(frame: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """Return the distribution of columns, to compare the next release with.

    Returns:
        One row per column and bin: upper (the bin's highest value; null for the last bin and for
        bin -1, the unknown values) and share. Equal edges make one bin, so a column of zeros and
        ones has two.
    """
    rows: list[dict[str, object]] = []
    for name in columns:
        values = frame[name].cast(pl.Float64)
        known = np.sort(values.drop_nulls().drop_nans().to_numpy())
        edges = _edges(known)
        shares = _shares(values, edges)
        uppers = [None, *edges.tolist(), None]
        rows += [
            {"column": name, "bin": place - 1, "upper": upper, "share": float(share)}
            for place, (upper, share) in enumerate(zip(uppers, shares, strict=True))
        ]
    return pl.DataFrame(rows, schema=REFERENCE_SCHEMA).with_columns(pl.col("share").round(DECIMALS))


def measure_drift(frame: pl.DataFrame, reference: pl.DataFrame) -> pl.DataFrame:
    """Return the PSI of each column against a reference of `summarise_columns`.

    Returns:
        One row per column of the reference that the frame has: column, psi, risen (which values
        gained the largest share), share_then and share_now (of these); sorted by column.
    """
    rows: list[dict[str, object]] = []
    for (name,), bins in reference.sort("column", "bin").group_by("column", maintain_order=True):
        if name not in frame.columns:
            continue
        uppers = bins["upper"].to_list()
        now = _shares(frame[str(name)].cast(pl.Float64), np.array(uppers[1:-1], dtype=np.float64))
        then = bins["share"].to_numpy()
        risen = int(np.argmax(now - then))
        rows.append(
            {
                "column": name,
                "psi": find_psi(then, now),
                "risen": _name_bin(uppers, risen),
                "share_then": float(then[risen]),
                "share_now": float(now[risen]),
            }
        )
    return pl.DataFrame(rows, schema=DRIFT_SCHEMA).with_columns(pl.col(pl.Float64).round(DECIMALS))


def find_psi(then: Sequence[float] | Floats, now: Sequence[float] | Floats) -> float:
    """Return the population stability index of two distributions over the same bins."""
    old, new = (np.maximum(np.asarray(shares, float), LEAST_SHARE) for shares in (then, now))
    return float(((new - old) * np.log(new / old)).sum())


def describe_drift(drift: pl.DataFrame, limits: DriftLimits) -> list[str]:
    """Return a sentence for each column that moved more than the limits allow, the worst first."""
    moved = drift.filter(pl.col("psi") > limits.notice_above).sort(
        "psi", "column", descending=[True, False]
    )
    return [_sentence(row, limits) for row in moved.iter_rows(named=True)]


def _sentence(row: dict[str, Any], limits: DriftLimits) -> str:
    level = "Alarm" if row["psi"] > limits.alarm_above else "Notice"
    return (
        f"{level}: {row['column']} moved since the last release (PSI {row['psi']:.2f}); the share "
        f"of {row['risen']} went from {row['share_then']:.1%} to {row['share_now']:.1%}."
    )


def _name_bin(uppers: Sequence[float | None], place: int) -> str:
    if place == 0:
        return "unknown values"
    above, upper = uppers[place - 1], uppers[place]
    parts = [f"above {above:g}" if above is not None else ""]
    parts += [f"up to {upper:g}" if upper is not None else ""]
    return " ".join(["values", *filter(None, parts)]) if any(parts) else "known values"


def _edges(known: Floats) -> Floats:
    if not len(known):
        return np.empty(0)
    at = np.arange(1, PARTS) * len(known) // PARTS
    edges = np.unique(known[at])
    # The last bin would be empty if the highest edge were the highest value.
    below: Floats = edges[edges < known[-1]]
    return below


def _shares(values: pl.Series, edges: Floats) -> Floats:
    """Return the share of unknown values, then of each bin; a value on an edge is below it."""
    if not len(values):
        return np.zeros(len(edges) + 2)
    known = values.drop_nulls().drop_nans().to_numpy()
    counts = np.bincount(np.searchsorted(edges, known, side="left"), minlength=len(edges) + 1)
    shares: Floats = np.append(len(values) - len(known), counts) / len(values)
    return shares
