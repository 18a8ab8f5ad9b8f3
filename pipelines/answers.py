"""Answers to people at a terminal: who a customer is, why two records are one, what changed.

No name, address or number is printed: what is said of a value is where it comes from.
"""

import json
from typing import Any

import polars as pl
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipelines.catalogue import Catalogue
from pipelines.history import Known, Merge
from pipelines.identity.refs import write_ref
from pipelines.scoring.past.backtest import Backtest, Target
from pipelines.summary import as_table
from pipelines.tiers.replay import Replay

RULES = {
    "must_link": "a steward's must_link",
    "merged_into": "the source merged them",
    "stated_link": "a stated link",
}


WHAT_FUZZY_IS = (
    "fuzzy: they share no identifier and are alike in names, birth date, address, mailbox and "
    "phone taken together. A release keeps the sum (bits for it; 0 is even odds), not each part."
)


def show_customer(
    console: Console, catalogue: Catalogue, known: Known, told: dict[str, Any]
) -> None:
    """Print what a release says of a customer: records, golden fields with their source, facts."""
    profile = told["profile"]
    console.print(
        f"[bold]{known.customer_id}[/bold]  {profile['kind']}, as of {profile['as_of']} "
        f"(release {told['release']})"
    )
    if known.asked != known.customer_id:
        console.print(f"{escape(known.asked)} is {known.customer_id} in this release.")
    for alias in told["aliases"]:
        console.print(f"{alias['alias_id']} stands for it since {alias['changed_on']}.")
    console.print(as_table(pl.DataFrame(told["records"]), f"\n{len(told['records'])} records"))
    if told["fields"]:
        fields = pl.DataFrame(told["fields"], infer_schema_length=None).select(
            "field",
            pl.col("value").fill_null("(personal)"),
            write_ref().alias("from"),
            "rule",
            pl.col("valued_at").dt.date().alias("since"),
        )
        console.print(as_table(fields, "\nGolden record"))
    _show_facts(console, "Grade, stage and scores", told["standing"], catalogue, "audience")
    _show_decided(console, catalogue, told)
    for title, rows, columns in (
        ("On lists 所在名单", told["lists"], ("name", "label_zh", "reason")),
        ("Why it is at risk", told["risks"], ("text_en", "text_zh")),
        ("Early warnings", told["warnings"], ("label", "label_zh", "severity", "owner", "value")),
    ):
        if rows:
            console.print(as_table(pl.DataFrame(rows).select(columns), f"\n{title}"))
    told_above = ("customer_id", "as_of", "kind")
    facts = {name: value for name, value in profile.items() if name not in told_above}
    _show_facts(console, "Facts", facts, catalogue, "customer_360")


def _show_decided(console: Console, catalogue: Catalogue, told: dict[str, Any]) -> None:
    """Print what decided on grade and stage, beside what is told of both elsewhere."""
    for title, key, mart in (
        ("Why this grade", "grade", "customer_grades"),
        ("Why this stage", "stage", "customer_lifecycle"),
    ):
        above = {"as_of", *told["profile"], *told["standing"]}
        for row in told[key]:
            rest = {n: v for n, v in row.items() if n not in above and v is not None}
            _show_facts(console, title, rest, catalogue, mart)


def _show_facts(
    console: Console, title: str, facts: dict[str, Any], catalogue: Catalogue, mart: str
) -> None:
    """Print columns of one customer in a mart with what they mean."""
    if not facts:
        return
    described = {c.name: c.description for c in catalogue["models", mart].columns}
    table = Table(title=f"\n{title}", title_justify="left", box=None, pad_edge=False)
    for name in ("column", "value", "meaning"):
        table.add_column(name, overflow="fold")
    for name, value in facts.items():
        table.add_row(name, escape(str(value)), escape(described.get(name, "")))
    console.print(table)


def as_json(known: Known, told: dict[str, Any]) -> str:
    """The same for a program."""
    asked = {"customer_id": known.customer_id, "asked": known.asked}
    return json.dumps(asked | told, default=str, ensure_ascii=False, indent=2)


def show_merge(console: Console, merge: Merge) -> None:
    """Print the ties that lead from one record to the other, or what keeps them apart."""
    one, other = merge.one, merge.other
    if one.customer_id != other.customer_id:
        console.print(
            f"{escape(one.asked)} is {one.customer_id} and {escape(other.asked)} is "
            f"{other.customer_id}: two customers."
        )
        if merge.between.is_empty():
            console.print("Nothing ties them.")
        else:
            console.print(as_table(merge.between, "\nWhat is between them"))
        return
    console.print(
        f"{escape(one.asked)} and {escape(other.asked)} are one customer, {one.customer_id}."
    )
    if merge.path.is_empty():
        console.print(f"Both are the record {escape(one.record)}.")
        return
    steps = merge.path.select(
        pl.col("end_a").alias("from"),
        pl.col("tie").replace(RULES).alias("tied by"),
        pl.col("end_b").alias("to"),
        "since_on",
        pl.coalesce(
            "rule",
            pl.lit("priority ") + pl.col("priority").cast(pl.String),
            pl.concat_str(
                pl.col("weight").round(1), pl.lit(" bits, p "), pl.col("probability").round(4)
            ),
            pl.lit(""),
        ).alias("rule or weight"),
    )
    console.print(as_table(steps, "\nThe ties that lead from one to the other"))
    if "fuzzy" in merge.path["tie"]:
        console.print(f"\n{WHAT_FUZZY_IS}")
    console.print(
        "\nIf they are two, add this below cannot_link in identity_rules.yml; the next night "
        "parts them:\n"
        + escape(
            f"  - {{a: {_quoted(one.record)}, b: {_quoted(other.record)}, "
            'reason: "…", owner: "…", date: YYYY-MM-DD}'
        )
    )


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


# What is told of each target, the measures that its people know first.
METRICS: dict[Target, tuple[str, ...]] = {
    "churn": ("auc", "pr_auc", "brier", "ece", "lift_10"),
    "orders": ("gini", "spearman", "mae", "decile_mape", "total_bias"),
    "value": ("gini", "spearman", "mae", "decile_mape", "total_bias"),
}


def show_backtest(console: Console, tried: Backtest) -> None:
    """Print how each model did on past days, the mean of all, and which is chosen and why."""
    for target, metrics in METRICS.items():
        told = tried.reports.filter(pl.col("target") == target, pl.col("metric").is_in(metrics))
        choice = tried.choices[target]
        if not told.is_empty():
            table = (
                told.group_by("model", "is_baseline", "metric")
                .agg(pl.col("value").mean().round(4))
                .pivot("metric", index=["model", "is_baseline"], values="value")
                .sort("is_baseline", "model")
                .with_columns(
                    pl.when(pl.col("model") == choice.model)
                    .then(pl.lit("chosen"))
                    .otherwise(pl.lit(""))
                    .alias("")
                )
                .select("model", *(m for m in metrics if m in told["metric"].unique()), "")
            )
            days = ", ".join(f"{day:%Y-%m-%d}" for day in told["feature_on"].unique().sort())
            console.print(as_table(table, f"\n{target}, from {days}"))
        grade = f"grade {choice.grade}: " if choice.grade else ""
        console.print(f"[bold]{target}[/bold]  {grade}{escape(choice.reason)}")


def show_versions(
    console: Console, known: Known, events: pl.DataFrame, versions: pl.DataFrame
) -> None:
    """Print what became of a customer, and what changed in its profile, release by release."""
    if versions.is_empty():
        console.print(f"No release has a profile of {known.customer_id}.")
        return
    if known.asked != known.customer_id:
        console.print(
            f"{escape(known.asked)} is {known.customer_id} in the current release; this is the "
            f"history of {known.customer_id}."
        )
    own = events.filter("is_own")
    without = versions.filter(pl.col("column").is_null()).join(own, on="as_of", how="anti")
    told = [
        events.select("as_of", pl.col("event").alias("column")),
        without.select(
            "as_of", pl.lit("no profile: its sources deleted its records").alias("column")
        ),
    ]
    changes = versions.drop_nulls("column").with_columns(pl.col("before", "after").fill_null("·"))
    lines = pl.concat([*told, changes], how="diagonal").sort("as_of", maintain_order=True)
    console.print(as_table(lines.fill_null(""), known.customer_id))


def show_replay(console: Console, replay: Replay) -> None:
    """Print what other rules of grades would have done: counts and money, never who."""
    console.print(
        f"{replay.nights} nights from {replay.first_on} to {replay.last_on}, from the same "
        "standing before the first."
    )
    moved = replay.moves.filter(pl.col("level").ne_missing(pl.col("other_level")))
    if moved.is_empty():
        console.print("\nNobody would stand elsewhere after the last night.")
    else:
        named = moved.with_columns(pl.col("level", "other_level").fill_null("(none)"))
        console.print(as_table(named, "\nWho would stand elsewhere after the last night"))
    console.print(as_table(replay.changes, "\nHow often grades and bands change"))
    console.print(as_table(replay.grades, "\nMoney of the last 365 days by grade"))


def replay_as_json(replay: Replay) -> str:
    """The same for a program, with the ids of whom it is about."""
    frames = {
        name: getattr(replay, name).to_dicts()
        for name in ("moves", "changes", "grades", "customers")
    }
    looked_at = {name: getattr(replay, name) for name in ("nights", "first_on", "last_on")}
    return json.dumps(looked_at | frames, default=str, ensure_ascii=False, indent=2)
