"""The line: its steps in order, and how each is run, reported and waits for the one before.

A step leaves `runs/<date>/steps/<step>.json` (what Airflow's alert and `c360 status` read) and a
log beside it. Running a step takes back whatever came after it, so that a release can only be made
of steps and gates of one and the same run.
"""

import errno
import re
import shutil
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from polars.exceptions import PanicException

from pipelines.errors import C360Error
from pipelines.lake import Lake, Run, read_json, write_json

LINE = (
    "extract",
    "land",
    "gate landing",
    "transform signals",
    "resolve",
    "transform profile",
    "gate profile",
    "score",
    "gate scores",
    "transform marts",
    "gate marts",
    "publish",
    "gate lists",
    "release",
)
GATES = tuple(step.removeprefix("gate ") for step in LINE if step.startswith("gate "))
SOURCE_STEP = re.compile(r"extract [a-z][a-z0-9_]{0,62}")
NO_ROOM, LEAST_ROOM = "No space left on device", 1_000_000
ASKS_FOR_SECONDS = 5  # several steps of one night may ask at once
MADE_BY_LAND = ("inputs", "rules", "models", "pipeline", "gates", "release")


@dataclass(frozen=True)
class StepResult:
    """What a step has to say: a line for people, notes for the manifest, facts for machines."""

    summary: str
    notes: tuple[str, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)


def report_path(run: Run, step: str) -> Path:
    """Where a step reports."""
    return run.steps / f"{step.replace(' ', '_')}.json"


def read_report(run: Run, step: str) -> dict[str, Any] | None:
    """What a step reported, if it has run."""
    path = report_path(run, step)
    report: dict[str, Any] | None = read_json(path) if path.exists() else None
    return report


def last_fresh_day(lake: Lake, source: str, before: date) -> date | None:
    """The newest day before this one on which a source was extracted; None if there is none."""
    for folder in sorted(lake.runs.glob("????-??-??"), reverse=True):
        if folder.name >= before.isoformat():
            continue
        report = read_report(lake.run(date.fromisoformat(folder.name)), f"extract {source}")
        if report and report["status"] == "ok" and not report["facts"].get("is_stale"):
            return date.fromisoformat(folder.name)
    return None


def run_step(run: Run, step: str, work: Callable[[], StepResult]) -> StepResult:
    """Run one step of the line and leave its report.

    Args:
        run: the run's folder.
        step: a step of the line; `extract` may be followed by a source's name.
        work: what the step does.

    Raises:
        C360Error: the step before has not succeeded, another step is at work (which leaves its
            report alone), or this one failed.
    """
    if step not in LINE and not SOURCE_STEP.fullmatch(step):
        raise C360Error(
            f"There is no step {step!r}.", f"The steps are {', '.join(LINE)}; see sources.yml."
        )
    began = time.monotonic()
    log = run.steps / f"{step.replace(' ', '_')}.log"
    run.steps.mkdir(parents=True, exist_ok=True)
    with _alone(run, step):
        try:
            _require_step_before(run, step)
            _take_back_later(run, step)
            result = work()
            _report(run, step, "ok", began, log, summary=result.summary,
                    notes=list(result.notes), facts=result.facts)  # fmt: skip
            return result
        except C360Error as error:
            log.write_text(f"{step} failed: {error.message}\n{error.hint}\n", encoding="utf-8")
            _report(run, step, "failed", began, log, reason=error.message, hint=error.hint,
                    retry=error.heals)  # fmt: skip
            raise
        except (Exception, PanicException) as error:  # a panic of Polars is no Exception
            if _has_no_room(error, run.path):
                reason = f"{step} stopped: the disk of {run.path.parent.parent} is full."
                hint = f"Make room, then run it again: c360 {step} --date {run.as_of}."
                with suppress(OSError):  # a report needs room, too
                    _report(run, step, "failed", began, log, reason=reason, hint=hint, retry=False)
                raise C360Error(reason, hint) from error
            log.write_text(traceback.format_exc(), encoding="utf-8")
            reason = f"{step} met a fault in the program: {type(error).__name__}."
            hint = f"The trace is in {log} (it may hold personal data); please report it."
            _report(run, step, "failed", began, log, reason=reason, hint=hint)
            raise C360Error(reason, hint) from error


def _has_no_room(error: BaseException, folder: Path) -> bool:
    """Whether the disk is full: DuckDB says so in words, and Polars does not always."""
    is_told = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or NO_ROOM in str(error)
    return is_told or shutil.disk_usage(folder).free < LEAST_ROOM


def _report(run: Run, step: str, status: str, began: float, log: Path, **facts: Any) -> None:
    """Seconds and paths make this file the run's own; nothing of it is released but the notes."""
    common = {"step": step, "status": status, "seconds": round(time.monotonic() - began, 2)}
    write_json(
        common | {"log": str(log), "reason": None, "hint": None} | facts, report_path(run, step)
    )


def _require_step_before(run: Run, step: str) -> None:
    if step.startswith("extract") or step == "land":
        return
    if run.sealed.exists() and step != "release":
        raise C360Error(
            f"The run of {run.as_of} is over: what of it is personal has been encrypted.",
            f"Run it again from its landed rows: c360 nightly --date {run.as_of}.",
        )
    before = LINE[LINE.index(step) - 1]
    report = read_report(run, before)
    if report is None or report["status"] != "ok":
        happened = "has not run" if report is None else "failed"
        raise C360Error(
            f"{step} comes after {before}, which {happened} for {run.as_of}.",
            f"Run c360 {before} --date {run.as_of}, or the whole line: "
            f"c360 nightly --date {run.as_of}.",
        )


def _take_back_later(run: Run, step: str) -> None:
    if step.startswith("extract"):
        return
    place = LINE.index(step)
    for later in LINE[place:]:
        report_path(run, later).unlink(missing_ok=True)
        if later.startswith("gate "):
            (run.gates / f"{later.removeprefix('gate ')}.json").unlink(missing_ok=True)
    if place <= LINE.index("publish"):
        shutil.rmtree(run.release, ignore_errors=True)
    if step == "land":
        run.sealed.unlink(missing_ok=True)
        for folder in MADE_BY_LAND:
            shutil.rmtree(run.path / folder, ignore_errors=True)


@contextmanager
def _alone(run: Run, step: str) -> Iterator[None]:
    """Sources are extracted side by side; every later step of a date is alone."""
    name = step.replace(" ", "_") if step.startswith("extract") else "line"
    try:
        with FileLock(run.steps / f".{name}.lock", timeout=0):
            _refuse_erasure(run)
            yield
    except Timeout:
        raise C360Error(
            f"Another run of {run.as_of} is at work.", "Wait until it ends, then try again."
        ) from None


def _refuse_erasure(run: Run) -> None:
    """Stop while somebody is being erased: that act looks, once it has its lock, at ours."""
    lock = erasure_lock(run.path.parent.parent)
    if not Path(lock.lock_file).parent.exists():
        return
    try:
        with lock.acquire(timeout=ASKS_FOR_SECONDS):
            pass
    except Timeout:
        raise C360Error("An erasure is under way.", "Wait until it ends, then try again.") from None


def erasure_lock(home: Path) -> FileLock:
    """What an erasure holds as long as it is at work."""
    return FileLock(home / "privacy" / ".lock")
