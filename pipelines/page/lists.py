"""The lists: how many are on each and why others are not, the change, the file, the definition."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from pipelines.page.charts import bars
from pipelines.page.figure import Figure, Section, Text
from pipelines.page.small_cells import FEW, hide_small_parts, is_few
from pipelines.page.texts import column, with_words, word
from pipelines.rules.segments import Segment

# What becomes of those whom a list's rule finds and who are not in its file, in order.
LEFT_OUT = (
    "suppressed", "no_consent", "lower_priority", "capped", "over_limit", "list_too_small",
    "list_kept", "holdout",
)  # fmt: skip
TEXT = ("name", "label", "label_zh", "owner", "channel", "purpose", "file", "kept_from")


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
        name, label, label_zh, owner, channel, channel_zh, purpose, purpose_zh, file, on_list,
        change (since the last release, null if not known), kept_from (the night that a list is of,
        if a breaker held tonight's back), and one column for each reason of `LEFT_OUT` that kept
        somebody off a list.
    """
    owners = {segment.name: segment.owner for segment in segments}
    last_night = {entry["name"]: entry["rows"] for entry in before}
    rows = [
        {
            **{name: entry[name] for name in ("name", "label", "label_zh", "channel", "purpose")},
            "owner": owners.get(entry["name"]),
            "on_list": entry["rows"],
            "change": _change(entry["rows"], last_night.get(entry["name"])),
            "file": f"lists/{entry['name']}.csv",
            "kept_from": entry.get("kept_from"),
        }
        | dict.fromkeys(LEFT_OUT, 0)
        | _left_out(entry)
        for entry in lists
    ]
    numbers = dict.fromkeys(("on_list", "change", *LEFT_OUT), pl.Int64)
    counted = pl.DataFrame(rows, {**dict.fromkeys(TEXT, pl.String), **numbers})
    needed = [reason for reason in LEFT_OUT if counted[reason].sum()]
    told = hide_small_parts(
        counted.drop(set(LEFT_OUT) - set(needed)), ("on_list", *needed)
    ).with_columns(pl.when(pl.col("on_list").is_not_null()).then(pl.col("change")))
    return with_words(with_words(told, "channel", "channels"), "purpose", "purposes")


def _left_out(entry: Mapping[str, Any]) -> dict[str, int]:
    """How many fell out for which reason."""
    if "left_out" in entry:
        return dict(entry["left_out"])
    told = {"suppressed": entry["suppressed"], "no_consent": entry["without_consent"]}
    return {**told, "over_limit": entry["matched"] - entry["rows"] - sum(told.values())}


def _change(now: int, before: int | None) -> int | None:
    """The difference, if it tells of no list of few people."""
    return None if before is None or is_few(before) else now - before


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


def compare_effects(effects: pl.LazyFrame, labels: Mapping[str, Text]) -> pl.DataFrame:
    """What each list brought: who was on it against who was held out, by window.

    Args:
        effects: `list_effectiveness`.
        labels: what each list is called.

    Returns:
        list, list_zh, window, treated, held_out, treated_rate, held_out_rate, lift, lift_low,
        lift_high. Where few ordered, or few did not, the rates are hidden and the lift is not.
    """
    found = effects.filter(pl.col("status") == "measured").collect().sort("list", "window_days")
    rates = ("treated_conversion_rate", "holdout_conversion_rate")
    ordered = [
        (pl.col(rate) * pl.col(count)).round()
        for rate, count in zip(rates, ("treated_count", "holdout_count"), strict=True)
    ]
    rest = [
        pl.col(count) - part
        for part, count in zip(ordered, ("treated_count", "holdout_count"), strict=True)
    ]
    few = pl.any_horizontal(part.is_between(1, FEW - 1) for part in (*ordered, *rest))
    names = [labels.get(name, word("lists", name)) for name in found["list"]]
    return found.select(
        pl.Series("list", [name.en for name in names], dtype=pl.String),
        pl.Series("list_zh", [name.zh for name in names], dtype=pl.String),
        pl.col("window_days").alias("window"),
        pl.col("treated_count").alias("treated"),
        pl.col("holdout_count").alias("held_out"),
        *(
            pl.when(~few).then(pl.col(rate).round(4)).alias(name)
            for rate, name in zip(rates, ("treated_rate", "held_out_rate"), strict=True)
        ),
        *(
            pl.col(f"conversion_{name}").round(4).alias(name)
            for name in ("lift", "lift_low", "lift_high")
        ),
    )


def make_lists(
    marts: Mapping[str, pl.LazyFrame],
    facts: Mapping[str, Any],
    segments: Sequence[Segment],
    before: Sequence[Mapping[str, Any]],
) -> Section | None:
    """The section, from the facts of the manifest; none if a company has no lists."""
    if not facts["lists"]:
        return None
    figures = [_counted(count_lists(facts["lists"], segments, before))]
    if "list_effectiveness" in marts:
        labels = {segment.name: Text(segment.label, segment.label_zh) for segment in segments}
        figures.extend(_effects(compare_effects(marts["list_effectiveness"], labels)))
    of_rules = (
        column("label", "label"),
        column("where", "code"),
        column("reason", "label"),
        column("order_by", "code"),
        column("limit", "count"),
    )
    figures.append(Figure("definitions", of_rules, describe_lists(segments)))
    return Section("lists", tuple(figures))


def _counted(rows: pl.DataFrame) -> Figure:
    parts = [column(name, "persons") for name in ("on_list", *LEFT_OUT) if name in rows.columns]
    columns = (
        column("label", "label"),
        column("owner", "text"),
        column("channel", "label"),
        column("purpose", "label"),
        parts[0],
        column("change", "change"),
        *parts[1:],
        *([column("kept_from", "text")] if rows["kept_from"].count() else []),
        column("file", "link"),
    )
    return Figure("lists", columns, rows, bars(rows, "label", parts, stacked=True))


def _effects(rows: pl.DataFrame) -> list[Figure]:
    if not rows.height:
        return []
    columns = (
        column("list", "label"),
        column("window", "count"),
        column("treated", "persons"),
        column("held_out", "persons"),
        *(
            column(name, "rate")
            for name in ("treated_rate", "held_out_rate", "lift", "lift_low", "lift_high")
        ),
    )
    return [Figure("effects", columns, rows, bars(rows, "list", [columns[6]]))]
