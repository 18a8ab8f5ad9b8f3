"""What releases say of a customer, as of any date: who it is, what is known, and since when."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl

from pipelines.errors import C360Error
from pipelines.identity.explain import find_path
from pipelines.identity.refs import RECORD, mint_id, read_ref, write_ref
from pipelines.intervals import CHANGED, VALIDITY
from pipelines.lake import Lake
from pipelines.release import Release, current_release, find_releases, standing_release
from pipelines.segment_releases import lists_of

NAMED_BY = (
    "a customer id, or a record: source:id for a contact, account=source:id for an organisation, "
    "guest_order=source:id for an order without an account; source/account:id where a source has "
    "several"
)
RUN_FACTS = ("as_of", "customer_id")
LABELS = dict.fromkeys(("list", "label", "label_zh"), pl.String)
MEMBERSHIP = dict.fromkeys(("list", "role", "entered_because"), pl.String) | VALIDITY
STANDING = ("grade", "vip_band", "lifecycle_stage")


@dataclass(frozen=True)
class Known:
    """A customer of a release, and how it was found.

    record: the record that the question named, or that the customer id was minted from.
    """

    customer_id: str
    record: str
    asked: str


@dataclass(frozen=True)
class Merge:
    """What ties two records.

    path: the ties that lead from one to the other, empty if they are two customers.
    between: ties that were dropped, and pairs to be looked at, between the two customers.
    """

    one: Known
    other: Known
    path: pl.DataFrame
    between: pl.DataFrame


def find_release(lake: Lake, day: date | None) -> Release:
    """The release that was the newest on a day; the current one without a day.

    Raises:
        C360Error: nothing had been released by then.
    """
    found = current_release(lake) if day is None else standing_release(lake, day)
    if found is None:
        by = f" by {day}" if day else ""
        raise C360Error(f"Nothing was released{by}.", "Run c360 nightly, or ask for a later date.")
    return found


def read_mart(release: Release, name: str) -> pl.LazyFrame:
    """A mart of a release.

    Raises:
        C360Error: the release was made by a version that had no such mart.
    """
    path = release.path / "marts" / f"{name}.parquet"
    if not path.exists():
        raise C360Error(
            f"The release {release.path.name} has no {name}.", "Ask for a date of a later release."
        )
    return pl.scan_parquet(path)


def find_customer(release: Release, asked: str, pseudonym_key: bytes) -> Known:
    """Whom a customer id or a record stands for in a release.

    An id that was merged away, or that another night or installation minted from one of the
    records, finds the customer of today.

    Raises:
        C360Error: it stands for nobody.
    """
    keys = pl.scan_parquet(release.path / "state" / "customer_keys.parquet")
    record = read_ref(asked)
    if record is not None:
        match = dict(zip(RECORD, record, strict=True))
        found = keys.filter(pl.col(name) == value for name, value in match.items()).collect()
    else:
        found = _minted(keys, read_mart(release, "customer_aliases"), asked, pseudonym_key)
    if found.is_empty():
        raise C360Error(
            f"{asked} stands for nobody in the release {release.path.name}.",
            _meant(keys, record)
            or f"Give {NAMED_BY}; it may have been erased, or not have been known on that date.",
        )
    told = found.head(1).select("customer_id", write_ref().alias("record")).row(0, named=True)
    return Known(**told, asked=asked)


def _meant(keys: pl.LazyFrame, record: tuple[str, ...] | None) -> str:
    """Records of another kind that a source knows by the same id, as a question."""
    if record is None:
        return ""
    same = dict(zip(RECORD[1:], record[1:], strict=True))
    found = keys.filter(pl.col(name) == value for name, value in same.items())
    refs = found.select(write_ref().sort()).collect().to_series()
    return f"Did you mean {' or '.join(refs)}?" if len(refs) else ""


def _minted(
    keys: pl.LazyFrame, aliases: pl.LazyFrame, asked: str, pseudonym_key: bytes
) -> pl.DataFrame:
    """The record that an id was minted from, first of all among those it is known to be of."""
    known = keys.filter(pl.col("customer_id") == asked).sort("first_known_on", *RECORD).collect()
    former = keys.join(
        aliases.filter(pl.col("alias_id") == asked).select(RECORD).unique(), on=RECORD, how="semi"
    ).collect()
    for candidates in (known, former):
        minted = _minted_as(candidates, asked, pseudonym_key)
        if not minted.is_empty():
            return minted
        if not candidates.is_empty():
            return candidates.head(1)
    return _minted_as(keys.collect(), asked, pseudonym_key)


def _minted_as(keys: pl.DataFrame, asked: str, pseudonym_key: bytes) -> pl.DataFrame:
    is_it = [mint_id(row, pseudonym_key) == asked for row in keys.select(RECORD).iter_rows()]
    return keys.filter(pl.Series(is_it, dtype=pl.Boolean))


def explain_merge(release: Release, a: str, b: str, pseudonym_key: bytes) -> Merge:
    """Why two ids or records are one customer, or what stands between them."""
    one, other = (find_customer(release, asked, pseudonym_key) for asked in (a, b))
    customers = [one.customer_id, other.customer_id]
    edges = read_mart(release, "identity_edges")
    is_between = pl.col("customer_id_a").is_in(customers) & pl.col("customer_id_b").is_in(customers)
    held = edges.filter(is_between).collect()
    if one.customer_id == other.customer_id:
        path = find_path(held, one.record, other.record)
        return Merge(one, other, path, held.clear().select("end_a", "end_b", "tie"))
    dropped = held.filter(pl.col("status") == "dropped", _differ()).select(
        "end_a", "end_b", (pl.lit("dropped: ") + pl.col("dropped_because")).alias("reason")
    )
    reviews = (
        read_mart(release, "identity_reviews")
        .filter(is_between, _differ())
        .select("end_a", "end_b", "reason")
        .collect()
    )
    return Merge(one, other, held.clear(), pl.concat([dropped, reviews]))


def _differ() -> pl.Expr:
    return pl.col("customer_id_a") != pl.col("customer_id_b")


def describe_customer(release: Release, customer_id: str) -> dict[str, Any]:
    """What a release says of a customer.

    Returns:
        profile: the row of `customer_360`, without what is null; standing: what `audience` has
        beside it (grade, stage, scores); grade and stage: the rows of `customer_grades` and
        `customer_lifecycle`, with the rule and numbers that decided; overrides: what was set by
        hand, by whom and why; lists: those it is on, with
        the reason; risks and warnings: the rows of `churn_reasons` and `customer_warnings`;
        fields: the rows of `customer_fields`; records: its records as references, with the night
        that knew each first;
        aliases: ids that stand for it.

    Raises:
        C360Error: all records of the customer are deleted, so that it has no profile.
    """
    is_it = pl.col("customer_id") == customer_id
    rows = read_mart(release, "customer_360").filter(is_it).collect()
    if rows.is_empty():
        raise C360Error(
            f"{customer_id} has no profile in the release {release.path.name}: its sources have "
            "deleted all its records.",
            "Ask for an earlier date.",
        )
    profile = {name: value for name, value in rows.row(0, named=True).items() if value is not None}
    fields = read_mart(release, "customer_fields").filter(is_it).sort("field").collect()
    keys = pl.scan_parquet(release.path / "state" / "customer_keys.parquet").filter(is_it)
    records = keys.sort("first_known_on", *RECORD).select(
        write_ref().alias("record"), "first_known_on", "is_deleted"
    )
    aliases = (
        read_mart(release, "customer_aliases")
        .group_by("alias_id", maintain_order=True)
        .last()
        .filter(is_it & (pl.col("alias_id") != customer_id))
        .sort("alias_id")
        .select("alias_id", "changed_on", "event")
    )
    standing = {
        name: value
        for row in _rows_of(release, "audience", customer_id)
        for name, value in row.items()
        if value is not None and name not in rows.columns
    }
    return {
        "release": release.path.name,
        "profile": profile,
        "standing": standing,
        "grade": _rows_of(release, "customer_grades", customer_id),
        "stage": _rows_of(release, "customer_lifecycle", customer_id),
        "overrides": _rows_of(release, "grade_overrides", customer_id, folder="state"),
        "lists": lists_of(release, customer_id),
        "risks": _rows_of(release, "churn_reasons", customer_id),
        "warnings": _rows_of(release, "customer_warnings", customer_id),
        "fields": fields.drop("customer_id").to_dicts(),
        "records": records.collect().to_dicts(),
        "aliases": aliases.collect().to_dicts(),
    }


def _rows_of(
    release: Release, name: str, customer_id: str, folder: str = "marts"
) -> list[dict[str, Any]]:
    """A customer's rows of a table; none of a release of an older version that had no such one."""
    path = release.path / folder / f"{name}.parquet"
    if not path.exists():
        return []
    rows = pl.scan_parquet(path).filter(pl.col("customer_id") == customer_id)
    return rows.drop("customer_id").collect().to_dicts()


def list_events(release: Release, customer_id: str) -> pl.DataFrame:
    """Who was merged with a customer, and who left it again, as a release remembers it.

    Returns:
        as_of (text), event (a sentence), is_own (whether the customer itself came or went, rather
        than somebody who was merged into it); one row per event, by as_of.
    """
    told = read_mart(release, "customer_aliases").with_columns(
        stood_for=pl.col("customer_id").shift().over("alias_id"),
        is_own=pl.col("alias_id") == customer_id,
    )
    here = pl.lit(customer_id)
    alias, whose = pl.col("alias_id"), pl.col("customer_id")
    event = (
        pl.when(pl.col("is_own") & (pl.col("event") == "merged"))
        .then(pl.format("merged into {}", whose))
        .when(pl.col("is_own") & (pl.col("event") == "restored"))
        .then(pl.lit("restored: a customer of its own again"))
        .when("is_own")
        .then(pl.lit("gone: all its records are erased"))
        .when(whose == here)
        .then(pl.format("{} merged into it", alias))
        .when(pl.col("stood_for") == here)
        .then(pl.format("{} parted from it", alias))
    )
    as_of = pl.col("changed_on").cast(pl.String).alias("as_of")
    events = told.select(as_of, event.alias("event"), "is_own").filter(
        pl.col("event").is_not_null()
    )
    return events.sort("as_of", maintain_order=True).collect()


def list_moves(release: Release, customer_id: str) -> pl.DataFrame:
    """When a customer came onto lists, or was held out of them, and left, as a release remembers.

    Returns:
        as_of (text), list, label and label_zh (null of a list that is no more), before and after
        (the role of `list_history`; null is neither on the list nor held out), because
        (`entered_because` or `ended_because` of it); one row per move, by as_of and list.
    """
    told = pl.DataFrame(_rows_of(release, "list_history", customer_id), MEMBERSHIP)
    entries = [{"list": entry["name"], **entry} for entry in release.manifest.get("lists", [])]
    whole = told.join(pl.DataFrame(entries, LABELS), on="list", how="left")
    whole = whole.sort("list", "valid_from_on")
    went_on = pl.col("valid_to_on").shift().over("list") == pl.col("valid_from_on")
    came = whole.with_columns(
        pl.col("valid_from_on").alias("as_of"),
        pl.when(went_on).then(pl.col("role").shift().over("list")).alias("before"),
        pl.col("role").alias("after"),
        pl.when(went_on).then(pl.lit(CHANGED)).otherwise("entered_because").alias("because"),
    )
    left = whole.filter(pl.col("ended_because") != CHANGED).with_columns(
        pl.col("valid_to_on").alias("as_of"),
        pl.col("role").alias("before"),
        pl.lit(None, pl.String).alias("after"),
        pl.col("ended_because").alias("because"),
    )
    moves = pl.concat([came, left]).select(
        pl.col("as_of").cast(pl.String), *LABELS, "before", "after", "because"
    )
    return moves.sort("as_of", "list")


def list_versions(lake: Lake, customer_id: str) -> pl.DataFrame:
    """What changed in a customer's standing and profile, release by release.

    Of several releases of one date the one that readers saw last counts. Days that merely pass
    (ages, windows) are changes too. A customer that comes back after nights without a row of its
    own is compared with the last one it had.

    Returns:
        as_of, column, before, after (as text), is_measure (a number, which changes as days pass);
        one row for each change, the first version whole. A row without column is the first night
        without a row of its own. Grade, band and stage are told by their labels.
    """
    days = sorted({release.as_of for release in find_releases(lake)})
    standing = (standing_release(lake, date.fromisoformat(day)) for day in days)
    is_it = pl.col("customer_id") == customer_id
    versions = [
        (release.as_of, read_mart(release, "customer_360").filter(is_it).collect(), release)
        for release in standing
        if release is not None
    ]
    rows: list[tuple[str, str | None, str | None, str | None, bool]] = []
    before: dict[str, Any] = {}
    was_there = False
    for day, frame, release in versions:
        if was_there and frame.is_empty():
            rows.append((day, None, None, None, False))
        was_there = not frame.is_empty()
        if not was_there:
            continue
        now = _labels_of(release, customer_id) | frame.row(0, named=True)
        for column in [*now, *(name for name in before if name not in now)]:
            was, is_now = before.get(column), now.get(column)
            if column not in RUN_FACTS and was != is_now:
                rows.append((day, column, _text(was), _text(is_now), _is_measure(was, is_now)))
        before = now
    schema = dict.fromkeys(["as_of", "column", "before", "after"], pl.String)
    return pl.DataFrame(rows, schema=schema | {"is_measure": pl.Boolean}, orient="row")


def _labels_of(release: Release, customer_id: str) -> dict[str, Any]:
    """What a customer's grade, band and stage are called in both languages."""
    return {
        name: f"{row[f'{name}_label']} {row[f'{name}_label_zh']}"
        for row in _rows_of(release, "audience", customer_id)
        for name in STANDING
        if row.get(f"{name}_label") is not None
    }


def _is_measure(*values: Any) -> bool:
    return any(isinstance(v, int | float | Decimal) and not isinstance(v, bool) for v in values)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
