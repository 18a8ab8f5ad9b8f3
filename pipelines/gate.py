"""The gates: is tonight's data fit to release? Great Expectations answers, stage by stage.

No value of the data leaves this module: what is kept of a result are counts, and numbers over
columns that name no person.
"""

import gc
import logging
import math
import warnings
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from pipelines.catalogue import Catalogue, Dataset
from pipelines.errors import C360Error
from pipelines.gate_checks import (
    COLUMNS,
    UNIQUE,
    UNIQUE_TOGETHER,
    Check,
    as_bound,
    malformed,
    named_datasets,
    near,
    read_suites,
)
from pipelines.gate_frames import Files, lean_frame, repeated_rows, typed_columns
from pipelines.gate_page import render_page
from pipelines.lake import Run, write_json

if TYPE_CHECKING:
    import pandas as pd

RUN_DATE, BOUNDS = "as_of", ("min_value", "max_value")  # a bound may be the date of the run
WITHOUT_VALUES, WITH_PLACES = "BASIC", "COMPLETE"  # how much Great Expectations tells of a result
# Their rows are of sources, tables and lists, so that a verdict may say which of them break it.
SUMMARIES = ("landing_summary", "list_summary")
BREAKERS = "_breakers"  # datasets of these say in a sentence what tripped
TOLD_FAILURES = 3
TOLD_ROWS = 5
MANY = 1_000_000

Asked = tuple[Check, Any]


@dataclass(frozen=True)
class Verdict:
    """What came of one check; `broken` counts rows, `observed` is a number over all of them."""

    check: Check
    outcome: Literal["passed", "warning", "waived", "failed", "not_run"]
    broken: int | None = None
    observed: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Judged:
    """A dataset and the verdicts on it."""

    name: str
    rows: int
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True)
class GateResult:
    """Counts of a gate that let the night pass; `warnings` are sentences."""

    stage: str
    checks: int
    passed: int
    not_run: int
    warnings: tuple[str, ...]
    page: Path


def run_gate(stage: str, run: Run, catalogue: Catalogue, project_dir: Path) -> GateResult:
    """Judge the datasets of a stage; writes `gates/<stage>.json` and the page of all gates.

    Args:
        stage: a file of `expectations/`, without its ending.
        run: the run whose outputs are judged.
        catalogue: gives each dataset's basic suite.
        project_dir: holds `expectations/`.

    Raises:
        C360Error: a critical expectation failed, a dataset is missing, or a line of
            `expectations/` cannot be read.
    """
    suites = [
        (dataset, [_as_asked(check, place, run, catalogue) for place, check in enumerate(checks)])
        for dataset, checks in read_suites(stage, project_dir, catalogue)
    ]
    found = [(Files.of(run, dataset), asked) for dataset, asked in suites]
    judged = [
        Judged(files.dataset.name, files.rows, _judge(files, asked, run.as_of))
        for files, asked in found
        # A source need not have every landing table; that it sent enough is another question.
        if files.rows or files.dataset.group != "landing"
    ]
    report = _report(stage, run.as_of, judged)
    write_json(report, run.gates / f"{stage}.json")
    page = render_page(run.gates)
    _refuse_failures(stage, run, judged, page)
    return GateResult(
        stage=stage,
        checks=report["checks"],
        passed=report["checks_passed"],
        not_run=report["not_run_count"],
        warnings=tuple(_told(judged, "warning", "waived")),
        page=page,
    )


def _as_asked(check: Check, place: int, run: Run, catalogue: Catalogue) -> Asked:
    """Put in what only the run knows: its date, and the row counts of other datasets."""
    settings = {
        key: as_bound(run.as_of) if value == RUN_DATE and key in BOUNDS else value
        for key, value in check.settings.items()
    }
    if check.rows_of:
        [other] = named_datasets(check.rows_of, catalogue, check.where)
        settings["value"] = Files.of(run, other).rows
    ready = check.model_copy(update={"settings": settings})
    return ready, as_expectation(ready, place)


def _judge(files: Files, asked: list[Asked], as_of: date) -> tuple[Verdict, ...]:
    """Ask Great Expectations about one dataset; what cannot be asked tonight is not run."""
    results: dict[int, Any] = {}
    for frame, places in _frames(files, [check for check, _ in asked]):
        told = WITH_PLACES if _is_told(files.dataset) else WITHOUT_VALUES
        answers = validate_frame(frame, [asked[place][1] for place in places], told)
        results |= dict(zip(places, answers, strict=True))
        many = len(frame) >= MANY
        del frame
        if many:
            # Great Expectations keeps frames in cycles: memory would add up over the datasets.
            gc.collect()
    return tuple(
        _verdict(check, results.get(place), files, as_of) for place, (check, _) in enumerate(asked)
    )


def _is_told(dataset: Dataset) -> bool:
    return dataset.name in SUMMARIES or dataset.name.endswith(BREAKERS)


def _frames(files: Files, checks: Sequence[Check]) -> Iterator[tuple["pd.DataFrame", list[int]]]:
    """The frames to judge, each with the places of its checks."""
    sound, rows = files.sound, files.rows
    uses: dict[str, set[str]] = defaultdict(set)
    of_values = []
    for place, check in enumerate(checks):
        if check.columns and not (rows and sound.keys() >= set(check.columns)):
            continue
        if check.expectation == COLUMNS:
            yield typed_columns(files.found), [place]
        elif check.expectation in (UNIQUE, UNIQUE_TOGETHER) and "mostly" not in check.settings:
            yield repeated_rows(files.scan(), check.columns), [place]
        else:
            of_values.append(place)
            for name in check.columns:
                uses[name].add(check.expectation)
    if of_values:
        yield lean_frame(files.scan(), uses), of_values


def validate_frame(
    frame: "pd.DataFrame",
    expectations: Sequence[Any],
    told: str = WITHOUT_VALUES,
) -> list[Any]:
    """Run a suite on a frame; results come in the order of the expectations."""
    gx = import_gx()
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas("run").add_dataframe_asset("frame")
    suite = gx.ExpectationSuite("suite", expectations=list(expectations))
    definition = gx.ValidationDefinition(
        name="gate",
        data=asset.add_batch_definition_whole_dataframe("whole"),
        suite=context.suites.add(suite),
    )
    result_format = {"result_format": told, "partial_unexpected_count": 0}
    results = (
        context.validation_definitions.add(definition)
        .run(batch_parameters={"dataframe": frame}, result_format=result_format)
        .results
    )
    context.data_sources.delete("run")
    # It sorts results in its own way, so each expectation carries its place.
    return sorted(results, key=lambda result: result.expectation_config.meta["place"])


def as_expectation(check: Check, place: int) -> Any:
    """Make the Great Expectations object of a check.

    Raises:
        C360Error: there is no such expectation, or it has no such setting.
    """
    import_gx()
    from great_expectations.compatibility import pydantic
    from great_expectations.exceptions import ExpectationNotFoundError
    from great_expectations.expectations import registry

    try:
        kind = registry.get_expectation_impl(check.expectation)
    except ExpectationNotFoundError:
        advice = near(check.expectation, registry.list_registered_expectation_implementations())
        what = f"asks {check.expectation}, which is unknown{advice}"
        raise malformed(check.where, what) from None
    try:
        return kind(**check.settings, severity=check.severity, meta={"place": place})
    except pydantic.ValidationError as error:
        fault = next((f for f in error.errors() if "extra" in f["type"]), error.errors()[0])
        key = ".".join(str(part) for part in fault["loc"] if part != "__root__")
        reason = f"{key}: {fault['msg']}" if key else fault["msg"]
        raise malformed(check.where, f"({check.expectation}) has a fault: {reason}") from None


def import_gx() -> Any:
    """Import Great Expectations, which takes seconds, only where a gate runs; and keep it quiet."""
    with warnings.catch_warnings():
        # Two modules of the standard library that it still imports by their old names.
        warnings.filterwarnings("ignore", "module 'sre_", DeprecationWarning)
        import great_expectations
    # Its log may hold tracebacks with values of the data; one of its modules sets its own level.
    log = logging.getLogger("great_expectations")
    log.handlers, log.propagate = [logging.NullHandler()], False
    return great_expectations


def _verdict(check: Check, result: Any, files: Files, as_of: date) -> Verdict:
    if result is None:
        lost = [name for name in check.columns if name not in files.sound]
        reason = f"{', '.join(lost)} is missing or retyped" if lost else "no rows"
        return Verdict(check, "not_run", note=reason)
    numbers = result.result
    broken = numbers.get("unexpected_count")
    observed = _number(numbers.get("observed_value"))
    if set(check.columns) & set(files.dataset.personal):
        observed = None
    if result.success:
        return Verdict(check, "passed", broken, observed)
    note = _note(check, files, broken, observed)
    if check.expectation not in (UNIQUE, UNIQUE_TOGETHER):  # their frames have not all the rows
        which = _which_rows(files, numbers.get("unexpected_index_list"))
        note = which if _speaks(files.dataset.name, check) else f"{note}{which and f' ({which})'}"
    if check.severity == "warning":
        return Verdict(check, "warning", broken, observed, note)
    waived = check.until is not None and as_of <= check.until
    return Verdict(check, "waived" if waived else "failed", broken, observed, note)


def _number(value: Any) -> float | None:
    """Only numbers are kept: a text or a date could be a value of the data."""
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        return None
    return int(value) if isinstance(value, Integral) else float(f"{value:.6g}")


def _note(check: Check, files: Files, broken: int | None, observed: float | None) -> str:
    if check.expectation == COLUMNS:
        declared, found = files.dataset.schema, files.found
        missing = [f"{n} ({t})" for n, t in declared.items() if found.get(n) != t]
        others = [f"{n} ({t})" for n, t in found.items() if declared.get(n) != t]
        if not missing and not others:
            return "they are in another order"
        return f"it lacks [{', '.join(missing)}] and has [{', '.join(others)}]"
    if broken is not None:
        return f"{broken:,} of {files.rows:,} rows break it"
    return "it could not be computed" if observed is None else f"it is {observed:,}"


def _which_rows(files: Files, places: Sequence[int] | None) -> str:
    """The keys of the first rows that break a check of a summary; of anything else, nothing."""
    if not places:
        return ""
    is_breaker = files.dataset.name.endswith(BREAKERS)
    keys = files.scan().select("told" if is_breaker else files.dataset.key).collect()
    rows = [" ".join(map(str, keys.row(place))) for place in places[:TOLD_ROWS]]
    more = len(places) - TOLD_ROWS
    told = (" / " if is_breaker else ", ").join(rows)
    return f"{told}{f' and {more} more' if more > 0 else ''}"


def _speaks(dataset: str, check: Check) -> bool:
    """Whether the rows that break a check say by themselves what is wrong."""
    return dataset.endswith(BREAKERS) and check.columns == ("outcome",)


def _report(stage: str, as_of: date, judged: Sequence[Judged]) -> dict[str, Any]:
    outcomes = [verdict.outcome for dataset in judged for verdict in dataset.verdicts]
    return {
        "stage": stage,
        "date": as_of.isoformat(),
        "passed": "failed" not in outcomes,
        "checks": len(outcomes) - outcomes.count("not_run"),
        "checks_passed": outcomes.count("passed"),
        "warnings_count": outcomes.count("warning") + outcomes.count("waived"),
        "failed_count": outcomes.count("failed"),
        "not_run_count": outcomes.count("not_run"),
        "datasets": [
            {
                "name": dataset.name,
                "rows": dataset.rows,
                "checks": [_reported(verdict) for verdict in dataset.verdicts],
            }
            for dataset in judged
        ],
    }


def _reported(verdict: Verdict) -> dict[str, Any]:
    check = verdict.check
    facts = {
        "expectation": check.expectation,
        "columns": list(check.columns),
        "sentence": check.sentence,
        "severity": check.severity,
        "outcome": verdict.outcome,
        "rows_broken": verdict.broken,
        "observed": verdict.observed,
        "note": verdict.note,
        "because": check.because,
        "until": check.until.isoformat() if check.until else None,
    }
    return {key: value for key, value in facts.items() if value not in (None, "", [])}


def _told(judged: Sequence[Judged], *outcomes: str) -> list[str]:
    return [
        f"{dataset.name}: {verdict.note}"
        if _speaks(dataset.name, verdict.check)
        else f"{dataset.name}: {verdict.check.sentence}, but {verdict.note}"
        for dataset in judged
        for verdict in dataset.verdicts
        if verdict.outcome in outcomes
    ]


def _refuse_failures(stage: str, run: Run, judged: Sequence[Judged], page: Path) -> None:
    failed = _told(judged, "failed")
    if not failed:
        return
    more = len(failed) - TOLD_FAILURES
    told = "; ".join(failed[:TOLD_FAILURES]) + (f"; and {more} more" if more > 0 else "")
    rows = "c360 quarantine list shows rejected rows; " if stage == "landing" else ""
    of_breakers = [line for line in failed if line.startswith(f"{stage}{BREAKERS}: ")]
    ways = []
    if of_breakers:
        commands = [
            f"c360 accept {name} --run {run.as_of} --because '…'" for name in _tripped(run, stage)
        ]
        ways.append(f"if the numbers are right, {' and '.join(commands)}")
    if len(of_breakers) < len(failed):
        ways.append(f"give the line in expectations/{stage}.yml an `until:` and a `because:`")
    raise C360Error(
        f"Gate {stage} stops the line: {told}.",
        f"See {page}; {rows}published/current is unchanged. To let it pass on purpose, "
        f"{'; and '.join(ways)}.",
    )


def _tripped(run: Run, stage: str) -> list[str]:
    rows = run.scan("pipeline", f"{stage}{BREAKERS}", "gate")
    names = rows.filter(pl.col("outcome") == "tripped").select(pl.col("name").unique().sort())
    return names.collect()["name"].to_list()
