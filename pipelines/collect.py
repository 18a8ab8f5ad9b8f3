"""The `extract` step: brings in what a configured source has delivered, or says why it did not."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from pipelines.catalogue import load_catalogue
from pipelines.configured import configured_rules
from pipelines.errors import C360Error, SourceDownError
from pipelines.extract.check import Finding, check_source
from pipelines.extract.entry import source_types, write_entry
from pipelines.extract.files import Extracted, extract_files
from pipelines.extract.ga4.nights import extract_ga4
from pipelines.extract.sql.passes import extract_sql
from pipelines.extract.systems import connect, extract_api, read_secrets
from pipelines.lake import Lake, Run, remove_scratch, with_parent
from pipelines.rules.source_types.files import FilesSecrets, FilesSource
from pipelines.rules.source_types.ga4 import Ga4Secrets, Ga4Source
from pipelines.rules.source_types.sql import SqlSecrets, SqlSource
from pipelines.rules.sources import AnySource
from pipelines.settings import Settings, source_variable
from pipelines.steps import StepResult, last_fresh_day
from pipelines.wording import count_of

Told = tuple[str, tuple[str, ...]]  # a summary and notes


def extract_source(
    settings: Settings, run: Run, name: str, tell: Callable[[str], None]
) -> StepResult:
    """Bring in what a source has delivered; if it is down, go on without it if its policy says so.

    Raises:
        C360Error: there is no such source, or it failed and the night must stop for it.
    """
    lake = Lake(settings.home)
    source = _find(settings, name)
    try:
        summary, notes = _extract_from(
            source, settings, lake, run, lambda told: tell(f"extract {name}: {told}")
        )
    except SourceDownError as error:
        fresh = last_fresh_day(lake, name, run.as_of)
        may_last = timedelta(days=source.max_stale_days)
        if source.when_down == "stop" or not fresh:
            raise
        if run.as_of - fresh > may_last:
            told = f"{error.message} It was last read on {fresh}, more than max_stale_days ago."
            raise SourceDownError(told, error.hint) from None
        note = f"{name} is stale since {fresh}: {error.message}"
        facts = {"type": source.type, "fresh_through": fresh.isoformat(), "is_stale": True}
        return StepResult(f"stale since {fresh}; the night goes on without it", (note,), facts)
    day = run.as_of.isoformat()
    facts = {"type": source.type, "fresh_through": day, "is_stale": False}
    return StepResult(summary, notes, facts)


def _find(settings: Settings, name: str) -> AnySource:
    sources = configured_rules(settings).sources.sources
    for source in sources:
        if source.name == name:
            return source
    known = ", ".join(source.name for source in sources) or "none yet"
    raise C360Error(f"There is no source {name!r}.", f"Sources are: {known}.")


def _extract_from(
    source: AnySource, settings: Settings, lake: Lake, run: Run, tell: Callable[[str], None]
) -> Told:
    landing = load_catalogue(settings.project_dir).landing
    remove_scratch(lake.raw / source.name)  # in clear, whatever key there is
    secrets = read_secrets(source, *source_variable(source.name))
    if isinstance(source, FilesSource):
        return _told_of_files(
            source.name,
            extract_files(source, lake.raw, run.as_of, landing, cast(FilesSecrets, secrets)),
        )
    raw = lake.raw / source.name
    # What would be filed under an older day would slip under nights that have been released.
    if max((path.name for path in raw.glob("????-??-??")), default="") > run.as_of.isoformat():
        return "nothing", (f"{source.name}: a later day was extracted; its changes wait.",)
    now = datetime.now(UTC)  # no other step asks the clock: what changes later waits
    if run.as_of > now.date() + timedelta(days=1):
        raise C360Error(
            f"{run.as_of} has not come yet, and {source.name} can only say what is so by now.",
            "Choose a day that has ended: until then, every earlier night would bring in nothing.",
        )
    with _call_log(run, source.name) as log:
        match source:
            case SqlSource():
                login = cast(SqlSecrets, secrets)
                results = extract_sql(source, login, raw, run.as_of, landing, tell)
            case Ga4Source():
                key = cast(Ga4Secrets, secrets)
                results = {"web_events": extract_ga4(source, key, raw, run.as_of, now, tell, log)}
            case _:
                connector = connect(source, secrets, log)
                results = extract_api(connector, raw, run.as_of, now, tell)
    total = sum(result.records for result in results.values())
    told = ", ".join(f"{name} {r.records:,}" for name, r in results.items() if r.records)
    return f"{count_of(total, 'new record')}{': ' if told else ''}{told}", ()


def _told_of_files(name: str, result: Extracted) -> Told:
    notes = [f"{name}: {file} is named after no landing table." for file in result.ignored]
    if result.waiting:
        notes.append(f"{name}: a later night takes {count_of(result.waiting, 'new file')}.")
    return f"{count_of(len(result.new), 'new file')}, {result.known:,} known", tuple(notes)


@contextmanager
def _call_log(run: Run, name: str) -> Iterator[Callable[[dict[str, Any]], None]]:
    """One line for each call to a source: where and how it went, never what was said."""
    path = with_parent(run.steps / f"extract_{name}.calls.jsonl")
    with path.open("w", encoding="utf-8") as file:
        yield lambda entry: print(json.dumps(entry), file=file, flush=True)


def try_sources(settings: Settings, name: str | None = None) -> Iterator[Finding]:
    """Try each configured source, or the one named.

    Raises:
        C360Error: there is no source of that name.
    """
    chosen = (_find(settings, name),) if name else configured_rules(settings).sources.sources
    if not chosen:
        raise C360Error("There are no sources yet.", "c360 sources add writes one.")
    landing = load_catalogue(settings.project_dir).landing
    for source in chosen:
        variable, text = source_variable(source.name)
        yield from check_source(source, variable, text, landing, datetime.now(UTC))


def add_entry(settings: Settings, name: str, kind: str) -> tuple[Path, str, str]:
    """Add a source to the company's `sources.yml`; returns the file, the entry and what is next.

    Raises:
        C360Error: there is no rules directory, or the entry cannot be added.
    """
    if settings.rules_dir is None:
        raise C360Error(
            "There is no rules directory of your own to write to.",
            "Make a folder and set C360_RULES_DIR to it.",
        )
    file = settings.rules_dir / "sources.yml"
    entry = write_entry(file, name, kind)
    fields = getattr(source_types()[kind].secrets, "model_fields", {})
    needed = [key for key, field in fields.items() if field.is_required()]
    variable, _ = source_variable(name)
    told = f"give {variable} (or an Airflow Connection {name}) a JSON object with "
    login = f"{told}{', '.join(needed)}; " if needed else ""
    return file, entry, f"{login}c360 sources check {name}"
