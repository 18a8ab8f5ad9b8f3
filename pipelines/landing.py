"""Types rows by the catalogue and parts the good from the bad. Frames in, frames out."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime

import duckdb
import polars as pl

from pipelines.catalogue import Column, Dataset
from pipelines.errors import C360Error
from pipelines.forgetting import EDITS, RECORD, Forgetting, list_edits, whole_rows, without
from pipelines.landing_values import as_text, read_values

SCHEMA_VERSION = 1
MAX_TEXT = 100_000
# So many unreadable values are no longer bad rows: the column is another than it was.
RETYPED_SHARE, RETYPED_FROM = 0.95, 20
EARLIEST, LATEST = date(1900, 1, 1), date(2199, 12, 31)
ROW, RAW, RULE, RULE_COLUMN = "__c360_row", "__c360_raw", "__c360_rule", "__c360_column"
EXTRA = "__c360_extra"  # what a connector maps nowhere, already as JSON
BOOKKEEPING = (ROW, RAW, RULE, EXTRA, RECORD)
TOMBSTONES = ("delete", "erase")  # they say no more than who is gone
# An empty account id is a value; the hash is filled in at the end.
MAY_BE_EMPTY = ("source_account_id", "record_hash")
# What land itself says of every row, whatever the file claims.
ENVELOPE_NEEDED = ("source_record_id", "op")
OURS = ("source", "extracted_at", "record_hash", "schema_version", "extra")


# Of a row in quarantine, what may tell of a person.
SECRET_OF_QUARANTINED = frozenset({"raw"})


@dataclass(frozen=True)
class Landed:
    """Rows of one file that fit the contract, and those that do not."""

    rows: pl.DataFrame
    quarantined: pl.DataFrame
    unknown_columns: tuple[str, ...]
    erased_count: int
    edits: pl.DataFrame


@dataclass(frozen=True)
class FileFacts:
    """Where rows come from."""

    source: str
    file: str
    as_of: date


@dataclass
class SeenRows:
    """Contents of a file's rows so far: equal lines stay apart, also if batches part them."""

    times: pl.DataFrame = field(
        default_factory=lambda: pl.DataFrame(schema={"content": pl.UInt64, "times": pl.UInt32})
    )

    def number(self, contents: pl.Series) -> pl.Series:
        """How many rows of the same content came before each row."""
        rows = pl.DataFrame({"content": contents.str.to_integer(base=16, dtype=pl.UInt64)})
        before = rows.with_columns(pl.int_range(pl.len()).over("content").alias("here")).join(
            self.times, on="content", how="left", maintain_order="left"
        )
        here = rows.group_by("content").agg(pl.len().cast(pl.UInt32).alias("times"))
        self.times = pl.concat([self.times, here]).group_by("content").agg(pl.col("times").sum())
        return before.select(pl.col("here") + pl.col("times").fill_null(0)).to_series()


def land_rows(
    raw: pl.DataFrame,
    dataset: Dataset,
    facts: FileFacts,
    seen: SeenRows | None = None,
    forgetting: Forgetting | None = None,
) -> Landed:
    """Type the rows of one file by the landing contract.

    Column names count without the spaces around them and in lower case.

    Args:
        raw: the file's columns as read (text, numbers, booleans, dates, times, lists of text),
            plus `__c360_row` (row number in the file), `__c360_rule` (what already made the row
            unreadable, or null), `__c360_raw` (the text of such a row) and, from a connector,
            `__c360_extra` (what it maps nowhere).
        dataset: the landing table.
        facts: the source, file and run date.
        seen: the rows of earlier batches of the same file.
        forgetting: who was erased; nobody, if left out.

    Returns:
        Landed: `rows` in the catalogue's schema; `quarantined` with rule, column, source, table,
        file, row_number, raw; `erased_count`. Every raw row is in exactly one of them. `edits`
        tells what of the raw file may not stay.

    Raises:
        C360Error: a required column is missing, or (nearly) none of its values can be read, or
            two columns go by one name.
    """
    named = raw.rename(_declared_names(raw, dataset, facts))
    present = _own_columns(named)
    unknown = tuple(name for name in present if name not in dataset.schema or name == "extra")
    _require_columns(named, dataset, present, facts)
    told = [name for name in present if name in dataset.schema and name not in OURS]
    filled = _fill_envelope(named, dataset, facts, unknown, told, seen or SeenRows())
    typed = filled.with_columns(
        read_values(column, filled.schema[column.name]).alias(column.name)
        for column in dataset.columns
    )
    given = filled.select(_given(filled, name).alias(name) for name in dataset.schema)
    _refuse_retyped(given.filter(filled[RULE].is_null()), typed.filter(filled[RULE].is_null()),
                    dataset, facts)  # fmt: skip
    edits = [pl.DataFrame(schema=EDITS)]
    at = RECORD if RECORD in raw.columns else ROW
    if forgetting:
        erased = forgetting.judge(typed, dataset)
        edits += list_edits(typed, erased, at)
        given = without(given, erased, pl.lit(value=False))
        typed = without(typed, erased, pl.lit(None))
    judged = _judge(given, typed, dataset)
    good = judged.filter(pl.col(RULE).is_null())
    bad = judged.filter(pl.col(RULE).is_not_null())
    quarantined = _quarantined(bad, raw, dataset, facts)
    if forgetting and bad.height:
        torn = forgetting.judge_texts(quarantined.select("source", "raw"))
        edits.append(whole_rows(bad.filter(torn), at))
        quarantined = quarantined.filter(~torn)
    return Landed(
        rows=_with_record_hash(good, told).select(dataset.schema.names()),
        quarantined=quarantined,
        unknown_columns=unknown,
        erased_count=raw.height - good.height - quarantined.height,
        edits=pl.concat(edits).unique(maintain_order=True),
    )


def _own_columns(raw: pl.DataFrame) -> list[str]:
    return [name for name in raw.columns if name not in BOOKKEEPING]


def _declared_names(raw: pl.DataFrame, dataset: Dataset, facts: FileFacts) -> dict[str, str]:
    """What the contract calls the file's columns; those it does not know keep their name."""
    plain = {name: name.strip().lower() for name in _own_columns(raw)}
    aliases = {
        column.alias: column.name
        for column in dataset.columns
        if column.alias and column.name not in plain.values()
    }
    declared = {name: aliases.get(short, short) for name, short in plain.items()}
    declared = {name: known for name, known in declared.items() if known in dataset.schema}
    found = [*declared.values(), *(name for name in plain if name not in declared)]
    if repeated := sorted({name for name in found if found.count(name) > 1}):
        raise C360Error(
            f"{facts.file} of source {facts.source} has the column {', '.join(repeated)} twice.",
            "Names that differ only in case or in spaces around them are one; keep one of them.",
        )
    return declared


def _require_columns(
    raw: pl.DataFrame, dataset: Dataset, present: list[str], facts: FileFacts
) -> None:
    filled_in = {"source", "source_account_id", "source_record_id", "op"}
    filled_in |= {"extracted_at", "record_hash", "schema_version"}
    if not any(name in dataset.schema for name in present):  # the first line may be a person
        raise C360Error(
            f"{facts.file} of source {facts.source} has none of the columns of {dataset.name}.",
            "Its first line must name the columns, as the landing contract calls them.",
        )
    missing = [name for name in dataset.required if name not in present and name not in filled_in]
    if missing and EXTRA not in raw.columns:  # a connector's rows are judged one by one
        raise C360Error(
            f"{facts.file} of source {facts.source} has no column {', '.join(missing)}, "
            f"which {dataset.name} needs.",
            f"Columns found: {', '.join(present)}. Ask the source for the column, or map it.",
        )


def _fill_envelope(
    raw: pl.DataFrame,
    dataset: Dataset,
    facts: FileFacts,
    unknown: tuple[str, ...],
    told: list[str],
    seen: SeenRows,
) -> pl.DataFrame:
    """Add the columns that the file need not have.

    Source and extraction date are ours to say, whatever the file claims. A row without any id
    is named after its content and its repetition within the file, so that a file delivered again
    gives the same ids, and two equal lines of one file stay two.
    """
    filled = raw.with_columns(
        pl.lit(facts.source).alias("source"),
        pl.lit(datetime.combine(facts.as_of, datetime.min.time())).alias("extracted_at"),
        pl.lit(SCHEMA_VERSION).alias("schema_version"),
        pl.lit("").alias("record_hash"),
        _extra(raw, unknown).alias("extra"),
    )
    if "source_record_id" not in told:
        contents = _hash_rows(filled, [*told, "extra"])
        filled = filled.with_columns(
            pl.format("{}-{}", contents, seen.number(contents)).alias("source_record_id")
        )
    for name, value in (("source_account_id", ""), ("op", "upsert")):
        given = pl.lit(None, pl.String)
        if name in told:
            given = pl.when(_given(raw, name)).then(as_text(pl.col(name), raw.schema[name]))
        filled = filled.with_columns(given.fill_null(value).alias(name))
    absent = {name: kind for name, kind in dataset.schema.items() if name not in filled.columns}
    return filled.with_columns(pl.lit(None, kind).alias(name) for name, kind in absent.items())


def _extra(raw: pl.DataFrame, unknown: tuple[str, ...]) -> pl.Expr:
    """The unknown columns that have a value, as a JSON object; null where none has."""
    if EXTRA in raw.columns:
        return pl.col(EXTRA)
    if not unknown:
        return pl.lit(None, pl.String)
    items = [
        pl.when(_given(raw, name)).then(
            pl.struct(name).struct.json_encode().str.strip_prefix("{").str.strip_suffix("}")
        )
        for name in unknown
    ]
    found = pl.concat_str(items, separator=",", ignore_nulls=True)
    return pl.when(found != "").then(pl.concat_str(pl.lit("{"), found, pl.lit("}")))


def _hash_rows(frame: pl.DataFrame, columns: Iterable[str]) -> pl.Series:
    """The first 16 hex digits of each row's MD5: quick, and stable, unlike Polars' own hash.

    A column without a value says as little as one that is not there.
    """
    names = sorted(columns)
    given = frame.select(pl.col(name).alias(f"c{place}") for place, name in enumerate(names))
    items = (f"? || nullif(cast({name} as varchar), '')" for name in given.columns)
    query = f"select left(md5(concat_ws(chr(31), {', '.join(items)})), 16) as h from given"  # noqa: S608
    with duckdb.connect() as connection:
        connection.register("given", given.to_arrow())
        return connection.execute(query, [f"{name}=" for name in names]).pl()["h"]


def _with_record_hash(rows: pl.DataFrame, told: list[str]) -> pl.DataFrame:
    """Digest what the file says about the record."""
    return rows.with_columns(_hash_rows(rows, [*told, "extra"]).alias("record_hash"))


def _given(frame: pl.DataFrame, name: str) -> pl.Expr:
    """True where the file has a value: an empty text or list is none."""
    value = pl.col(name)
    if isinstance(frame.schema[name], pl.List):
        return value.list.len().fill_null(0) > 0
    if frame.schema[name] == pl.String:
        return value.str.strip_chars().str.len_chars().fill_null(0) > 0
    return value.is_not_null()


def _refuse_retyped(
    given: pl.DataFrame, typed: pl.DataFrame, dataset: Dataset, facts: FileFacts
) -> None:
    for column in dataset.columns:
        if not column.required:
            continue
        told = int(given[column.name].sum())
        unread = int((given[column.name] & typed[column.name].is_null()).sum())
        if told >= RETYPED_FROM and unread >= RETYPED_SHARE * told:
            raise C360Error(
                f"{facts.file} of source {facts.source}: {unread} of {told} values of "
                f"{column.name} are not a {column.data_type}; the column was retyped.",
                f"Ask the source what became of it, or map the column; {dataset.name} needs it.",
            )


def _judge(given: pl.DataFrame, typed: pl.DataFrame, dataset: Dataset) -> pl.DataFrame:
    """Give each bad row the first rule that it breaks, and the column."""
    verdicts: list[tuple[pl.Series, str, str]] = []
    stays = ~typed["op"].is_in(TOMBSTONES)
    envelope = (*ENVELOPE_NEEDED, *OURS)
    for column in dataset.columns:
        value, has_value = typed[column.name], given[column.name]
        verdicts.append((has_value & value.is_null(), f"not_a_{_kind(column)}", column.name))
        if column.required and column.name not in MAY_BE_EMPTY:
            needed = ~has_value if column.name in envelope else ~has_value & stays
            verdicts.append((needed, "required_missing", column.name))
        verdicts.extend(
            (has_value & broken, rule, column.name) for broken, rule in _value_rules(column, value)
        )
    if dataset.one_of:
        none = given.select(~pl.any_horizontal(dataset.one_of)).to_series()
        verdicts.append((none & stays, "one_of_missing", " or ".join(dataset.one_of)))
    rules, places = [pl.col(RULE)], [pl.when(pl.col(RULE).is_not_null()).then(pl.lit(""))]
    for broken, name, column_name in verdicts:
        if broken.any():
            rules.append(pl.when(pl.lit(broken)).then(pl.lit(name)))
            places.append(pl.when(pl.lit(broken)).then(pl.lit(column_name)))
    nulled = [
        pl.when(given[column.name]).then(pl.col(column.name)).alias(column.name)
        for column in dataset.columns
        if column.dtype == pl.String and column.name not in MAY_BE_EMPTY
    ]
    return typed.with_columns(
        pl.coalesce(rules).alias(RULE), pl.coalesce(places).alias(RULE_COLUMN), *nulled
    )


def _kind(column: Column) -> str:
    return re.sub(r"\W.*", "", column.data_type)


def _value_rules(column: Column, value: pl.Series) -> list[tuple[pl.Series, str]]:
    """Rules on a value that could be read."""
    if column.values:
        return [(~value.is_in(column.values), "not_in_list")]
    if column.format == "currency":
        return [(~value.str.contains(r"^[A-Z]{3}$"), "not_a_currency")]
    if isinstance(value.dtype, pl.List):
        value = value.list.join("")
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
    received = raw.join(bad.select(ROW), on=ROW, how="semi", maintain_order="left").select(
        ROW, pl.coalesce(RAW, pl.struct(_own_columns(raw)).struct.json_encode()).alias("raw")
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
