"""Reads values as sources write them, in the types of the landing contract."""

import polars as pl

from pipelines.catalogue import Column

TIMESTAMP_FORMATS = (
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%d %H:%M",
    "%Y/%m/%d %H:%M:%S%.f",
    "%Y/%m/%d %H:%M",
)
ZONED = r"(?:[Zz]|[+-]\d{2}:?\d{2}|:\d{2}(?:\.\d+)?\s?[+-]\d{2})$"
TIME_OF_DAY = r"[Tt ]\d{1,2}:\d{2}[\d:.]*\s?(?:[Zz]|[+-]\d{2}(?::?\d{2})?)?$"
DATE_FORMATS = ("%Y-%m-%d", "%Y/%m/%d", "%Y%m%d")
TRUE, FALSE = ("true", "t", "yes", "y", "1", "是"), ("false", "f", "no", "n", "0", "否")


def read_values(column: Column, given: pl.DataType) -> pl.Expr:
    """The column's values in its declared type; null where a value cannot be read."""
    value, target = pl.col(column.name), column.dtype
    if column.format == "currency":
        return as_text(value, given).str.strip_chars().str.to_uppercase()
    if column.values:
        return as_text(value, given).str.strip_chars().str.to_lowercase()
    if not _is_of_kind(given, target):
        return _read_text(as_text(value, given), target)
    if isinstance(given, pl.Datetime) and given.time_zone and isinstance(target, pl.Datetime):
        return value.dt.convert_time_zone("UTC").dt.replace_time_zone(None).cast(target)
    if given.is_float():
        return _read_number(value, target)
    if isinstance(target, pl.List):
        return value.cast(target).fill_null(pl.lit([], target))
    return value.cast(target, strict=False)


def _is_of_kind(given: pl.DataType, target: pl.DataType) -> bool:
    """Whether values can be cast as they are; all others are read from their text."""
    if target in (pl.Date, pl.Datetime):
        return given in (pl.Date, pl.Datetime)
    if target.is_integer():
        return given.is_integer()
    if target.is_numeric():
        return given.is_numeric()
    return given == target


def as_text(value: pl.Expr, given: pl.DataType) -> pl.Expr:
    """Values of a type as the text that a person would have written."""
    if isinstance(given, pl.List):
        return value.cast(pl.List(pl.String)).list.join(";")
    if given.is_float():  # ids that a spreadsheet made 17850.0
        whole = value.cast(pl.Int64, strict=False)
        number = pl.when(value.is_finite()).then(value.cast(pl.String))
        return pl.when(whole == value).then(whole.cast(pl.String)).otherwise(number)
    return value.cast(pl.String)


def _read_number(number: pl.Expr, target: pl.DataType) -> pl.Expr:
    """Finite numbers that fit; a cast beyond a decimal's digits would be an error, not a null."""
    if not isinstance(target, pl.Decimal):
        return pl.when(number.is_finite()).then(number.cast(target, strict=False))
    limit = float(10 ** (target.precision - target.scale))
    return pl.when(number.abs() < limit).then(number).cast(target, strict=False)


def _read_text(as_written: pl.Expr, target: pl.DataType) -> pl.Expr:
    if target == pl.String:
        return as_written
    text = as_written.str.strip_chars()
    if target == pl.Boolean:
        word = text.str.to_lowercase()
        return pl.when(word.is_in(TRUE)).then(True).when(word.is_in(FALSE)).then(False)
    if isinstance(target, pl.Datetime):
        return _read_timestamp(text).cast(target)
    if target == pl.Date:
        day = text.str.replace(TIME_OF_DAY, "")
        return pl.coalesce(day.str.to_date(f, strict=False) for f in DATE_FORMATS)
    if isinstance(target, pl.List):
        return _read_list(text)
    if target.is_integer():
        whole = text.str.replace(r"\.0+$", "")
        return whole.cast(target, strict=False)
    number = _read_number(text.cast(pl.Float64, strict=False), target)
    if target.is_decimal():
        plain = pl.when(text.str.contains(r"^[+-]?\d*\.?\d+$")).then(text)
        return pl.coalesce(plain.str.strip_prefix("+").cast(target, strict=False), number)
    return number


def _read_list(text: pl.Expr) -> pl.Expr:
    """A JSON array of texts, or items parted by `;`, `,` or `|`."""
    item = pl.element().str.slice(1, pl.element().str.len_chars() - 2)
    quoted = text.str.extract_all(r'"(?:[^"\\]|\\.)*"').list.eval(
        item.str.replace_all(r"\\([\"\\/])", "$1")
    )
    inner = text.str.strip_chars("[]").str.strip_chars().str.replace_all(r"\s*[,;|]\s*", ";")
    none = pl.lit([], dtype=pl.List(pl.String))
    parted = pl.when(inner.str.len_chars() > 0).then(inner.str.split(";")).otherwise(none)
    return pl.when(text.str.contains(r'^\[\s*"')).then(quoted).otherwise(parted)


def _read_timestamp(text: pl.Expr) -> pl.Expr:
    """ISO 8601 and its common relatives; a time without a zone is UTC, as the contract says."""
    zoned = text.str.contains(ZONED)
    offset = (
        text.str.replace(r"[Zz]$", "+0000")
        .str.replace(r"([+-]\d{2}):(\d{2})$", "$1$2")
        .str.replace(r"(:\d{2}(?:\.\d+)?\s?[+-]\d{2})$", "${1}00")
    )
    with_zone = [
        offset.str.to_datetime(f"{f}%z", time_unit="us", time_zone="UTC", strict=False)
        for f in TIMESTAMP_FORMATS
    ]
    without = [text.str.to_datetime(f, time_unit="us", strict=False) for f in TIMESTAMP_FORMATS]
    days = [text.str.to_date(f, strict=False).cast(pl.Datetime("us")) for f in DATE_FORMATS]
    utc = pl.coalesce(with_zone).dt.replace_time_zone(None)
    return pl.when(zoned).then(utc).otherwise(pl.coalesce(*without, *days))
