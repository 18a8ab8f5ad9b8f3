"""The reasons that a list tells, and text that no spreadsheet runs."""

import re
from dataclasses import dataclass

import polars as pl

from pipelines.rules.segments import Segment

# {column}, {column orders} for what it counts, {column|what to say where nothing is known}
PLACEHOLDER = re.compile(r"\{(\w+)(?: ([a-z]+s))?(?:\|([^{}|]*))?\}")
# Invisible characters (spaces, controls, byte order marks) do not hide what comes after them.
FORMULA = r"^[\s\p{Cc}\p{Cf}]*[=+\-@\t\r\n＝＋－＠|%]"
PHONE = r"^\+[0-9]{8,15}$"


@dataclass(frozen=True)
class Words:
    """What a language says instead of a value."""

    unknown: str
    weekdays: tuple[str, ...]  # Monday first


ENGLISH = Words(
    "unknown",
    ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
)
CHINESE = Words("未知", ("星期一", "星期二", "星期三", "星期四", "星期五", "星期六", "星期日"))


def named_columns(segment: Segment) -> set[str]:
    """Columns that a list shows or is sorted by."""
    named = {segment.order_by.removesuffix(" desc"), *segment.columns}
    for reason in (segment.reason, segment.reason_zh):
        named |= {found[1] for found in PLACEHOLDER.finditer(reason)}
    return named


def write_reasons(segment: Segment, schema: pl.Schema) -> list[pl.Expr]:
    """`reason` and `reason_zh` of a list: its templates with each customer's values.

    Where a value is not known, it reads as the template says, else as unknown.
    """
    return [
        _write(segment.reason, schema, ENGLISH).alias("reason"),
        _write(segment.reason_zh, schema, CHINESE).alias("reason_zh"),
    ]


def _write(template: str, schema: pl.Schema, words: Words) -> pl.Expr:
    plain = PLACEHOLDER.sub("{}", template)
    values = [
        _counted(_shown(found[1], schema[found[1]], words), found[2]).fill_null(
            words.unknown if found[3] is None else found[3]
        )
        for found in PLACEHOLDER.finditer(template)
    ]
    return pl.format(plain, *values)


def _counted(value: pl.Expr, things: str | None) -> pl.Expr:
    """A number with what it counts, in English and a plural in s: 1 order, 2 orders."""
    if things is None:
        return value
    return value + pl.when(value == "1").then(pl.lit(f" {things.removesuffix('s')}")).otherwise(
        pl.lit(f" {things}")
    )


def is_count(name: str, dtype: pl.DataType) -> bool:
    """Whether a column is a number of things, which may be one: no money, share or weekday."""
    return not name.endswith("_weekday") and (
        dtype.is_integer() or (dtype.is_float() and not name.endswith("_rate"))
    )


def _shown(name: str, dtype: pl.DataType, words: Words) -> pl.Expr:
    value = pl.col(name)
    if name.endswith("_weekday"):
        return value.replace_strict(dict(enumerate(words.weekdays, 1)), return_dtype=pl.String)
    if dtype.is_decimal():
        value = value.cast(pl.Decimal(18, 2))
    if dtype.is_float() and name.endswith("_rate"):  # a share: 0.5 of 8 orders says nothing
        return pl.format("{}%", (100 * value).round(0).cast(pl.Int64))
    if dtype.is_float():
        return value.round(2).cast(pl.String).str.strip_suffix(".0")
    return value.cast(pl.String)


def guard_formulas(rows: pl.DataFrame) -> pl.DataFrame:
    """Put ' before text that a spreadsheet would run as a formula; phone numbers stay."""
    texts = [name for name, dtype in rows.schema.items() if dtype == pl.String]
    return rows.with_columns(_guarded(pl.col(name)).alias(name) for name in texts)


def _guarded(text: pl.Expr) -> pl.Expr:
    risky = text.str.contains(FORMULA) & ~text.str.contains(PHONE)
    return pl.when(risky).then(pl.concat_str(pl.lit("'"), text)).otherwise(text)
