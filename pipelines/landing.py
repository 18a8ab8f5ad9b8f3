"""Types rows by the catalogue and parts the good from the bad. Frames in, frames out."""

import re
from dataclasses import dataclass
from datetime import date, datetime

import duckdb
import polars as pl

from pipelines.catalogue import Column, Dataset
from pipelines.errors import C360Error

SCHEMA_VERSION = 1
MAX_TEXT = 100_000
# So many unreadable values are no longer bad rows: the column is another than it was.
RETYPED_SHARE, RETYPED_FROM = 0.95, 20
EARLIEST, LATEST = date(1900, 1, 1), date(2199, 12, 31)
TIMESTAMP_FORMATS = (
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%d %H:%M",
    "%Y/%m/%d %H:%M:%S%.f",
    "%Y/%m/%d %H:%M",
)
ZONED = r"(?:[Zz]|[+-]\d{2}:?\d{2})$"
DATE_FORMATS = ("%Y-%m-%d", "%Y/%m/%d", "%Y%m%d")
TRUE, FALSE = ("true", "t", "yes", "y", "1", "是"), ("false", "f", "no", "n", "0", "否")
ROW, RAW, RULE, RULE_COLUMN = "__row", "__raw", "__rule", "__column"


@dataclass(frozen=True)
class Landed:
    """Rows of one file that fit the contract, and those that do not."""

    rows: pl.DataFrame
    quarantined: pl.DataFrame
    unknown_columns: tuple[str, ...]


@dataclass(frozen=True)
class FileFacts:
    """Where rows come from."""

    source: str
    file: str
    as_of: date


def land_rows(raw: pl.DataFrame, dataset: Dataset, facts: FileFacts) -> Landed:
    """Type the rows of one file by the landing contract.

    Args:
        raw: the file's columns as read, plus `__row` (row number in the file), `__rule` (what
            already made the row unreadable, or null) and `__raw` (the text of such a row).
        dataset: the landing table.
        facts: the source, file and run date.

    Returns:
        Landed: `rows` in the catalogue's schema; `quarantined` with rule, column, source, table,
        file, row_number, raw. Every raw row is in exactly one of them.

    Raises:
        C360Error: a required column is missing, or (nearly) none of its values can be read.
    """
    named = _apply_aliases(raw, dataset)
    present = [name for name in named.columns if not name.startswith("__")]
    unknown = tuple(name for name in present if name not in dataset.schema)
    _require_columns(dataset, present, facts)
    filled = _fill_envelope(named, dataset, facts, unknown)
    typed = filled.with_columns(
        _typed(column, filled.schema[column.name]).alias(column.name) for column in dataset.columns
    )
    _refuse_retyped(filled, typed, dataset, facts)
    judged = _judge(filled, typed, dataset)
    good = judged.filter(pl.col(RULE).is_null())
    bad = judged.filter(pl.col(RULE).is_not_null())
    return Landed(
        rows=_with_record_hash(good, present).select(dataset.schema.names()),
        quarantined=_quarantined(bad, raw, dataset, facts),
        unknown_columns=unknown,
    )


def _apply_aliases(raw: pl.DataFrame, dataset: Dataset) -> pl.DataFrame:
    renames = {
        column.alias: column.name
        for column in dataset.columns
        if column.alias in raw.columns and column.name not in raw.columns
    }
    return raw.rename(renames)  # type: ignore[arg-type]


def _require_columns(dataset: Dataset, present: list[str], facts: FileFacts) -> None:
    filled_in = {"source", "source_account_id", "source_record_id", "op"}
    filled_in |= {"extracted_at", "record_hash", "schema_version"}
    missing = [name for name in dataset.required if name not in present and name not in filled_in]
    if missing:
        raise C360Error(
            f"{facts.file} of source {facts.source} has no column {', '.join(missing)}, "
            f"which {dataset.name} needs.",
            f"Columns found: {', '.join(present)}. Ask the source for the column, or map it.",
        )


def _fill_envelope(
    raw: pl.DataFrame, dataset: Dataset, facts: FileFacts, unknown: tuple[str, ...]
) -> pl.DataFrame:
    """Add the columns that the file need not have.

    Source and extraction date are ours to say, whatever the file claims. A row without any id
    is named after its content and its repetition within the file, so that a file delivered again
    gives the same ids, and two equal lines of one file stay two.
    """
    own = [name for name in raw.columns if not name.startswith("__")]
    filled = raw.with_columns(
        pl.lit(facts.source).alias("source"),
        pl.lit(datetime.combine(facts.as_of, datetime.min.time())).alias("extracted_at"),
        pl.lit(SCHEMA_VERSION).alias("schema_version"),
        pl.lit("").alias("record_hash"),
        _extra(unknown).alias("extra"),
    )
    if "source_record_id" not in own:
        content = _hash_rows(filled, own)
        repetition = pl.int_range(pl.len()).over("__content")
        filled = filled.with_columns(content.alias("__content")).with_columns(
            pl.format("{}-{}", "__content", repetition).alias("source_record_id")
        )
    for name, value in (("source_account_id", ""), ("op", "upsert")):
        given = pl.col(name).cast(pl.String) if name in own else pl.lit(None, pl.String)
        filled = filled.with_columns(given.fill_null(value).alias(name))
    absent = [name for name in dataset.schema if name not in filled.columns]
    return filled.with_columns(pl.lit(None, pl.String).alias(name) for name in absent)


def _extra(unknown: tuple[str, ...]) -> pl.Expr:
    if not unknown:
        return pl.lit(None, pl.String)
    return pl.struct(pl.col(name) for name in unknown).struct.json_encode()


def _hash_rows(frame: pl.DataFrame, columns: list[str]) -> pl.Series:
    """The first 16 hex digits of each row's MD5: quick, and stable, unlike Polars' own hash."""
    texts = frame.select(pl.struct(sorted(columns)).struct.json_encode().alias("content"))
    with duckdb.connect() as connection:
        connection.register("texts", texts.to_arrow())
        return connection.sql("select left(md5(content), 16) as h from texts").pl()["h"]


def _with_record_hash(rows: pl.DataFrame, given: list[str]) -> pl.DataFrame:
    """Digest what the file says about the record; columns it lacks say nothing."""
    told = [*(name for name in given if name in rows.columns), "extra"]
    return rows.with_columns(_hash_rows(rows, told).alias("record_hash"))


def _typed(column: Column, given: pl.DataType) -> pl.Expr:
    """The column's values in its declared type; null where a value cannot be read."""
    value, target = pl.col(column.name), column.dtype
    if column.format == "currency":
        return value.cast(pl.String).str.strip_chars().str.to_uppercase()
    if column.values:
        return value.cast(pl.String).str.strip_chars().str.to_lowercase()
    if given == pl.String:
        return _read_text(value.str.strip_chars(), target, value)
    if isinstance(given, pl.Datetime) and given.time_zone and isinstance(target, pl.Datetime):
        return value.dt.convert_time_zone("UTC").dt.replace_time_zone(None).cast(target)
    if isinstance(given, pl.List) and target == pl.String:
        return value.cast(pl.List(pl.String)).list.join(";")
    if given.is_float() and target == pl.String:  # ids that a spreadsheet made 17850.0
        whole = value.cast(pl.Int64, strict=False)
        return pl.when(whole == value).then(whole.cast(pl.String)).otherwise(value.cast(pl.String))
    if target.is_decimal() and given.is_float():
        finite = pl.when(value.is_finite()).then(value)
        return finite.round(4).cast(target, strict=False)
    return value.cast(target, strict=False)


def _read_text(text: pl.Expr, target: pl.DataType, as_written: pl.Expr) -> pl.Expr:
    if target == pl.String:
        return as_written
    if target == pl.Boolean:
        word = text.str.to_lowercase()
        return pl.when(word.is_in(TRUE)).then(True).when(word.is_in(FALSE)).then(False)
    if isinstance(target, pl.Datetime):
        return _read_timestamp(text).cast(target)
    if target == pl.Date:
        days = [text.str.head(10).str.to_date(f, strict=False) for f in DATE_FORMATS]
        return pl.coalesce(days)
    if isinstance(target, pl.List):
        inner = text.str.strip_chars('[]"').str.replace_all(r'"?\s*[,;|]\s*"?', ";")
        none = pl.lit([], dtype=pl.List(pl.String))
        return pl.when(inner.str.len_chars() > 0).then(inner.str.split(";")).otherwise(none)
    if target.is_integer():
        whole = text.str.replace(r"\.0+$", "")
        return whole.cast(target, strict=False)
    number = text.cast(pl.Float64, strict=False)
    if target.is_decimal():
        plain = pl.when(text.str.contains(r"^[+-]?\d*\.?\d+$")).then(text)
        exact = plain.str.strip_prefix("+").cast(target, strict=False)
        return pl.coalesce(
            exact, pl.when(number.is_finite()).then(number).cast(target, strict=False)
        )
    return pl.when(number.is_finite()).then(number)


def _read_timestamp(text: pl.Expr) -> pl.Expr:
    """ISO 8601 and its common relatives; a time without a zone is UTC, as the contract says."""
    zoned = text.str.contains(ZONED)
    offset = text.str.replace(r"[Zz]$", "+0000").str.replace(r"([+-]\d{2}):(\d{2})$", "$1$2")
    with_zone = [
        offset.str.to_datetime(f"{f}%z", time_unit="us", time_zone="UTC", strict=False)
        for f in TIMESTAMP_FORMATS
    ]
    without = [text.str.to_datetime(f, time_unit="us", strict=False) for f in TIMESTAMP_FORMATS]
    days = [text.str.to_date(f, strict=False).cast(pl.Datetime("us")) for f in DATE_FORMATS]
    utc = pl.coalesce(with_zone).dt.replace_time_zone(None)
    return pl.when(zoned).then(utc).otherwise(pl.coalesce(*without, *days))


def _given(frame: pl.DataFrame, name: str) -> pl.Expr:
    """True where the file has a value: an empty text is none."""
    value = pl.col(name)
    if frame.schema[name] == pl.String:
        return value.str.strip_chars().str.len_chars().fill_null(0) > 0
    return value.is_not_null()


def _refuse_retyped(
    filled: pl.DataFrame, typed: pl.DataFrame, dataset: Dataset, facts: FileFacts
) -> None:
    readable = filled.select(RULE).with_columns(pl.col(RULE).is_null().alias("ok"))["ok"]
    for column in dataset.columns:
        if not column.required:
            continue
        given = filled.select(_given(filled, column.name).alias("g"))["g"] & readable
        unread = given & typed[column.name].is_null()
        if given.sum() >= RETYPED_FROM and unread.sum() >= RETYPED_SHARE * given.sum():
            raise C360Error(
                f"{facts.file} of source {facts.source}: {unread.sum()} of {given.sum()} values of "
                f"{column.name} are not a {column.data_type}; the column was retyped.",
                f"Ask the source what became of it, or map the column; {dataset.name} needs it.",
            )


def _judge(filled: pl.DataFrame, typed: pl.DataFrame, dataset: Dataset) -> pl.DataFrame:
    """Give each bad row the first rule that it breaks, and the column."""
    verdicts: list[tuple[pl.Series, str, str]] = []
    for column in dataset.columns:
        value = typed[column.name]
        given = filled.select(_given(filled, column.name).alias("g"))["g"]
        verdicts.append((given & value.is_null(), f"not_a_{_kind(column)}", column.name))
        if column.required and column.name != "source_account_id":
            verdicts.append(
                (~given & (column.name != "record_hash"), "required_missing", column.name)
            )
        verdicts.extend((broken, rule, column.name) for broken, rule in _value_rules(column, value))
    if dataset.one_of:
        none = pl.all_horizontal(~_given(filled, name) for name in dataset.one_of)
        verdicts.append(
            (filled.select(none.alias("n"))["n"], "one_of_missing", " or ".join(dataset.one_of))
        )
    rule = pl.when(pl.col(RULE).is_not_null()).then(pl.col(RULE))
    where = pl.when(pl.col(RULE).is_not_null()).then(pl.lit(""))
    for broken, name, column_name in verdicts:
        if broken.fill_null(False).any():
            flag = pl.lit(broken.fill_null(False))
            rule, where = (
                rule.when(flag).then(pl.lit(name)),
                where.when(flag).then(pl.lit(column_name)),
            )
    empty = pl.lit(None, pl.String)
    nulled = [pl.when(_given(filled, n)).then(typed[n]).alias(n) for n in _texts(dataset, filled)]
    return typed.with_columns(
        rule.otherwise(empty).alias(RULE), where.otherwise(empty).alias(RULE_COLUMN), *nulled
    )


def _texts(dataset: Dataset, filled: pl.DataFrame) -> list[str]:
    """Text columns whose empty texts become null; an empty account id is a value."""
    return [
        column.name
        for column in dataset.columns
        if column.dtype == pl.String
        and filled.schema[column.name] == pl.String
        and column.name not in ("source_account_id", "record_hash")
    ]


def _kind(column: Column) -> str:
    return re.sub(r"\W.*", "", column.data_type)


def _value_rules(column: Column, value: pl.Series) -> list[tuple[pl.Series, str]]:
    """Rules on a value that could be read."""
    if column.values:
        return [(value.is_not_null() & ~value.is_in(column.values), "not_in_list")]
    if column.format == "currency":
        return [(~value.str.contains(r"^[A-Z]{3}$"), "not_a_currency")]
    if value.dtype == pl.String:
        return [
            (value.str.contains("\x00", literal=True), "control_character"),
            (value.str.contains("\ufffd", literal=True), "bad_encoding"),
            (value.str.len_chars() > MAX_TEXT, "text_too_long"),
        ]
    if value.dtype == pl.Date or isinstance(value.dtype, pl.Datetime):
        day = value.cast(pl.Date)
        return [((day < EARLIEST) | (day > LATEST), "out_of_range")]
    return []


def _quarantined(
    bad: pl.DataFrame, raw: pl.DataFrame, dataset: Dataset, facts: FileFacts
) -> pl.DataFrame:
    own = [name for name in raw.columns if not name.startswith("__")]
    received = raw.join(bad.select(ROW), on=ROW, how="semi", maintain_order="left").select(
        ROW, pl.coalesce(RAW, pl.struct(own).struct.json_encode()).alias("raw")
    )
    return bad.join(received, on=ROW, maintain_order="left").select(
        pl.col(RULE).alias("rule"),
        pl.col(RULE_COLUMN).alias("column"),
        pl.lit(facts.source).alias("source"),
        pl.lit(dataset.name).alias("table"),
        pl.lit(facts.file).alias("file"),
        pl.col(ROW).cast(pl.Int64).alias("row_number"),
        "raw",
    )
