"""Answers to people at a terminal: who a customer is, why two records are one, what changed.

No name, address or number is printed: what is said of a value is where it comes from.
"""

import json
from collections.abc import Iterator
from typing import Any

import polars as pl
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipelines.catalogue import Catalogue
from pipelines.history import STANDING, Known, Merge
from pipelines.identity.refs import write_ref
from pipelines.page.texts import word
from pipelines.scoring.past.backtest import Backtest, Target
from pipelines.summary import as_table
from pipelines.tiers.replay import LEAST_DAYS, Replay
from pipelines.wording import count_of

RULES = {
    "must_link": "a steward's must_link",
    "merged_into": "the source merged them",
    "stated_link": "a stated link",
}

FEW_RECORDS = 5

WHAT_FUZZY_IS = (
    "fuzzy: they share no identifier and are alike in names, birth date, address, mailbox and "
    "phone taken together. A release keeps the sum (bits for it; 0 is even odds), not each part."
)


def show_customer(
    console: Console, catalogue: Catalogue, known: Known, told: dict[str, Any], *, whole: bool
) -> None:
    """Print what a release says of a customer: standing, why, golden record with its sources.

    With `whole` all records, and every column with what it means, too.
    """
    profile = told["profile"]
    console.print(
        f"[bold]{known.customer_id}[/bold]  {profile['kind']}, as of {profile['as_of']} "
        f"(release {told['release']})"
    )
    if known.asked != known.customer_id:
        console.print(f"{escape(known.asked)} is {known.customer_id} in this release.")
    for alias in told["aliases"]:
        console.print(f"{alias['alias_id']} stands for it since {alias['changed_on']}.")
    answer = Table(box=None, pad_edge=False, show_header=False)
    answer.add_column(style="bold", no_wrap=True)
    answer.add_column(overflow="fold")
    for name, text in _answer(told):
        answer.add_row(name, escape(text))
    console.print(answer)
    records = told["records"] if whole else told["records"][:FEW_RECORDS]
    more = "" if len(records) == len(told["records"]) else f", the first {len(records)}"
    title = f"\n{count_of(len(told['records']), 'record')}{more}"
    console.print(as_table(pl.DataFrame(records), title))
    if told["fields"]:
        fields = pl.DataFrame(told["fields"], infer_schema_length=None).select(
            "field",
            pl.col("value").fill_null("(personal)"),
            write_ref().alias("from"),
            "rule",
            pl.col("valued_at").dt.date().alias("since"),
        )
        console.print(as_table(fields, "\nGolden record"))
    if not whole:
        console.print("\nAll records, facts and scores with what they mean: --all, or --json.")
        return
    _show_facts(console, "Grade, stage and scores", told["standing"], catalogue, "audience")
    _show_decided(console, catalogue, told)
    told_above = ("customer_id", "as_of", "kind")
    facts = {name: value for name, value in profile.items() if name not in told_above}
    _show_facts(console, "Facts", facts, catalogue, "customer_360")


def _answer(told: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Where a customer stands, and why, in a line or two each."""
    facts: dict[str, Any] = told["profile"] | told["standing"]
    for row in told["grade"]:
        for ladder, name in (("grade", "Grade 等级"), ("vip_band", "VIP band 高端客户")):
            if f"{ladder}_label" in facts:
                yield name, _graded(facts, row, ladder)
            if (until := row.get(f"{ladder}_override_until_on")) is not None:
                yield "", f"set by hand until {until}{_by_whom(told['overrides'])}"
    if "lifecycle_stage_label" in facts:
        since = facts.get("lifecycle_stage_since_on")
        stage = f"{facts['lifecycle_stage_label']} {facts['lifecycle_stage_label_zh']}"
        reasons = (facts.get("lifecycle_reason"), facts.get("lifecycle_reason_zh"))
        yield "Stage 生命周期", f"{stage}, since {since}"
        yield from (("", reason) for reason in reasons if reason)
    if "order_count" in facts:
        amount = (
            f", {facts['net_revenue_amount']:,.2f} {facts['base_currency']} net"
            if ("net_revenue_amount" in facts and "base_currency" in facts)
            else ""
        )
        last = f", last on {facts['last_order_on']}" if "last_order_on" in facts else ""
        yield "Orders 订单", f"{facts['order_count']}{last}{amount}"
    if "clv_365d_amount" in facts:
        amount = f"{facts['clv_365d_amount']:,.2f} {facts.get('base_currency', '')}"
        yield "Value 预测价值", f"{amount} expected in the next 365 days"
    if "churn_risk" in facts:
        yield "Churn risk 流失风险", f"{facts['churn_risk']:.2f} {facts.get('churn_risk_band', '')}"
    yield from (("", f"{risk['text_en']} {risk['text_zh']}") for risk in told["risks"])
    for one in told["warnings"]:
        severity = word("severities", one["severity"] or "")
        yield "Warning 预警", f"{one['label']} {one['label_zh']} ({severity.en} {severity.zh})"
    for one in told["lists"]:
        yield "On list 名单", f"{one['name']} {one.get('label_zh', '')}: {one['reason']}"


def _graded(facts: dict[str, Any], row: dict[str, Any], ladder: str) -> str:
    """A grade or band by its label, since when, why, and the numbers of the night it began."""
    reason = word("grade_reasons", row[f"{ladder}_reason"] or "")
    numbers = ""
    if ladder == "grade" and row["grade_score"] is not None:
        begins = row["grade_cut_score"]
        edge = "" if begins is None else f", {facts['grade']} begins at {begins:.2f}"
        numbers = f" (score {row['grade_score']:.2f}{edge}; next review {row['grade_review_on']})"
    return (
        f"{facts[f'{ladder}_label']} {facts[f'{ladder}_label_zh']}, since "
        f"{row[f'{ladder}_since_on']}: {reason.en} {reason.zh}{numbers}"
    )


def _by_whom(overrides: list[dict[str, Any]]) -> str:
    """Who set a grade, and why; nothing of a release of an older version."""
    return "".join(f" by {row['owner']}: {row['reason']}" for row in overrides)


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
    console: Console,
    known: Known,
    events: pl.DataFrame,
    versions: pl.DataFrame,
    moves: pl.DataFrame,
    *,
    whole: bool,
) -> None:
    """Print what became of a customer, and what changed in its profile, release by release.

    Without `whole`, measures that changed are counted and not told one by one. `moves` are lines
    about lists, as `tell_moves` writes them.
    """
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
        moves,
    ]
    changes = versions.drop_nulls("column").with_columns(pl.col("before", "after").fill_null("·"))
    if not whole:
        changes = _for_people(changes)
    shown = changes.drop("is_measure")
    lines = pl.concat([*told, shown], how="diagonal").sort("as_of", maintain_order=True)
    console.print(as_table(lines.fill_null(""), known.customer_id))
    if not whole:
        console.print("\nEvery change of every column: --all, or --json.")


def _for_people(changes: pl.DataFrame) -> pl.DataFrame:
    """Measures that moved are counted, and of the first version only the standing is shown."""
    is_first = pl.col("as_of") == changes["as_of"].min()
    is_standing = pl.col("column").is_in(STANDING)
    is_told = is_standing | ~(is_first | pl.col("is_measure"))
    counted = (
        changes.filter(~is_told)
        .group_by("as_of", maintain_order=True)
        .agg(count=pl.len())
        .select(
            "as_of",
            column=pl.when(is_first)
            .then(pl.format("first known, by {}", _counted("fact")))
            .otherwise(pl.format("{} changed", _counted("measure"))),
        )
    )
    return pl.concat([changes.filter(is_told), counted], how="diagonal")


def _counted(what: str) -> pl.Expr:
    return pl.col("count").map_elements(lambda n: count_of(n, what), return_dtype=pl.String)


def versions_as_json(
    known: Known, events: pl.DataFrame, versions: pl.DataFrame, moves: pl.DataFrame
) -> str:
    """The same for a program: what became of a customer, each change and each move of a list."""
    told = {
        "events": events.to_dicts(),
        "changes": versions.to_dicts(),
        "lists": moves.to_dicts(),
    }
    return as_json(known, told)


def show_replay(console: Console, replay: Replay) -> None:
    """Print what other rules of grades would have done: counts and money, never who."""
    console.print(
        f"{count_of(replay.nights, 'night')} from {replay.first_on} to {replay.last_on}, from the "
        "same standing before the first."
    )
    moved = replay.moves.filter(pl.col("level").ne_missing(pl.col("other_level")))
    if moved.is_empty():
        console.print("\nNobody would stand elsewhere after the last night.")
    else:
        named = moved.with_columns(pl.col("level", "other_level").fill_null("(none)"))
        console.print(as_table(named, "\nWho would stand elsewhere after the last night"))
    changes = replay.changes
    if replay.days < LEAST_DAYS:
        changes = changes.drop("changes_per_customer_year", "often_rate")
    days = count_of(replay.days, "day")
    console.print(as_table(changes, f"\nHow often grades and bands change in {days}"))
    if replay.days < LEAST_DAYS:
        console.print(
            f"Per customer-year is told of {LEAST_DAYS} days or more: a shorter span says nothing "
            "of a year."
        )
    console.print(as_table(replay.grades, "\nMoney of the last 365 days by grade"))


def replay_as_json(replay: Replay) -> str:
    """The same for a program, with the ids of whom it is about."""
    frames = {
        name: getattr(replay, name).to_dicts()
        for name in ("moves", "changes", "grades", "customers")
    }
    looked_at = {name: getattr(replay, name) for name in ("nights", "first_on", "last_on")}
    return json.dumps(looked_at | frames, default=str, ensure_ascii=False, indent=2)
