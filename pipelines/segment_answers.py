"""Answers about lists, for people at a terminal and as JSON. No name, no contact."""

import json
from collections.abc import Iterator
from datetime import date
from typing import Any

import polars as pl
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipelines.rules.segments import Segment
from pipelines.segment_questions import AskedPreview, Compared, Linted, WhyListed
from pipelines.segments.diff import moved
from pipelines.segments.trace import Step, failing, say, told_values
from pipelines.summary import as_table
from pipelines.wording import count_of

MARKS = {True: "[green]✓[/green]", False: "[red]✗[/red]", None: "[yellow]?[/yellow]"}
DECISIONS = {
    "on_list": "on the list 在名单上",
    "holdout": "held out, to measure what the list is worth 对照组",
    "suppressed": "never written to 禁止联系",
    "no_consent": "no consent for its purpose and channel 未授权",
    "lower_priority": "on a list of higher priority 让位于优先名单",
    "capped": "written to often enough already 频次已满",
    "over_limit": "after the list's limit 超出名额",
    "list_too_small": "the list is too small to go out 名单过小",
    "list_kept": "tonight's list was held back, and the last one stands 沿用上次名单",
}

ROLES = {
    None: "off the list 不在名单上",
    "treated": DECISIONS["on_list"],
    "holdout": "held out of it 对照组",
    "global_holdout": "held out of all marketing 整体对照组",
}
MOVED = {
    "condition": "its condition became true",
    "list_began": "the list began, or this version of it",
    "no_longer_matches": "its condition is true no more",
    "merged": "merged into another customer",
    "list_removed": "the list is no more",
    "gone": "the customer is no more",
    "changed": "its version or holdout changed",
}

REFRESHED = {
    "nightly": "refreshed every night",
    "weekly": "refreshed on Mondays or the first night after one",
    "monthly": "refreshed on the 1st of a month or the first night after it",
}


def as_json(content: dict[str, Any]) -> str:
    """Content for a program."""
    return json.dumps(content, default=str, ensure_ascii=False, indent=2)


def show_preview(console: Console, asked: AskedPreview) -> None:
    """Print what a list would be."""
    segment, found = asked.segment, asked.preview
    share = f"{found.matched / found.asked:.1%}" if found.asked else "0%"
    console.print(
        f"[bold]{segment.name}[/bold]  {escape(segment.label)} {escape(segment.label_zh)}: "
        f"[bold]{found.matched:,}[/bold] of {count_of(found.asked, 'customer')} ({share}), "
        f"release {asked.release.path.name}"
    )
    console.print(f"where {escape(segment.where)}", style="dim")
    for finding in asked.findings:
        console.print(f"[yellow]look[/yellow] {escape(finding.told)}")
    console.print(_since_text(asked))
    if asked.refreshed_on is not None and not _is_tonight(asked):
        console.print(f"The list itself is {_kept(segment, asked.refreshed_on)}.")
    if found.suppressed:
        console.print(f"{found.suppressed:,} of them are suppressed and left out{_more(asked)}.")
    if segment.limit is not None and found.matched - found.suppressed > segment.limit:
        console.print(f"The list takes the first {segment.limit:,} of them.")
    parts = found.parts.select(
        predicate="predicate",
        true=_count("true_count"),
        false=_count("false_count"),
        unknown=_count("unknown_count"),
        **{"keeps off alone": _count("stopped_alone_count")},
    )
    console.print(as_table(parts, "\nWhat each part does"))
    if found.matched:
        console.print(_grades(found.by_grade_and_stage))
    if found.overlaps.height:
        overlaps = found.overlaps.select(
            "list",
            both=_count("both_count"),
            **{
                "of this list": _percent("of_this_rate"),
                "of the other": _percent("of_other_rate"),
            },
        )
        console.print(as_table(overlaps, "\nAlso on 名单重叠"))
    _show_decided(console, asked)
    if found.examples.height:
        examples = found.examples.select("customer_id", "grade", "lifecycle_stage", "reason")
        console.print(as_table(examples, f"\nThe first {found.examples.height}"))


def _is_tonight(asked: AskedPreview) -> bool:
    return asked.refreshed_on == date.fromisoformat(asked.release.as_of)


def _kept(segment: Segment, refreshed_on: date) -> str:
    return f"kept from the release of {refreshed_on}, {REFRESHED[segment.refresh]}"


def _more(asked: AskedPreview) -> str:
    """What the count of the suppressed leaves open."""
    if asked.is_decided:
        return ", as below"
    return (
        f"; who else said no to {asked.segment.channel} for {asked.segment.purpose}, or has no "
        "consent, only the night asks, as it does caps and holdout"
    )


def _since_text(asked: AskedPreview) -> str:
    if asked.before is None:
        return "There is no earlier release to compare with."
    if asked.entered is None:
        return f"The release {asked.before.path.name} cannot be asked the same."
    return f"Since {asked.before.as_of}: {asked.entered:,} came, {asked.left:,} went."


def _show_decided(console: Console, asked: AskedPreview) -> None:
    if asked.decided is None or asked.decided.is_empty():
        return
    by = "" if asked.is_as_released else ", by the rule as it was then"
    night = pl.lit(date.fromisoformat(asked.release.as_of))
    kept = pl.when(pl.col("decided_on") < night).then(
        pl.format(" (kept from {})", pl.col("decided_on").cast(pl.String))
    )
    table = asked.decided.select(
        customers=_count("customer_count"),
        decided=pl.col("decision").replace(DECISIONS) + kept.otherwise(pl.lit("")),
    )
    console.print(as_table(table, f"\nWhat the night of {asked.release.as_of} decided{by}"))


def _grades(counts: pl.DataFrame) -> Table:
    """Customers by stage and grade."""
    grades = sorted(counts["grade"].drop_nulls().unique())
    table = Table(
        title="\nBy stage and grade 阶段与等级", title_justify="left", box=None, pad_edge=False
    )
    table.add_column("stage")
    for grade in (*grades, "all"):
        table.add_column(grade, justify="right")
    for (stage,), rows in counts.group_by("lifecycle_stage", maintain_order=True):
        of = dict(rows.select("grade", "customer_count").iter_rows())
        cells = [f"{of[grade]:,}" if grade in of else "·" for grade in grades]
        table.add_row(str(stage), *cells, f"{sum(of.values()):,}")
    return table


def _count(name: str) -> pl.Expr:
    return pl.col(name).map_elements(lambda n: f"{n:,}", return_dtype=pl.String)


def _percent(name: str) -> pl.Expr:
    return pl.col(name).map_elements(lambda rate: f"{rate:.0%}", return_dtype=pl.String)


def preview_as_dict(asked: AskedPreview) -> dict[str, Any]:
    """The same for a program."""
    found = asked.preview
    return {
        "list": asked.segment.name,
        "where": asked.segment.where,
        "release": asked.release.path.name,
        "customers": found.asked,
        "refreshed_on": asked.refreshed_on,
        "matched": found.matched,
        "suppressed": found.suppressed,
        "since": asked.before.path.name if asked.before else None,
        "entered": asked.entered,
        "left": asked.left,
        "findings": [finding.told for finding in asked.findings],
        "parts": found.parts.to_dicts(),
        "by_grade_and_stage": found.by_grade_and_stage.to_dicts(),
        "overlaps": found.overlaps.to_dicts(),
        "decided": asked.decided.to_dicts() if asked.decided is not None else None,
        "is_as_released": asked.is_as_released,
        "examples": found.examples.to_dicts(),
    }


def show_lint(console: Console, linted: Linted) -> None:
    """Print faults and doubts, list by list."""
    for finding in linted.findings:
        color = "red" if finding.severity == "error" else "yellow"
        console.print(
            f"[{color}]{finding.severity:<7}[/{color}] {finding.name}: {escape(finding.told)}"
        )
    faults = sum(finding.severity == "error" for finding in linted.findings)
    doubts = len(linted.findings) - faults
    told = (
        f"{count_of(len(linted.segments), 'list')}: {count_of(faults, 'fault')}, "
        f"{count_of(doubts, 'doubt')}"
    )
    if linted.release is not None:
        console.print(f"{told}; by the customers of {linted.release.path.name}.")
    elif faults:
        console.print(f"{told}. Customers are asked once there are no faults.")
    else:
        console.print(f"{told}. Nothing has been released yet, so no customers were asked.")


def lint_as_dict(linted: Linted) -> dict[str, Any]:
    """The same for a program."""
    return {
        "release": linted.release.path.name if linted.release else None,
        "lists": len(linted.segments),
        "findings": [
            {"list": f.name, "severity": f.severity, "told": f.told} for f in linted.findings
        ],
    }


def show_diff(console: Console, compared: Compared) -> None:
    """Print which rules changed and who would come and go."""
    console.print(f"{compared.before} → {compared.after}")
    for change in compared.rules:
        console.print(f"\n[bold]{change.name}[/bold]  {_changed(change.key)}")
        if change.before is not None:
            console.print(f"  [red]- {escape(change.before)}[/red]")
        if change.after is not None:
            console.print(f"  [green]+ {escape(change.after)}[/green]")
    if not compared.rules:
        console.print("No rule of a list has changed.")
    moved_at_all = compared.lists.filter((pl.col("entered_count") > 0) | (pl.col("left_count") > 0))
    if moved_at_all.is_empty():
        console.print("\nNobody enters or leaves a list.")
        return
    table = moved_at_all.select(
        "list",
        before=_count("before_count"),
        after=_count("after_count"),
        enter=_count("entered_count"),
        leave=_count("left_count"),
    )
    console.print(as_table(table, "\nWho enters and leaves, before consent and caps"))
    others = compared.lists.height - moved_at_all.height
    stay = count_of(others, "other list stays as it is", "other lists stay as they are")
    console.print(f"\n{stay}.")


def _changed(key: str) -> str:
    return "is new or gone" if key == "list" else key


def diff_as_dict(compared: Compared) -> dict[str, Any]:
    """The same for a program, with everybody's id."""
    lists = []
    for row in compared.lists.iter_rows(named=True):
        entered, left = moved(*compared.members, row["list"])
        lists.append(row | {"entered": entered, "left": left})
    return {
        "before": compared.before,
        "after": compared.after,
        "rules": [
            {"list": c.name, "key": c.key, "before": c.before, "after": c.after}
            for c in compared.rules
        ],
        "lists": lists,
    }


def tell_moves(moves: pl.DataFrame) -> pl.DataFrame:
    """Lines of a customer's history: which list, where it stood before and after, and why.

    Returns:
        as_of, column, before, after.
    """
    lines = [
        {
            "as_of": move["as_of"],
            "column": f"list {move['label'] or move['list']} {move['label_zh'] or ''}".rstrip(),
            "before": ROLES[move["before"]],
            "after": f"{ROLES[move['after']]}: {_why_moved(move['because'])}",
        }
        for move in moves.iter_rows(named=True)
    ]
    return pl.DataFrame(lines, dict.fromkeys(("as_of", "column", "before", "after"), pl.String))


def _why_moved(because: str) -> str:
    if because in MOVED:
        return MOVED[because]
    decision, _, detail = because.partition(":")
    then = "until then " if decision.startswith("no_longer_") else ""
    decision = decision.removeprefix("no_longer_")
    return f"{then}{DECISIONS.get(decision, decision)}{f' ({detail})' if detail else ''}"


def show_why_listed(console: Console, why: WhyListed) -> None:
    """Print why a customer is on a list or is not: each predicate with the value it used."""
    where = f"{escape(why.segment.label)} {escape(why.segment.label_zh)}"
    console.print(
        f"[bold]{why.customer_id}[/bold]  {why.segment.name} ({where}), release "
        f"{why.release.path.name}"
    )
    console.print(escape(verdict(why)))
    if why.reason:
        console.print(f"{escape(why.reason)}\n{escape(why.reason_zh or '')}")
    console.print(f"\nCondition (rules: {why.rules_are})")
    for line in _lines(why.step, 0):
        console.print(line)


def verdict(why: WhyListed) -> str:
    """Whether the customer is on the list, and what decided it, in a sentence."""
    missed = list(failing(why.step))
    now = "; ".join(say(step) for step in missed)
    if why.is_on_list and why.kept_from:
        return (
            f"On the list as it was released on {why.kept_from}: a circuit breaker held back that "
            f"of {why.release.as_of}."
        )
    if why.is_on_list:
        return (
            f"On the list until it is refreshed, though tonight {now}." if now else "On the list."
        )
    if why.decision is not None and why.decided_on is not None:
        told = DECISIONS.get(why.decision, why.decision)
        told = f"Not on the list: {told}{f' ({why.detail})' if why.detail else ''}."
        if why.decided_on.isoformat() == why.release.as_of:
            return told
        then = f" That is {_kept(why.segment, why.decided_on)}."
        if why.kept_from:
            then = (
                f" That is of the release of {why.decided_on}, for a circuit breaker held back the "
                f"list of {why.release.as_of}."
            )
        return told + then + (f" Tonight {now}." if now else "")
    if missed:
        near = "Nearly on the list: only " if len(missed) == 1 else "Not on the list: "
        return f"{near}{now}."
    if why.is_suppressed:
        return f"Not on the list, though the condition is true: {DECISIONS['suppressed']}."
    if why.refreshed_on is not None and why.refreshed_on.isoformat() < why.release.as_of:
        return (
            "Not on the list yet, though the condition is true tonight: the list is "
            f"{_kept(why.segment, why.refreshed_on)}; that night the condition was not true."
        )
    return (
        "Not on the list, though the condition is true: consent or the limit decided, and "
        "this release does not keep which."
    )


def _lines(step: Step, depth: int) -> Iterator[str]:
    words = {"and": "all of", "or": "any of", "not": step.text.split("(")[0].strip() or "not"}
    told = words.get(step.joined, step.text)
    values = told_values(step) if step.joined == "is" else ""
    yield f"{'  ' * depth}{MARKS[step.answer]} {escape(told)}[dim]{escape(values)}[/dim]"
    for part in step.parts:
        yield from _lines(part, depth + 1)


def why_listed_as_dict(why: WhyListed) -> dict[str, Any]:
    """The same for a program."""
    return {
        "customer_id": why.customer_id,
        "list": why.segment.name,
        "release": why.release.path.name,
        "rules": why.rules_are,
        "is_on_list": why.is_on_list,
        "verdict": verdict(why),
        "kept_from": why.kept_from,
        "is_suppressed": why.is_suppressed,
        "decision": why.decision,
        "detail": why.detail,
        "decided_on": why.decided_on,
        "refreshed_on": why.refreshed_on,
        "reason": why.reason,
        "reason_zh": why.reason_zh,
        "where": why.segment.where,
        "condition": why.step.as_dict(),
        "failing": [step.as_dict() for step in failing(why.step)],
    }
