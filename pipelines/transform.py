"""The `transform` step: runs dbt for one stage of the line, in this process."""

import hashlib
import logging
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import Context
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.errors import C360Error
from pipelines.lake import Run, empty_folder, sha256_of, with_parent

if TYPE_CHECKING:
    from dbt.contracts.results import RunResult

STAGES = ("signals", "profile", "marts")
PARSED = "partial_parse.msgpack"
DIGEST_LENGTH = 16


def transform(stage: str, run: Run, project_dir: Path, time_zone: str) -> dict[str, int]:
    """Build the models of one stage; returns how many models and data tests passed.

    Raises:
        C360Error: naming the first models or tests that failed, and dbt's log.
    """
    logs = run.path / "dbt" / stage
    command = ["build", "--selector", stage, "--exclude-resource-type", "unit_test"]
    if stage != "marts":  # which alone needs one of dbt's files, the semantic manifest
        command.append("--no-write-json")
    results = run_dbt(command, run, logs, project_dir, time_zone)
    kinds = [str(result.node.resource_type) for result in results]
    return {kind: kinds.count(kind) for kind in sorted(set(kinds))}


def run_dbt(
    command: list[str], run: Run, logs: Path, project_dir: Path, time_zone: str
) -> list["RunResult"]:
    """Run one dbt command against a run's folder; returns what was built or tested.

    Raises:
        C360Error: naming the first models or tests that failed, and dbt's log.
    """
    from dbt.adapters.duckdb import DuckDBConnectionManager
    from dbt.cli.main import dbtRunner

    dbt_dir = project_dir / "dbt_project"
    scratch, target = empty_folder(run.path / "scratch"), run.path / "dbt" / "target"
    (run.path / "models").mkdir(exist_ok=True)
    arguments = [
        "--quiet", "--log-level", "none", "--log-level-file", "info", "--log-path", str(logs),
        *command,
        "--project-dir", str(dbt_dir), "--profiles-dir", str(dbt_dir),
        "--target-path", str(target),
    ]  # fmt: skip
    with (
        _environment(C360_RUN=str(run.path), C360_RUN_TIME_ZONE=time_zone),
        reuse_parsed(run, target, dbt_dir),
    ):
        # dbt looks through all variables of its context, again and again, and leaves some there.
        outcome = Context().run(dbtRunner().invoke, arguments)
    # Else the next call had this one's engine: views of another night, and a scratch folder that
    # DuckDB refuses to set once it has spilled there.
    DuckDBConnectionManager.close_all_connections()
    empty_folder(scratch).rmdir()
    log = logs / "dbt.log"
    _close_log(log)
    if outcome.exception is not None or outcome.result is None:
        raise C360Error(f"dbt could not run {command[0]}.", f"See {log}.")
    results: list[RunResult] = list(getattr(outcome.result, "results", ()))
    broken = [r for r in results if r.status not in ("success", "pass", "skipped", "warn")]
    if broken:
        names = "; ".join(f"{r.node.name} ({_safe(r.message)})" for r in broken[:3])
        raise C360Error(
            f"dbt: {len(broken)} of {len(results)} models and tests failed: {names}.", f"See {log}."
        )
    return results


@contextmanager
def reuse_parsed(run: Run, target: Path, dbt_dir: Path) -> Iterator[None]:
    """Hand dbt what it read of this very project on an earlier night, and keep what it reads now.

    Not of a project that differs in a byte: dbt takes a YAML file of the same time for the same,
    and in an image all files may be of one time.
    """
    kept, own = run.path.parent / f"parsed-{_digest_of(dbt_dir)}.msgpack", target / PARSED
    own.unlink(missing_ok=True)
    if kept.exists():
        shutil.copyfile(kept, with_parent(own))
    yield
    if own.exists():
        scratch = own.with_name(f".{PARSED}.part")  # nights of two dates may be at work at once
        shutil.copyfile(own, scratch)
        scratch.replace(kept)
    for former in kept.parent.glob("parsed-*.msgpack"):
        if former != kept:
            former.unlink(missing_ok=True)


def _digest_of(dbt_dir: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(path for path in dbt_dir.rglob("*") if path.suffix in (".sql", ".yml")):
        digest.update(f"{path.relative_to(dbt_dir)}\0{sha256_of(path)}\0".encode())
    return digest.hexdigest()[:DIGEST_LENGTH]


def _close_log(log: Path) -> None:
    """Close what dbt leaves open for the life of the process; a night calls it three times."""
    for logger in list(logging.Logger.manager.loggerDict.values()):
        for handler in list(getattr(logger, "handlers", ())):
            if getattr(handler, "baseFilename", None) == str(log.resolve()):  # dbt follows links
                handler.close()


def _safe(message: str | None) -> str:
    """What of dbt's message holds no value of the data; DuckDB's own messages may."""
    told = re.search(
        r"\w+ breaks its contract: .*|Got \d+ results?|enforced contract|No space left on device",
        message or "",
    )
    return told[0] if told else "see the log"


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    """Set variables for dbt's `env_var`, and put back what was there."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
