"""What a person sees at the end of a run: steps, customers, lists, gates, files, what next."""

import os
import time
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
from rich.console import Console, JustifyMethod
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from pipelines.errors import C360Error
from pipelines.extract.check import Finding
from pipelines.lake import Lake, Run, read_json
from pipelines.list_breakers import NEVER
from pipelines.release import Release, current_release
from pipelines.steps import LINE
from pipelines.wording import count_of

MARKS = {"ok": "[green]✓[/green]", "doubt": "[yellow]![/yellow]", "failed": "[red]✗[/red]"}
POLL_SECONDS = 1.0
RESULT_WIDTH = 50  # with the other columns 80 characters: a file has no width that would wrap it


def show_run(console: Console, lake: Lake, day: date) -> None:
    """Print a run's steps and, if it was released, what it holds.

    Raises:
        C360Error: there was no run of this date.
    """
    run = lake.run(day)
    if not run.steps.exists():
        raise C360Error(f"There was no run of {day}.", f"Run c360 nightly --date {day}.")
    console.print(_steps_table(run))
    reports = _reports(run)
    failed = [report for report in reports if report["status"] == "failed"]
    for report in failed:
        console.print(f"[red]{report['step']} failed:[/red] {escape(report['reason'])}")
        console.print(f"[yellow]next:[/yellow] {escape(report['hint'])}  Log: {report['log']}")
    done = [report for report in reports if report["step"] == "release"]
    if done and done[0]["status"] == "ok":
        show_release(console, Release(lake.published / done[0]["facts"]["release"]), lake)


def show_findings(console: Console, findings: Iterable[Finding]) -> bool:
    """Print what trying the sources gave; returns whether all is well."""
    table = Table("source", "tried", "", "result", title="Sources", title_justify="left")
    hints: dict[str, None] = {}
    is_well = True
    with Live(table, console=console):  # each row as it comes: a source may take its time
        for finding in findings:
            mark = MARKS["failed" if not finding.ok else "doubt" if finding.hint else "ok"]
            table.add_row(finding.source, finding.what, mark, escape(finding.told))
            is_well &= finding.ok
            if finding.hint:
                hints[finding.hint] = None
    if not console.is_terminal:
        console.line()  # there, Live leaves its last line open
    for hint in hints:
        console.print(f"[yellow]next:[/yellow] {escape(hint)}")
    return is_well


def follow_run(console: Console, lake: Lake, day: date, process: int) -> None:
    """Show a run's steps while a process works on them, until that process ends."""
    run = lake.run(day)
    told: set[str] = set()
    with Live(_steps_table(run), console=console, refresh_per_second=2, transient=True) as live:
        while _is_alive(process):
            live.update(_steps_table(run))
            if not console.is_terminal:
                _tell_new_steps(console, run, told)
            time.sleep(POLL_SECONDS)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def _tell_new_steps(console: Console, run: Run, told: set[str]) -> None:
    for report in _reports(run):
        key = f"{report['step']} {report['status']} {report['seconds']}"
        if key not in told:
            told.add(key)
            console.print(f"{report['step']:<18} {report['status']} in {report['seconds']} s")


def _reports(run: Run) -> list[dict[str, Any]]:
    """Reports of all steps that ran, in the order of the line."""
    place = {step: number for number, step in enumerate((*LINE, "serve postgres", "deliver"))}
    reports = [read_json(path) for path in sorted(run.steps.glob("*.json"))]
    return sorted(reports, key=lambda r: (place.get(r["step"], 0), r["step"]))


def _steps_table(run: Run) -> Table:
    table = Table(title=f"Run of {run.as_of}", box=None, pad_edge=False)
    table.add_column("")
    table.add_column("step")
    table.add_column("seconds", justify="right")
    table.add_column("result", overflow="fold", max_width=RESULT_WIDTH)
    for report in _reports(run):
        told = report.get("summary") or report["reason"]
        is_stale = report.get("facts", {}).get("is_stale", False)
        table.add_row(
            MARKS["doubt" if is_stale else str(report["status"])],
            str(report["step"]),
            f"{report['seconds']:.1f}",
            escape(str(told)),
        )
    return table


def show_release(console: Console, release: Release, lake: Lake) -> None:
    """Print what a release holds."""
    manifest = release.manifest
    shown = ["lifecycle_stage_label", "lifecycle_stage_label_zh", "grade"]
    audience = pl.read_parquet(release.path / "marts" / "audience.parquet", columns=shown)
    console.print(_customers_table(audience))
    console.print(_lists_table(release))
    gates = manifest["gates"]
    told = ", ".join(
        f"{name} {result['checks_passed']}/{result['checks']}"
        + (f" ({count_of(count, 'warning')})" if (count := result["warnings_count"]) else "")
        for name, result in gates.items()
    )
    console.print(f"\n[bold]Gates[/bold]  {told}")
    for source in manifest["sources"]:
        if source["is_stale"]:
            console.print(
                f"[yellow]stale[/yellow]  {source['name']}: last read on {source['fresh_through']}"
            )
    for told in manifest.get("breakers", ()):
        color = "red" if told["outcome"] == "tripped" else "yellow"
        console.print(f"[{color}]{told['outcome']}[/{color}]  {escape(told['told'])}")
    for note in manifest["notes"]:
        console.print(f"[dim]note[/dim]   {escape(note)}")
    current = current_release(lake)
    here = current is not None and current.path == release.path.resolve()
    console.print(
        f"\n[bold]Files[/bold]  {release.path}{'  (= published/current)' if here else ''}"
    )
    console.print(
        "       report.html, gates.html, marts/*.parquet, marts.duckdb, lists/*.csv|xlsx|parquet, "
        "manifest.json"
    )
    console.print(
        "[bold]Next[/bold]   open report.html (or c360 serve); query marts.duckdb read-only; hand "
        "lists/*.xlsx to marketing; c360 quarantine list; c360 rollback"
    )


def _customers_table(audience: pl.DataFrame) -> Table:
    """Customers by life-cycle stage and grade, with both labels."""
    table = Table(title="\nCustomers by stage and grade 客户分级", box=None, pad_edge=False)
    table.add_column("stage")
    table.add_column("")
    for grade in ("A", "B", "C", "D", "all"):
        table.add_column(grade, justify="right")
    counts = (
        audience.group_by("lifecycle_stage_label", "lifecycle_stage_label_zh", "grade")
        .len()
        .pivot("grade", index=["lifecycle_stage_label", "lifecycle_stage_label_zh"], values="len")
    )
    for row in counts.sort("lifecycle_stage_label").iter_rows(named=True):
        numbers = [row.get(grade) or 0 for grade in "ABCD"]
        cells = [f"{number:,}" if number else "·" for number in numbers]
        table.add_row(
            row["lifecycle_stage_label"],
            row["lifecycle_stage_label_zh"],
            *cells,
            f"{sum(numbers):,}",
        )
    totals = [audience.filter(pl.col("grade") == grade).height for grade in "ABCD"]
    table.add_row("all", "全部", *[f"{n:,}" for n in totals], f"{audience.height:,}", style="bold")
    return table


def _lists_table(release: Release) -> Table:
    table = Table(title="\nLists 名单", box=None, pad_edge=False)
    table.add_column("list")
    table.add_column("")
    table.add_column("people", justify="right")
    table.add_column("why the first of them is on it")
    for entry in release.manifest["lists"]:
        rows = pl.read_parquet(release.path / "lists" / f"{entry['name']}.parquet")
        reason = rows["reason"][0] if rows.height else "nobody tonight"
        name, kept_from = entry["name"], entry.get("kept_from")
        if kept_from == NEVER:
            reason = "held back, and none has gone out before that could stay"
        elif kept_from:
            name += f" (of {kept_from})"
        table.add_row(name, entry["label_zh"], f"{rows.height:,}", escape(reason))
    return table


def show_quarantine(console: Console, lake: Lake, wanted: Mapping[str, str], rows: int) -> None:
    """Count quarantined rows by rule; with `rows`, also where they stand. Never their content.

    Args:
        console: where to print.
        lake: holds the quarantine.
        wanted: only rows of this `table`, `source` or `landed_on` (a business day).
        rows: so many places are shown.

    Raises:
        C360Error: there is no such row.
    """
    paths = sorted(lake.quarantine.glob("*/source=*/date=*/part-*.parquet"))
    if not paths:
        console.print("The quarantine is empty.")
        return
    kept = [_kept(path) for path in paths]
    chosen = [(path, facts) for path, facts in kept if wanted.items() <= facts.items()]
    if not chosen:
        asked = " and ".join(f"{name} {value}" for name, value in wanted.items())
        raise C360Error(f"No row of {asked} is in quarantine.", _what_is_there(kept))
    found = pl.concat(
        pl.scan_parquet(path).drop("raw").with_columns(landed_on=pl.lit(facts["landed_on"]))
        for path, facts in chosen
    )
    keys = ["landed_on", "source", "table", "rule", "column"]
    counts = found.group_by(keys).len("rows").sort(keys).collect()
    console.print(as_table(counts, "Quarantine"))
    if rows:
        places = found.select("landed_on", "file", "row_number", "rule", "column").sort(pl.all())
        console.print(as_table(places.head(rows).collect(), f"\nThe first {rows}"))
        console.print("\nrow_number counts rows from 1; the header is none.")
    console.print(f"\nThe raw rows (personal data) are in {lake.quarantine}.")


def _kept(path: Path) -> tuple[Path, dict[str, str]]:
    """A file of the quarantine, and what its folders say of its rows."""
    table, source, day = path.parts[-4:-1]
    facts = {"table": table, "source": source.partition("=")[2], "landed_on": day.partition("=")[2]}
    return path, facts


def _what_is_there(kept: list[tuple[Path, dict[str, str]]]) -> str:
    sources, tables, days = (
        sorted({facts[name] for _, facts in kept}) for name in ("source", "table", "landed_on")
    )
    return (
        f"There are rows of source {', '.join(sources)}; of table {', '.join(tables)}; "
        f"landed from {days[0]} to {days[-1]}."
    )


def as_table(frame: pl.DataFrame, title: str) -> Table:
    """A frame as a plain table; where it is too wide, cells go on below, and nothing is cut off."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for name, dtype in frame.schema.items():
        justify: JustifyMethod = "right" if dtype.is_numeric() else "left"
        table.add_column(name, justify=justify, overflow="fold")
    for row in frame.iter_rows():
        table.add_row(*[escape(str(value)) for value in row])
    return table
