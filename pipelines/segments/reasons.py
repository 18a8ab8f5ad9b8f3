"""The reasons that a list tells, and text that no spreadsheet runs."""

import re

import polars as pl

from pipelines.rules.segments import Segment

PLACEHOLDER = re.compile(r"\{(\w+)\}")
# Invisible characters (spaces, controls, byte order marks) do not hide what comes after them.
FORMULA = r"^[\s\p{Cc}\p{Cf}]*[=+\-@\t\r\n＝＋－＠|%]"
PHONE = r"^\+[0-9]{8,15}$"


def named_columns(segment: Segment) -> set[str]:
    """Columns that a list shows or is sorted by."""
    named = {segment.order_by.removesuffix(" desc"), *segment.columns}
    for reason in (segment.reason, segment.reason_zh):
        named |= set(PLACEHOLDER.findall(reason))
    return named


def write_reason(template: str, schema: pl.Schema) -> pl.Expr:
    """The template with each customer's values; a missing value reads `-`."""
    names = PLACEHOLDER.findall(template)
    plain = PLACEHOLDER.sub("{}", template)
    return pl.format(plain, *[_shown(name, schema[name]) for name in names])


def _shown(name: str, dtype: pl.DataType) -> pl.Expr:
    value = pl.col(name)
    if dtype.is_decimal():
        value = value.cast(pl.Decimal(18, 2))
    if dtype.is_float() and name.endswith("_rate"):  # a share: 0.5 of 8 orders says nothing
        return pl.format("{}%", (100 * value).round(0).cast(pl.Int64)).fill_null("-")
    if dtype.is_float():
        return value.round(2).cast(pl.String).str.strip_suffix(".0").fill_null("-")
    return value.cast(pl.String).fill_null("-")


def guard_formulas(rows: pl.DataFrame) -> pl.DataFrame:
    """Put ' before text that a spreadsheet would run as a formula; phone numbers stay."""
    texts = [name for name, dtype in rows.schema.items() if dtype == pl.String]
    return rows.with_columns(_guarded(pl.col(name)).alias(name) for name in texts)


def _guarded(text: pl.Expr) -> pl.Expr:
    risky = text.str.contains(FORMULA) & ~text.str.contains(PHONE)
    return pl.when(risky).then(pl.concat_str(pl.lit("'"), text)).otherwise(text)
