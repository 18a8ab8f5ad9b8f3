"""The BigQuery export of Google Analytics 4: files `events_YYYYMMDD*`, Parquet or JSON lines.

A day is a table of its own in BigQuery, and one or more files here (`bq extract`). The files of a
day that look as they did are not fetched; if one changed, the whole day is read again. What today
has brought so far (`events_intraday_*`) is passed over: it comes again tomorrow, as it is to stay.

Ten million events a day want no loop over events: DuckDB maps a day in one stream.

Not verified with an export of our own: that JSON lines have whole numbers as text and leave out
nulls (both ways are read), and that a list of files may end with an empty one (it is passed over).
"""

import re
from collections import defaultdict
from datetime import date, datetime
from pathlib import Path

import duckdb
import polars as pl
from polars.exceptions import PolarsError

from pipelines.errors import C360Error, SourceDownError
from pipelines.extract.buckets import File, Folder
from pipelines.extract.ga4.days import ID, Days, FileFacts, KnownDay, quoted
from pipelines.extract.mapping import country_code
from pipelines.lake import empty_folder, sha256_of

# No ending at all is what `bq extract` gives where it was asked for none.
NAME = re.compile(
    r"events_(?P<day>\d{8})(?!\d)([^.]*|.*\.(parquet|jsonl?|ndjson)(\.gz)?)", re.IGNORECASE
)
PARQUET, GZIP = b"PAR1", b"\x1f\x8b"
VALUE = "struct(string_value varchar, int_value bigint, float_value double, double_value double)"
# The fields that are read. Older exports have fewer; those are null.
FIELDS: dict[str, str | dict[str, str]] = {
    "event_timestamp": "bigint",
    "event_name": "varchar",
    "event_params": f"struct(key varchar, value {VALUE})[]",
    "user_id": "varchar",
    "user_pseudo_id": "varchar",
    "stream_id": "varchar",
    "batch_page_id": "bigint",
    "batch_ordering_id": "bigint",
    "batch_event_index": "bigint",
    "privacy_info": {"analytics_storage": "varchar", "ads_storage": "varchar"},
    "device": {"category": "varchar"},
    "geo": {"country": "varchar", "city": "varchar"},
    "collected_traffic_source": {
        "manual_source": "varchar",
        "manual_medium": "varchar",
        "manual_campaign_name": "varchar",
    },
    "ecommerce": {"transaction_id": "varchar", "purchase_revenue": "double"},
    "items": "struct(item_id varchar)[]",
}
NEEDED = ("event_timestamp", "event_name", "event_params")
# What names an event. Google gives it no id, and repeats all of this now and then.
KEY = (
    "stream_id",
    "user_pseudo_id",
    "event_timestamp",
    "event_name",
    "batch_page_id",
    "batch_ordering_id",
    "batch_event_index",
)
ID_LENGTH = 24
HOST = "^[A-Za-z][A-Za-z0-9+.-]*://[^/]*"
PARAMS = (
    "page_location",
    "page_referrer",
    "ga_session_id",
    "search_term",
    "source",
    "medium",
    "campaign",
    "transaction_id",
    "value",
    "currency",
    "engagement_time_msec",
)


def read_export(folder: Folder, days: Days, oldest: date) -> None:
    """Bring in the days whose files are new or have changed, the oldest first.

    Args:
        folder: where the export lies.
        days: what is known, and takes what is new.
        oldest: days before are not read.

    Raises:
        C360Error: there is no export, or a day of it cannot be read; the days before it are kept.
    """
    by_day = days_of(folder)
    if not by_day and not days.known:
        raise C360Error(
            f"Source {folder.source}: {folder.path} holds no file events_YYYYMMDD*.",
            "Let `bq extract` write the daily tables there, as Parquet or as JSON lines.",
        )
    for day, files in sorted(by_day.items()):
        if day < oldest or _is_as_known(files, days.known.get(day)):
            continue
        if not any(file.size for file in files):
            days.tell(f"{day}: the export is empty, and is passed over")
            continue
        _read_day(folder, days, day, files)


def days_of(folder: Folder) -> dict[date, list[File]]:
    """The files of the export, by day."""
    by_day: dict[date, list[File]] = defaultdict(list)
    for file in folder.files():
        if name := NAME.fullmatch(file.name):
            try:
                day = datetime.strptime(name["day"], "%Y%m%d").date()  # noqa: DTZ007 - a day
            except ValueError:
                continue
            by_day[day].append(file)
    return by_day


def _is_as_known(files: list[File], known: KnownDay | None) -> bool:
    if known is None or not all(file.stamp for file in files):
        return False
    was = {name: (facts.size, facts.stamp) for name, facts in known.files.items()}
    return was == {file.name: (file.size, file.stamp) for file in files}


def _read_day(folder: Folder, days: Days, day: date, files: list[File]) -> None:
    scratch = empty_folder(days.scratch / "files")
    paths = [folder.fetch(file, scratch / str(number)) for number, file in enumerate(files)]
    facts = {
        file.name: FileFacts(file.size, file.stamp, sha256_of(path))
        for file, path in zip(files, paths, strict=True)
    }
    known = days.known.get(day)
    if known and _digests(facts) == _digests(known.files):
        if facts != known.files:
            days.confirm(day, facts)
        return
    try:
        query = _map_day(days, day, paths)
        days.replace(day, query, facts, days.source.max_vanished_share)
    except (duckdb.Error, PolarsError) as error:  # its words may hold data
        raise SourceDownError(
            f"Source {folder.source}: the export of {day} cannot be read "
            f"({type(error).__name__}): a file is not whole, or not as Google writes it.",
            "Extract that day again. If it is whole, look for room on the disk.",
        ) from None


def _digests(files: dict[str, FileFacts]) -> dict[str, str]:
    return {name: facts.sha256 for name, facts in files.items()}


def _map_day(days: Days, day: date, paths: list[Path]) -> str:
    """Look through a day's files for what mapping them needs; returns the mapping as SQL."""
    events = " union all ".join(
        f"select {number} as file, file_row_number as row, {_fields(path)} "  # noqa: S608
        f"from read_parquet({quoted(path)}, file_row_number = true)"
        for number, path in enumerate(_as_parquet(days, path) for path in paths)
    )
    days.query(f"create or replace temp view events as {events}")
    # Repeats are few: they are found by a short hash, so that the day need not be sorted.
    key = ", ".join(KEY)
    days.query(f"""
        create or replace temp table repeats as
        with rough as (select hash({key}) as rough from events group by rough having count(*) > 1)
        select file, row, row_number() over (partition by {key} order by file, row) as nth
        from events where hash({key}) in (from rough)
    """)  # noqa: S608
    found = days.query("select distinct geo_country from events")
    codes = {name: country_code(name) for (name,) in found}
    return _mapping(day, {name: code for name, code in codes.items() if code})


def _as_parquet(days: Days, path: Path) -> Path:
    """JSON lines as the Parquet that they might have been; Parquet as it is."""
    with path.open("rb") as file:
        beginning = file.read(4)
    if beginning == PARQUET:
        return path
    types = ", ".join(
        f"{name}: '{kind if isinstance(kind, str) else _struct(kind)}'"
        for name, kind in FIELDS.items()
    )
    target = path.with_suffix(".parquet")
    compression = "gzip" if beginning.startswith(GZIP) else "uncompressed"
    days.query(
        f"copy (from read_json({quoted(path)}, columns = {{{types}}}, "
        f"format = 'newline_delimited', compression = '{compression}')) "
        f"to {quoted(target)} (format parquet)"
    )
    path.unlink()
    return target


def _struct(kinds: dict[str, str]) -> str:
    return f"struct({', '.join(f'{name} {kind}' for name, kind in kinds.items())})"


def _fields(path: Path) -> str:
    """The fields of a Parquet file as columns `device_category`, those it lacks as nulls.

    A field within a struct is named by itself, so that the others beside it are not even read.
    """
    schema = pl.read_parquet_schema(path)
    if missing := [name for name in NEEDED if name not in schema]:
        raise pl.exceptions.ColumnNotFoundError(", ".join(missing))
    columns = []
    for name, kind in FIELDS.items():
        if isinstance(kind, str):
            columns.append((name, name, kind, name in schema))
            continue
        given = schema.get(name)
        inner = {f.name for f in given.fields} if isinstance(given, pl.Struct) else set()
        columns += [
            (f"{name}.{part}", f"{name}_{part}", inner_kind, part in inner)
            for part, inner_kind in kind.items()
        ]
    return ", ".join(
        f"cast({field if is_there else 'null'} as {kind}) as {column}"
        for field, column, kind, is_there in columns
    )


def _mapping(day: date, countries: dict[str, str]) -> str:
    """The landing columns of the view `events`, as SQL."""
    key = ", ".join(f"coalesce(cast({name} as varchar), '')" for name in KEY)
    codes = ", ".join(f"({quoted(name)}, {quoted(code)})" for name, code in countries.items())
    values = ", ".join(
        f"event_params[list_position(keys, '{name}')].value as param_{name}" for name in PARAMS
    )
    return f"""
        with keyed as (
            select *, list_transform(event_params, lambda param: param.key) as keys from events
        ),
        told as (
            select * exclude (event_params, keys), {values} from keyed
        )
        select
            left(md5(concat_ws(chr(31), '{day}', {key})), {ID_LENGTH})
                || case when repeats.nth > 1 then '-' || repeats.nth else '' end as {ID},
            'event' as grain,
            event_name,
            make_timestamp(event_timestamp) as event_at,
            1 as event_count,
            {_said("user_pseudo_id")} || '.' || {_text("ga_session_id")} as session_id,
            {_said("user_pseudo_id")} as anonymous_id,
            {_said("user_id")} as user_id,
            regexp_replace({_plain_address("page_location")}, '{HOST}', '') as page_path,
            case when event_name = 'view_search_results' then {_text("search_term")} end
                as search_term,
            {_plain_address("page_referrer")} as referrer,
            coalesce({_said("collected_traffic_source_manual_source")}, {_text("source")})
                as utm_source,
            coalesce({_said("collected_traffic_source_manual_medium")}, {_text("medium")})
                as utm_medium,
            coalesce({_said("collected_traffic_source_manual_campaign_name")}, {_text("campaign")})
                as utm_campaign,
            {_said("device_category")} as device_category,
            countries.code as country,
            {_said("geo_city")} as city,
            coalesce({_said("ecommerce_transaction_id")}, {_text("transaction_id")})
                as transaction_id,
            try_cast(coalesce({_number("value")}, ecommerce_purchase_revenue) as decimal(18, 4))
                as value,
            nullif(regexp_extract(upper({_text("currency")}), '^[A-Z]{{3}}$'), '') as currency,
            list_sort(list_distinct(list_transform(items, lambda item: {_said("item.item_id")})))
                as item_ids,
            try_cast({_number("engagement_time_msec")} as bigint) as engagement_time_ms,
            {_consent("privacy_info_analytics_storage")} as consent_analytics,
            {_consent("privacy_info_ads_storage")} as consent_ads
        from told
        left join repeats using (file, row)
        left join (values ('', null), {codes or "('', null)"}) as countries (name, code)
            on told.geo_country = countries.name
    """  # noqa: S608


def _text(param: str) -> str:
    """A parameter as text: what looks like a number, such as an order's, is sent as one."""
    value = f"param_{param}"
    return _said(
        f"coalesce({value}.string_value, cast({value}.int_value as varchar), "
        f"cast({value}.double_value as varchar))"
    )


def _plain_address(param: str) -> str:
    """An address without query and fragment, which carry personal data."""
    return f"split_part(split_part({_text(param)}, '?', 1), '#', 1)"


def _number(param: str) -> str:
    value = f"param_{param}"
    return (
        f"coalesce({value}.double_value, {value}.float_value, {value}.int_value, "
        f"try_cast({value}.string_value as double))"
    )


def _said(value: str) -> str:
    """Google has two words for nothing."""
    return f"nullif(nullif({value}, ''), '(not set)')"


def _consent(storage: str) -> str:
    """Unset says neither."""
    return f"case {storage} when 'Yes' then true when 'No' then false end"
