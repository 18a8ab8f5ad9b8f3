"""What questions about lists read of a release: its audience, events, rules and decisions."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import ValidationError

from pipelines.errors import C360Error
from pipelines.lists import EVENT_DAYS
from pipelines.release import Release
from pipelines.rules.segments import Segment, Segments
from pipelines.segments.condition import Condition, all_columns, read_conditions
from pipelines.segments.prepare import NO_EVENTS, Events, prepare_audience, read_events
from pipelines.segments.refusals import nearest
from pipelines.wording import count_of
from pipelines.yaml_files import read_yaml

KEY = ("customer_id", "as_of")


@dataclass(frozen=True)
class Night:
    """The lists of some rules over a release's audience.

    prepared: columns that the conditions read, and a column for each count and list they name.
    """

    release: Release
    segments: tuple[Segment, ...]
    conditions: Mapping[str, Condition]
    prepared: pl.DataFrame
    events: Events

    def segment(self, name: str) -> Segment:
        """The list of a name."""
        return pick(self.segments, name)


def pick(segments: Sequence[Segment], name: str) -> Segment:
    """The list of a name.

    Raises:
        C360Error: there is none.
    """
    found = [segment for segment in segments if segment.name == name]
    if not found:
        names = [segment.name for segment in segments]
        known, near = ", ".join(names), nearest(name, names)
        raise C360Error(f"There is no list {name!r}{near or '.'}", f"Lists are: {known}.")
    return found[0]


def read_night(
    release: Release,
    segments: Sequence[Segment],
    columns: Collection[str] = (),
    customer_id: str | None = None,
) -> Night:
    """Answer the conditions of lists for a release's customers, or for one of them.

    Args:
        release: a release.
        segments: the lists; they may be other ones than the release was made with.
        columns: of the audience, that are wanted beside what the conditions read.
        customer_id: whom alone to read.

    Raises:
        C360Error: a condition names what this release's audience does not have.
    """
    audience = _scan(release, "marts/audience")
    schema = audience.collect_schema()
    conditions = read_conditions(segments, schema)
    read = {*KEY, *columns, *all_columns(conditions.values())}
    rows = audience.select(name for name in schema if name in read)
    events = released_events(release)
    if customer_id is not None:
        is_it = pl.col("customer_id") == customer_id
        rows = rows.filter(is_it)
        events = Events(events.days.filter(is_it), events.known)
    as_of = date.fromisoformat(release.as_of)
    prepared = prepare_audience(rows.collect(), conditions, events, as_of)
    return Night(release, tuple(segments), conditions, prepared, events)


def released_events(release: Release) -> Events:
    """What customers did, by a release; one of an older version kept nothing."""
    folder = release.path / "state"
    if not (folder / f"{EVENT_DAYS}.parquet").exists():
        return NO_EVENTS
    return read_events(
        pl.scan_parquet(folder / f"{EVENT_DAYS}.parquet"),
        pl.scan_parquet(folder / "int_event_kinds.parquet"),
    )


def released_segments(release: Release) -> tuple[Segment, ...]:
    """The lists by the rules that the release was made with.

    Raises:
        C360Error: an older version made the release, and kept no rules or other ones.
    """
    path = release.path / "rules" / "segments.yml"
    if not path.exists():
        raise C360Error(
            f"The release {release.path.name} keeps no rules: an older version made it.",
            "Ask for a date of a later release, or leave the date out.",
        )
    try:
        return Segments.model_validate(read_yaml(path)).segments
    except ValidationError as error:
        raise C360Error(
            f"The rules of the release {release.path.name} are those of another version: "
            f"{count_of(error.error_count(), 'fault')} in {path}.",
            "Ask with the version that made it (`version` in its manifest), or a later date.",
        ) from None


def decisions_of(release: Release, name: str) -> pl.LazyFrame | None:
    """What was decided of everybody whom the list found when it was last refreshed.

    Returns:
        customer_id, decision, detail, decided_on: the rows of `list_decisions`; None of a release
        of an older version. decided_on is the release's own night where it is not kept.
    """
    path = _path(release, "marts/list_decisions")
    if not path.exists():
        return None
    rows = pl.scan_parquet(path).filter(pl.col("list") == name)
    tonight = pl.lit(date.fromisoformat(release.as_of))
    if "decided_on" not in rows.collect_schema():  # an older version kept nothing
        rows = rows.with_columns(decided_on=tonight)
    return rows.select("customer_id", "decision", "detail", "decided_on")


def refreshed_on(release: Release, segment: Segment) -> date | None:
    """The night that last took new customers in; None where an older version did not tell."""
    for entry in release.manifest.get("lists", []):
        if entry["name"] == segment.name and "refreshed_on" in entry:
            return date.fromisoformat(entry["refreshed_on"])
    return date.fromisoformat(release.as_of) if segment.refresh == "nightly" else None


def listed(release: Release, name: str) -> pl.LazyFrame | None:
    """The rows of a list as it went out, without names and contacts; None if there was none."""
    path = _path(release, f"lists/{name}")
    if not path.exists():
        return None
    return pl.scan_parquet(path).select("customer_id", "reason", "reason_zh")


def kept_from(release: Release, name: str) -> str | None:
    """The night that a list of a release is of, if a circuit breaker kept a newer one back."""
    told = {entry["name"]: entry.get("kept_from") for entry in release.manifest.get("lists", [])}
    return told.get(name)


def lists_of(release: Release, customer_id: str) -> list[dict[str, Any]]:
    """The lists that a customer is on in a release, each with the reason; in the order shown."""
    told = []
    for entry in release.manifest.get("lists", []):
        rows = listed(release, entry["name"])
        if rows is None:
            continue
        found = rows.filter(pl.col("customer_id") == customer_id).collect().to_dicts()
        names = {key: entry[key] for key in ("name", "label", "label_zh") if key in entry}
        told += [names | {k: row[k] for k in ("reason", "reason_zh")} for row in found[:1]]
    return told


def _scan(release: Release, name: str) -> pl.LazyFrame:
    path = _path(release, name)
    if not path.exists():
        raise C360Error(
            f"The release {release.path.name} has no {name}.", "Ask for a date of a later release."
        )
    return pl.scan_parquet(path)


def _path(release: Release, name: str) -> Path:
    return release.path / f"{name}.parquet"
