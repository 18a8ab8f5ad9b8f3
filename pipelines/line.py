"""Wires the steps: each reads files of the run, calls a pure function, writes files of the run."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from pipelines.acceptances import read_accepted
from pipelines.catalogue import Catalogue, load_catalogue
from pipelines.collect import extract_source
from pipelines.configured import configured_rules
from pipelines.errors import C360Error
from pipelines.gate_breakers import find_tripped, write_gate_breakers
from pipelines.histories import bring_memory, write_histories
from pipelines.lake import Lake, Run, read_json, write_table, write_text
from pipelines.land import (
    committed_files,
    find_base_currency,
    freeze_inputs,
    freeze_rules,
    frozen_rules,
    land_new_files,
    summarise_landing,
)
from pipelines.measure import measure_kpis
from pipelines.publish import publish
from pipelines.release import previous_release, release_run, write_index, write_manifest
from pipelines.report import write_report
from pipelines.resolve import resolve
from pipelines.rules import find_rules, load_rules, rules_sha256
from pipelines.rules.schemas import RuleBook, RunFacts
from pipelines.score import REPORT, score, try_models
from pipelines.scoring.past.backtest import Backtest
from pipelines.sealing import seal_others, seal_run
from pipelines.segments.cut import Cut
from pipelines.settings import Settings
from pipelines.steps import GATES, LINE, StepResult, read_report
from pipelines.tableau import write_hyper
from pipelines.tombstones import read_tombstones
from pipelines.transform import run_dbt, transform
from pipelines.wording import count_of

Progress = Callable[[str], None]

# dbt's page is one file with its own scripts inside; it may run them and reach nobody.
DBT_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; "
    "img-src data:; font-src data:"
)


class Line:
    """One run date of one installation, and its steps."""

    def __init__(self, settings: Settings, as_of: date, progress: Progress) -> None:
        self.settings = settings
        self.lake = Lake(settings.home)
        self.run: Run = self.lake.run(as_of)
        self.progress = progress

    @property
    def catalogue(self) -> Catalogue:
        """What the dbt YAML declares."""
        return load_catalogue(self.settings.project_dir)

    def work(self, step: str) -> StepResult:
        """Do one step of the line."""
        verb, _, argument = step.partition(" ")
        if argument:
            return {"extract": self.extract, "transform": self.transform, "gate": self.gate}[verb](
                argument
            )
        return {
            "land": self.land,
            "resolve": self.resolve,
            "score": self.score,
            "publish": self.publish,
            "release": self.release,
        }[verb]()

    def extract(self, name: str) -> StepResult:
        """Bring in what a source has delivered; if it is down, go on without it if it may be."""
        return extract_source(self.settings, self.run, name, self.progress)

    def land(self) -> StepResult:
        """Type the new files, and freeze what this run reads."""
        seal_others(self.lake, self.run, self.catalogue)
        files = find_rules(self.settings.rules_dir)
        book = configured_rules(self.settings)
        count = land_new_files(
            self.lake,
            self.catalogue,
            book.sources,
            self.run.as_of,
            self.progress,
            read_tombstones(self.lake, book, self.settings.pseudonym),
        )
        committed = committed_files(self.lake, self.run.as_of)
        if not committed:
            raise C360Error(
                f"No data has been landed up to {self.run.as_of}.",
                "Run c360 extract first, or a later --date.",
            )
        freeze_inputs(self.run, self.catalogue, committed)
        before = previous_release(self.lake, self.run.as_of)
        released = before.as_of if before else date.min.isoformat()
        summary = summarise_landing(committed, book, self.run.as_of, released)
        self._write("landing_summary", summary)
        base = find_base_currency(self.run, book)
        facts = RunFacts(
            as_of=self.run.as_of,
            base_currency=base,
            personal_fields=self.catalogue.landing["crm_contacts"].direct,
        )
        freeze_rules(self.run, self.catalogue, book, files, facts)
        totals = summary.select(pl.col("^.*_count$").sum()).row(0, named=True)
        notes = [
            f"{source}: {table} has columns the contract does not know, kept in extra: "
            f"{', '.join(columns)}."
            for source, table, columns in summary.select(
                "source", "table", "unknown_columns"
            ).iter_rows()
            if columns
        ]
        if totals["quarantined_count"]:
            notes.append(
                f"{totals['quarantined_count']:,} of {count_of(totals['rows_in_count'], 'row')} "
                "went into quarantine: c360 quarantine list."
            )
        inputs = [{k: v for k, v in file.items() if k != "partition"} for file in committed]
        return StepResult(
            f"{count_of(count, 'file')}; {count_of(totals['rows_in_count'], 'row')} in = "
            f"{totals['landed_count']:,} landed + {totals['quarantined_count']:,} quarantined"
            + (f" + {totals['erased_count']:,} erased" if totals["erased_count"] else ""),
            tuple(notes),
            {"inputs": inputs, "base_currency": base},
        )

    def transform(self, stage: str) -> StepResult:
        """Build one stage's models with dbt."""
        zone = self._rules().sources.time_zone
        if stage == "marts":
            bring_memory(previous_release(self.lake, self.run.as_of), self.run, self.catalogue)
        counts = transform(stage, self.run, self.settings.project_dir, zone)
        if stage == "marts":
            measure_kpis(self.lake, self.run, self.catalogue)
        told = [count_of(counts[kind], kind) for kind in ("model", "test") if kind in counts]
        notes = (*self._order_notes(), *self._erasure_notes()) if stage == "profile" else ()
        return StepResult(", ".join(told), notes)

    def _order_notes(self) -> tuple[str, ...]:
        """Orders whose money is in nobody's profile, and why."""
        completed = self.run.scan("models", "int_orders_completed", "transform profile")
        unnamed = completed.filter(pl.col("customer_id").is_null()).select(pl.len())
        count, total = unnamed.collect().item(), completed.select(pl.len()).collect().item()
        notes = []
        if count:
            notes.append(
                f"No customer is named by {count:,} of {count_of(total, 'completed order')}; no "
                "profile has them."
            )
        passed_over = set(self._rules().orders.not_completed)
        orders = self.run.scan("models", "stg_shop__orders", "transform profile")
        seen = orders.group_by("status").len().sort("status").collect().rows()
        skipped = [f"{status} ({count})" for status, count in seen if status in passed_over]
        if skipped:
            notes.append(f"Orders that are no purchase by their status: {', '.join(skipped)}.")
        return tuple(notes)

    def _erasure_notes(self) -> tuple[str, ...]:
        """Requests to be forgotten that reach nobody."""
        requests = self.run.scan("models", "int_erasure_requests_attributed", "transform profile")
        counts = requests.select(pl.len(), pl.col("customer_id").is_null().sum()).collect().row(0)
        if not counts[1]:
            return ()
        return (
            f"Nobody is reached by {counts[1]:,} of {count_of(counts[0], 'request')} to be "
            "forgotten: such a request names somebody unknown, or a value that ties nobody; let it "
            "name the contact.",
        )

    def resolve(self) -> StepResult:
        """Tie records into customers."""
        return resolve(self.lake, self.run, self.catalogue, self._rules(), self.settings.pseudonym)

    def score(self) -> StepResult:
        """Predict value and churn risk, or say why not."""
        return score(self.lake, self.run, self.catalogue, self._rules())

    def backtest(self, cuts: int) -> Backtest:
        """Try the models of this run on so many past days, by the rules that it froze."""
        self.run.scan("models", "int_orders_summed_to_customer_days", "backtest")
        return try_models(self.run, self._rules(), cuts)

    def gate(self, stage: str) -> StepResult:
        """Let Great Expectations judge a stage."""
        from pipelines.gate import run_gate

        accepted = read_accepted(self.lake, self.settings.audit, self.run.as_of)
        write_gate_breakers(stage, self.lake, self.run, self.catalogue, self._rules(), accepted)
        result = run_gate(stage, self.run, self.catalogue, self.settings.project_dir)
        notes = tuple(f"gate {stage}: {warning}" for warning in result.warnings)
        return StepResult(
            f"{result.passed} of {count_of(result.checks, 'check')} passed, "
            f"{count_of(len(result.warnings), 'warning')}",
            notes,
        )

    def publish(self) -> StepResult:
        """Put marts and lists together."""
        before = previous_release(self.lake, self.run.as_of)
        write_histories(self.run, self.catalogue, self._rules())
        accepted = read_accepted(self.lake, self.settings.audit, self.run.as_of)
        done = publish(self.run, self.catalogue, self._rules(), before, accepted)
        if self.settings.tableau:
            write_hyper(self.run.release)
        places = sum(cut.rows.height for cut in done.lists.values())
        lists = [
            {
                **segment.model_dump(
                    include={"name", "version", "label", "label_zh", "purpose", "channel"}
                ),
                "rows": done.lists[segment.name].rows.height,
                "matched": done.lists[segment.name].matched,
                "left_out": done.lists[segment.name].left_out,
                "refreshed_on": done.lists[segment.name].refreshed_on.isoformat(),
                **_kept(done.lists[segment.name]),
            }
            for segment in self._rules().segments.segments
        ]
        kept = sum("kept_from" in told for told in lists)
        return StepResult(
            f"{count_of(done.customers, 'customer')}, {count_of(len(done.lists), 'list')} with "
            f"{count_of(places, 'place')}"
            + (f"; {kept} held back, the last released stay" if kept else ""),
            done.notes,
            {"customers": done.customers, "lists": lists},
        )

    def release(self) -> StepResult:
        """Name the release after its content and move `current` to it."""
        reports = {step: read_report(self.run, step) or {} for step in LINE if step != "release"}
        extracts = [read_json(path) for path in sorted(self.run.steps.glob("extract_*.json"))]
        gates = {stage: read_json(self.run.gates / f"{stage}.json") for stage in GATES}
        red = [stage for stage, result in gates.items() if not result["passed"]]
        if red:
            raise C360Error(
                f"Gates {', '.join(red)} are not green for {self.run.as_of}.",
                f"Run c360 nightly --date {self.run.as_of}.",
            )
        page = (self.run.gates / "index.html").read_bytes()
        (self.run.release / "gates.html").write_bytes(page)
        book = self._rules()
        facts = {
            "date": self.run.as_of.isoformat(),
            "version": pipeline_version(),
            "rules_sha256": rules_sha256(frozen_rules(self.run).values()),
            "base_currency": reports["land"]["facts"]["base_currency"],
            "time_zone": book.sources.time_zone,
            "previous_release": reports["resolve"]["facts"]["previous_release"],
            "inputs": reports["land"]["facts"]["inputs"],
            "sources": [
                {"name": report["step"].removeprefix("extract ")} | report["facts"]
                for report in extracts
                if report["status"] == "ok"
            ],
            "gates": gates,
            "customers": reports["publish"]["facts"]["customers"],
            "lists": reports["publish"]["facts"]["lists"],
            "breakers": find_tripped(self.run),
            "models": read_json(self.run.path / "pipeline" / REPORT),
            "notes": [
                note
                for report in [*extracts, *reports.values()]
                for note in report.get("notes", ())
            ],
        }
        write_report(self.lake, self.run.release, facts, book.segments.segments)
        run_id = write_manifest(self.run.release, facts)
        release, is_current = release_run(self.lake, self.run, run_id)
        seal_run(self.run, self.catalogue)
        if is_current:
            return StepResult(
                f"current is {release.path.name}", facts={"release": release.path.name}
            )
        return StepResult(
            f"{release.path.name} is kept; current stays at a newer date",
            facts={"release": release.path.name},
        )

    def _rules(self) -> RuleBook:
        """The rules that `land` froze for this run."""
        return load_rules(frozen_rules(self.run))

    def _write(self, name: str, frame: pl.DataFrame) -> None:
        dataset = self.catalogue["pipeline", name]
        write_table(dataset.conform(frame.lazy()), self.run.table("pipeline", name))


def _kept(cut: Cut) -> dict[str, Any]:
    """What the manifest tells of a list that is not tonight's."""
    if cut.kept_from is None:
        return {}
    return {"kept_from": cut.kept_from, "taken_off": cut.taken_off}


def pipeline_version() -> str:
    """The version of this program."""
    from pipelines import __version__

    return __version__


def build_docs(settings: Settings, as_of: date) -> Path:
    """Write dbt's documentation of a run as one page that reaches nobody; returns its path.

    Raises:
        C360Error: there was no such run, or dbt failed.
    """
    run = Lake(settings.home).run(as_of)
    if not run.rules.exists():
        raise C360Error(f"There was no run of {as_of}.", f"Run c360 nightly --date {as_of}.")
    zone = load_rules(frozen_rules(run)).sources.time_zone
    logs = run.path / "dbt" / "docs"
    run_dbt(["docs", "generate", "--static"], run, logs, settings.project_dir, zone)
    lake = Lake(settings.home)
    made = (run.path / "dbt" / "target" / "static_index.html").read_text(encoding="utf-8")
    policy = f'<meta http-equiv="Content-Security-Policy" content="{DBT_POLICY}">'
    write_text(made.replace("<head>", f"<head>{policy}", 1), lake.docs)
    write_index(lake)
    return lake.docs
