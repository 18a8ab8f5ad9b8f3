"""Asks releases and rules about lists: previews, faults, differences, and why one is on a list."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from pipelines.catalogue import load_catalogue
from pipelines.errors import C360Error
from pipelines.history import find_release
from pipelines.lake import Lake
from pipelines.release import Release, current_release, previous_release
from pipelines.rules import find_rules, load_rules
from pipelines.rules.segments import Segment
from pipelines.segment_releases import (
    Night,
    decisions_of,
    kept_from,
    listed,
    pick,
    read_night,
    refreshed_on,
    released_segments,
)
from pipelines.segments.cut import is_suppressed
from pipelines.segments.diff import Change, diff_members, diff_rules, member_ids
from pipelines.segments.funnel import WITHDRAWN
from pipelines.segments.lint import Finding, find_doubts, find_faults
from pipelines.segments.preview import (
    ALWAYS_READ,
    Preview,
    columns_read,
    find_members,
    preview_list,
)
from pipelines.segments.trace import Step, trace_condition
from pipelines.settings import Settings


@dataclass(frozen=True)
class AskedPreview:
    """A list as it would be, and what became of it in the night itself.

    decided: decision, decided_on and customer_count as released; None where the release keeps none.
    refreshed_on: the night that last took new customers in, if the release tells.
    is_decided: whether that was the release's own night, by this very rule: then decisions are of
        the same customers as the preview.
    entered, left: since the release before, by the same condition; None without such a release.
    findings: what `c360 segment lint` says of it.
    """

    segment: Segment
    release: Release
    preview: Preview
    decided: pl.DataFrame | None
    refreshed_on: date | None
    is_as_released: bool
    is_decided: bool
    before: Release | None
    entered: int | None
    left: int | None
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Linted:
    """Faults and doubts of all lists; release: whose customers were asked, if any."""

    segments: tuple[Segment, ...]
    findings: list[Finding]
    release: Release | None


@dataclass(frozen=True)
class Compared:
    """Two nights of lists, or two versions of rules over one night."""

    before: str
    after: str
    rules: list[Change]
    lists: pl.DataFrame
    members: tuple[pl.DataFrame, pl.DataFrame]


@dataclass(frozen=True)
class WhyListed:
    """Why a customer is on a list of a release, or is not.

    is_on_list: whether the list that went out has it.
    is_suppressed: whether nothing of the list's kind is ever sent to the customer.
    decision: the night's, if the condition was true when the list was last refreshed.
    decided_on: the night of that decision.
    refreshed_on: the night that last took new customers in, if the release tells.
    kept_from: the night that the list is of, if a circuit breaker kept this night's back.
    """

    segment: Segment
    release: Release
    customer_id: str
    step: Step
    is_on_list: bool
    is_suppressed: bool
    decision: str | None
    detail: str | None
    decided_on: date | None
    refreshed_on: date | None
    reason: str | None
    reason_zh: str | None
    rules_are: str
    kept_from: str | None = None


def ask_preview(settings: Settings, name: str, day: date | None, where: str | None) -> AskedPreview:
    """Look at a list by the rules as they stand now, over a release's customers.

    Raises:
        C360Error: there is no such list or release, or a list is no condition over it.
    """
    lake = Lake(settings.home)
    segments = load_rules(find_rules(settings.rules_dir)).segments.segments
    segment = pick(segments, name)
    if where is not None:
        segment = segment.model_copy(update={"where": where})
        segments = tuple(segment if other.name == name else other for other in segments)
    release = find_release(lake, day)
    night = read_night(release, segments, columns_read(segment))
    earlier = previous_release(lake, date.fromisoformat(release.as_of))
    entered, left = _since(earlier, night, name)
    is_as_released = _is_as_released(release, segment)
    refreshed = refreshed_on(release, segment)
    decisions = decisions_of(release, name)
    is_decided = (
        is_as_released and decisions is not None and refreshed == date.fromisoformat(release.as_of)
    )
    return AskedPreview(
        segment=segment,
        release=release,
        preview=preview_list(
            segment, night.conditions, night.prepared, _withdrawn(release, segment, decisions)
        ),
        decided=None if decisions is None else _count_decisions(decisions),
        refreshed_on=refreshed,
        is_as_released=is_as_released,
        is_decided=is_decided,
        before=earlier,
        entered=entered,
        left=left,
        findings=_findings(settings, segments, night, name),
    )


def _findings(
    settings: Settings, segments: Sequence[Segment], night: Night, name: str
) -> tuple[Finding, ...]:
    """Faults and doubts of one list, such as a value that no customer has."""
    audience = load_catalogue(settings.project_dir)["models", "audience"]
    faults = find_faults(segments, {column.name: column for column in audience.columns})
    doubts = find_doubts(segments, night.conditions, night.prepared, night.events)
    return tuple(finding for finding in (*faults, *doubts) if finding.name == name)


def _withdrawn(
    release: Release, segment: Segment, decisions: pl.LazyFrame | None
) -> frozenset[str]:
    """Who said no to the list's channel and purpose, of whom the night asked it."""
    try:
        released = {known.name: known for known in released_segments(release)}.get(segment.name)
    except C360Error:
        return frozenset()
    asked = (segment.channel, segment.purpose)
    if decisions is None or released is None or (released.channel, released.purpose) != asked:
        return frozenset()
    said_no = decisions.filter(pl.col("detail") == WITHDRAWN).select("customer_id").collect()
    return frozenset(said_no["customer_id"])


def _count_decisions(decisions: pl.LazyFrame) -> pl.DataFrame:
    counts = decisions.group_by("decision", "decided_on").len("customer_count")
    order = ["customer_count", "decision", "decided_on"]
    return counts.sort(order, descending=[True, False, False]).collect()


def _since(earlier: Release | None, night: Night, name: str) -> tuple[int | None, int | None]:
    if earlier is None:
        return None, None
    try:
        last = read_night(earlier, night.segments)
    except C360Error:  # an older version's audience lacks what the condition reads
        return None, None
    are = member_ids(find_members(night.conditions, night.prepared), name)
    were = member_ids(find_members(last.conditions, last.prepared), name)
    return len(are - were), len(were - are)


def _is_as_released(release: Release, segment: Segment) -> bool:
    try:
        return segment in released_segments(release)
    except C360Error:
        return False


def ask_lint(settings: Settings) -> Linted:
    """Find faults in the lists as they stand now; doubts, if there is a release and no fault.

    Raises:
        C360Error: a rules file is none.
    """
    segments = load_rules(find_rules(settings.rules_dir)).segments.segments
    audience = load_catalogue(settings.project_dir)["models", "audience"]
    findings = find_faults(segments, {column.name: column for column in audience.columns})
    release = current_release(Lake(settings.home))
    if release is None or any(finding.severity == "error" for finding in findings):
        return Linted(segments, findings, None)
    night = read_night(release, segments, ["is_profiling_refused"])
    doubts = find_doubts(segments, night.conditions, night.prepared, night.events)
    return Linted(segments, findings + doubts, release)


def ask_diff(settings: Settings, before: date | None, after: date | None) -> Compared:
    """Compare two nights, or the current night's rules with those that stand now.

    Raises:
        C360Error: there is no such release, or it keeps no rules.
    """
    lake = Lake(settings.home)
    one = find_release(lake, before)
    other = find_release(lake, after)
    old = released_segments(one)
    if after is None:
        new = load_rules(find_rules(settings.rules_dir)).segments.segments
    else:
        new = released_segments(other)
    nights = (read_night(one, old), read_night(other, new))
    members = tuple(find_members(night.conditions, night.prepared) for night in nights)
    return Compared(
        before=one.path.name,
        after=other.path.name if after is not None else "your rules",
        rules=diff_rules(old, new),
        lists=diff_members(*members),
        members=(members[0], members[1]),
    )


def ask_why_listed(settings: Settings, release: Release, customer_id: str, name: str) -> WhyListed:
    """Why a customer is on a list of a release or not, by the rules that it was made with.

    Where the release keeps no rules, or those of another version, the rules of now are asked.

    Raises:
        C360Error: there is no such list, or no such customer in the audience.
    """
    try:
        segments, rules_are = released_segments(release), "the release's own"
    except C360Error:
        segments = load_rules(find_rules(settings.rules_dir)).segments.segments
        rules_are = "as they stand now, for the release keeps none that can be read"
    segment = pick(segments, name)
    night = read_night(release, segments, ALWAYS_READ, customer_id)
    if night.prepared.is_empty():
        raise C360Error(
            f"{customer_id} is not in the audience of {release.path.name}.", "Ask for another date."
        )
    condition = night.conditions[name]
    suppressed = night.prepared.filter(is_suppressed(segment, condition))
    decision = _row(decisions_of(release, name), customer_id)
    row = _row(listed(release, name), customer_id)
    return WhyListed(
        segment=segment,
        release=release,
        customer_id=customer_id,
        step=trace_condition(condition.tree, night.prepared)[0],
        is_on_list=row is not None,
        is_suppressed=not suppressed.is_empty(),
        decision=decision["decision"] if decision else None,
        detail=decision["detail"] if decision else None,
        decided_on=decision["decided_on"] if decision else None,
        refreshed_on=refreshed_on(release, segment),
        reason=row["reason"] if row else None,
        reason_zh=row["reason_zh"] if row else None,
        rules_are=rules_are,
        kept_from=kept_from(release, name),
    )


def _row(rows: pl.LazyFrame | None, customer_id: str) -> dict[str, Any] | None:
    if rows is None:
        return None
    found = rows.filter(pl.col("customer_id") == customer_id).head(1).collect()
    return found.row(0, named=True) if found.height else None
