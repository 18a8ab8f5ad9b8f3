"""Why a customer is at risk: the parts of the log odds, added up by reason and put into words."""

from collections.abc import Mapping, Sequence
from string import Formatter

import numpy as np
import polars as pl
from polars import selectors

from pipelines.rules.churn_reasons import ChurnReason, ChurnReasons
from pipelines.scoring.churn.logistic import Explained
from pipelines.scoring.past.metrics import Floats

TOP = 3
DECIMALS = 6
# A part smaller than this moves no risk by a thousandth: not worth a sentence.
LEAST_PART = 0.004
RANKS = tuple(range(1, TOP + 1))
SHOWN_DECIMALS = {"number": 0, "decimal": 1, "percent": 2}


def add_up_by_reason(explained: Explained, reasons: ChurnReasons) -> tuple[list[str], Floats]:
    """Return the names of the reasons that occur and each row's part of the log odds for them.

    With `explained.base` a row's parts add up to its log odds.

    Raises:
        ValueError: If a feature belongs to no reason.
    """
    reason_of = {name: reason.reason for reason in reasons.reasons for name in reason.features}
    features = [name.removesuffix(":level") for name in explained.columns]
    if lost := sorted(set(features) - set(reason_of)):
        raise ValueError(
            f"No churn reason lists {', '.join(lost)}; add them to churn_reasons.yml, or leave the "
            "columns out."
        )
    known = set(features)
    names = [r.reason for r in reasons.reasons if known & set(r.features)]
    place = {name: index for index, name in enumerate(names)}
    parts = np.zeros((len(names), len(explained.contributions)))
    for column, feature in enumerate(features):
        parts[place[reason_of[feature]]] += explained.contributions[:, column]
    return names, parts.T


def find_typical(values: pl.DataFrame) -> dict[str, float]:
    """Return the median of each number over the customers of whom it is known."""
    medians = values.select(selectors.numeric().cast(pl.Float64).fill_nan(None).median())
    return {
        name: float(value)
        for name, value in medians.row(0, named=True).items()
        if value is not None
    }


def rank_reasons(
    explained: Explained,
    values: pl.DataFrame,
    typical_of: Mapping[str, float],
    reasons: ChurnReasons,
) -> pl.DataFrame:
    """Return the three reasons that raise each row's risk most, or fewer.

    A reason is told where it raises the risk and its number, as it is shown, lies on the side of
    the median that its sentence means.

    Args:
        explained: Of the churn model, in the order of `values`.
        values: Columns that the reasons tell, a row per customer.
        typical_of: Of `find_typical` of all customers.
        reasons: Which feature belongs to which reason.

    Returns:
        churn_reason_1 .. 3 (codes), and for each _value (the customer's own) and _typical (the
        median of all); null where fewer reasons raise the risk.
    """
    names, parts = add_up_by_reason(explained, reasons)
    of_name = {reason.reason: reason for reason in reasons.reasons}
    told = [_told_column(values, of_name[name]) for name in names]
    own = values.select(pl.col(told).cast(pl.Float64).fill_null(np.nan)).to_numpy()
    typical = np.array([typical_of.get(column, np.nan) for column in told])
    side = np.array([1.0 if of_name[name].told_when == "above" else -1.0 for name in names])
    shown = [SHOWN_DECIMALS[of_name[name].shown_as] for name in names]
    # NaN, an unknown number, is on no side.
    is_told = ((_rounded(own, shown) - _rounded(typical, shown)) * side > 0) & (parts > LEAST_PART)
    ranked = np.where(is_told, parts, -np.inf)
    best = np.argsort(-ranked, axis=1, kind="stable")[:, :TOP]
    codes = pl.Series(names, dtype=pl.String)
    columns: dict[str, pl.Series] = {}
    rows = np.arange(len(best))
    for rank, choice in zip(RANKS, best.T, strict=False):
        is_reason = pl.Series(is_told[rows, choice])
        picked = {
            f"churn_reason_{rank}": codes.gather(pl.Series(choice)),
            f"churn_reason_{rank}_value": pl.Series(own[rows, choice]),
            f"churn_reason_{rank}_typical": pl.Series(typical[choice]),
        }
        for name, column in picked.items():
            columns[name] = pl.select(pl.when(is_reason).then(column)).to_series().alias(name)
    return pl.DataFrame(columns).with_columns(pl.col(pl.Float64).round(DECIMALS))


def _rounded(numbers: Floats, decimals: Sequence[int]) -> Floats:
    """Return each column as its sentence shows it."""
    units = 10.0 ** np.array(decimals)
    rounded: Floats = np.round(numbers * units) / units
    return rounded


def describe_reasons(scores: pl.DataFrame, reasons: ChurnReasons) -> pl.DataFrame:
    """Return the reasons as sentences: one row per customer and rank, sorted.

    Args:
        scores: customer_id and the columns of `rank_reasons`.
        reasons: The texts.

    Returns:
        customer_id, reason_rank, reason, value, typical_value, text_en, text_zh.
    """
    ranks = [
        scores.select(
            "customer_id",
            reason_rank=pl.lit(rank, pl.Int8),
            reason=pl.col(f"churn_reason_{rank}"),
            value=pl.col(f"churn_reason_{rank}_value"),
            typical_value=pl.col(f"churn_reason_{rank}_typical"),
        ).filter(pl.col("reason").is_not_null())
        for rank in RANKS
    ]
    told = pl.concat(ranks).sort("customer_id", "reason_rank").with_row_index("place")
    texts = [
        told.filter(reason=code).select(
            "place", text_en=_filled(text_en, shown_as), text_zh=_filled(text_zh, shown_as)
        )
        for code, text_en, text_zh, shown_as in _sentences(reasons)
    ]
    return told.join(pl.concat(texts), on="place", how="left", maintain_order="left").drop("place")


def _sentences(reasons: ChurnReasons) -> list[tuple[str, str, str, str]]:
    """Return each reason's code, its sentence in both languages, and how its numbers are shown."""
    plain = reasons.otherwise
    return [
        *((r.reason, r.text_en, r.text_zh, r.shown_as) for r in reasons.reasons),
        (plain.reason, plain.text_en, plain.text_zh, "percent"),
    ]


def _filled(text: str, shown_as: str) -> pl.Expr:
    columns = {"value": pl.col("value"), "typical": pl.col("typical_value")}
    pieces: list[pl.Expr] = []
    for words, place, _, _ in Formatter().parse(text):
        pieces.append(pl.lit(words))
        if place:
            pieces.append(_shown(columns[place], shown_as))
    return pl.concat_str(pieces)


def _shown(number: pl.Expr, how: str) -> pl.Expr:
    if how == "percent":
        shown = pl.format("{}%", (number * 100).round(0).cast(pl.Int64))
    elif how == "decimal":
        shown = number.round(1).cast(pl.String)
    else:
        shown = number.round(0).cast(pl.Int64).cast(pl.String)
    return shown.fill_null("-")


def _told_column(values: pl.DataFrame, reason: ChurnReason) -> str:
    """Return the column that is told, or the first known one of the reason's features."""
    return next(name for name in (reason.value, *reason.features) if name in values.columns)
