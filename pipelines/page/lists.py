"""The lists: how many are on each and why others are not, the change, the file, the definition."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from pipelines.page.charts import bars
from pipelines.page.figure import Figure, Section
from pipelines.page.small_cells import FEW, hide_small_parts
from pipelines.page.texts import column, with_words
from pipelines.rules.segments import Segment

# Why somebody whom a list's rule finds is not in its file; what is left over is above the limit.
LEFT_OUT = ("suppressed", "without_consent", "over_limit")
SCHEMA = {
    "name": pl.String,
    "label": pl.String,
    "label_zh": pl.String,
    "owner": pl.String,
    "channel": pl.String,
    "purpose": pl.String,
    "on_list": pl.Int64,
    "suppressed": pl.Int64,
    "without_consent": pl.Int64,
    "over_limit": pl.Int64,
    "change": pl.Int64,
    "file": pl.String,
}


def count_lists(
    lists: Sequence[Mapping[str, Any]],
    segments: Sequence[Segment],
    before: Sequence[Mapping[str, Any]],
) -> pl.DataFrame:
    """How many are on each list and why others are not, in the order of `segments.yml`.

    Args:
        lists: what the manifest tells of each list of tonight.
        segments: their rules.
        before: what the last release's manifest tells; empty on a first night.

    Returns:
        name, label, label_zh, owner, channel, channel_zh, purpose, purpose_zh, on_list, suppressed,
        without_consent, over_limit, change (since the last release, null if not known), file.
    """
    owners = {segment.name: segment.owner for segment in segments}
    last_night = {entry["name"]: entry["rows"] for entry in before}
    rows = [
        {
            **{name: entry[name] for name in ("name", "label", "label_zh", "channel", "purpose")},
            "owner": owners.get(entry["name"]),
            "on_list": entry["rows"],
            "suppressed": entry["suppressed"],
            "without_consent": entry["without_consent"],
            "over_limit": entry["matched"]
            - entry["suppressed"]
            - entry["without_consent"]
            - entry["rows"],
            "change": _change(entry["rows"], last_night.get(entry["name"])),
            "file": f"lists/{entry['name']}.csv",
        }
        for entry in lists
    ]
    counted = hide_small_parts(pl.DataFrame(rows, SCHEMA), ("on_list", *LEFT_OUT))
    told = counted.with_columns(pl.when(pl.col("on_list").is_not_null()).then(pl.col("change")))
    return with_words(with_words(told, "channel", "channels"), "purpose", "purposes")


def _change(now: int, before: int | None) -> int | None:
    """The difference, if it tells of no list of few people."""
    return None if before is None or 0 < before < FEW else now - before


def describe_lists(segments: Sequence[Segment]) -> pl.DataFrame:
    """What each list means: its condition, the reason that a row gets, its order and limit.

    Returns:
        label, label_zh, where, reason, reason_zh, order_by, limit.
    """
    rows = [
        segment.model_dump(
            include={"label", "label_zh", "reason", "reason_zh", "order_by", "limit"}
        )
        | {"where": " ".join(segment.where.split())}
        for segment in segments
    ]
    schema = dict.fromkeys(
        ("label", "label_zh", "where", "reason", "reason_zh", "order_by"), pl.String
    )
    return pl.DataFrame(rows, {**schema, "limit": pl.Int64})


def make_lists(
    facts: Mapping[str, Any], segments: Sequence[Segment], before: Sequence[Mapping[str, Any]]
) -> Section | None:
    """The section, from the facts of the manifest; none if a company has no lists."""
    if not facts["lists"]:
        return None
    counted = count_lists(facts["lists"], segments, before)
    parts = tuple(column(name, "persons") for name in ("on_list", *LEFT_OUT))
    columns = (
        column("label", "label"),
        column("owner", "text"),
        column("channel", "label"),
        column("purpose", "label"),
        parts[0],
        column("change", "change"),
        *parts[1:],
        column("file", "link"),
    )
    described = describe_lists(segments)
    of_rules = (
        column("label", "label"),
        column("where", "code"),
        column("reason", "label"),
        column("order_by", "code"),
        column("limit", "count"),
    )
    return Section(
        "lists",
        (
            Figure("lists", columns, counted, bars(counted, "label", parts, stacked=True)),
            Figure("definitions", of_rules, described),
        ),
    )
