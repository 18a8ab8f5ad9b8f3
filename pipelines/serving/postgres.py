"""Brings PostgreSQL to the current release: loads it, shows it, and lets old ones go."""

import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa

from pipelines.catalogue import load_catalogue
from pipelines.configured import configured_rules
from pipelines.deliver.destinations import read_login
from pipelines.errors import C360Error
from pipelines.lake import Lake, empty_folder, write_json
from pipelines.release import Release, current_release, find_releases
from pipelines.rules.serving import PostgresServing
from pipelines.serving.access import Access
from pipelines.serving.database import BusyError, Database
from pipelines.serving.store import Read, Store
from pipelines.serving.switch import show, shown
from pipelines.serving.tables import CUSTOMERS, Table, layout_of, tables_of
from pipelines.settings import Settings, read_variable
from pipelines.steps import report_path
from pipelines.wording import count_of

STEP = "serve postgres"
BATCH_ROWS = 50_000
MEMORY_LIMIT = "512MB"


@dataclass(frozen=True)
class Served:
    """What PostgreSQL shows now, and what it took.

    rows: loaded for it, None if it was there already; is_changed: whether readers see anything
    new; gone: releases taken away; waiting: old ones that somebody still reads.
    """

    release: str
    rows: int | None
    is_changed: bool
    gone: int
    waiting: int
    seconds: float

    @property
    def summary(self) -> str:
        """In one line."""
        loaded = f", {count_of(self.rows, 'row')} loaded" if self.rows is not None else ""
        told = "shows" if self.is_changed else "showed already"
        gone = f"; {self.gone} old taken away" if self.gone else ""
        waits = f"; {self.waiting} old still being read" if self.waiting else ""
        return f"PostgreSQL {told} {self.release}{loaded}{gone}{waits}"


def serve_postgres(
    settings: Settings, day: date | None, tell: Callable[[str], None]
) -> Served | None:
    """Load the current release unless it is there, show it, and take old ones away.

    Args:
        settings: where rules and releases are.
        day: the night whose report this is part of.
        tell: told how far it is.

    Returns:
        None if `serving.yml` names no database.

    Raises:
        C360Error: there is no release yet, the database cannot be reached or refuses, or a release
            that is not on disk any more, so perhaps for an erasure, is still being read there.
    """
    try:
        done = _serve(settings, tell)
    except C360Error as error:
        _report(settings, day, status="failed", seconds=0.0, retry=error.heals,
                reason=error.message, hint=error.hint)  # fmt: skip
        raise
    if done:
        _report(settings, day, status="ok", seconds=done.seconds, summary=done.summary,
                reason=None, hint=None)  # fmt: skip
    return done


def tell_to_follow(settings: Settings) -> str:
    """What to do after `current` was changed by hand; empty if no database serves."""
    with suppress(C360Error):  # rules that cannot be read are told by whoever needs them
        if configured_rules(settings).serving.postgres:
            return "PostgreSQL still shows what it showed: c360 serve postgres brings it along."
    return ""


def _serve(settings: Settings, tell: Callable[[str], None]) -> Served | None:
    serving, began = configured_rules(settings).serving, time.monotonic()
    if serving.postgres is None:
        return None
    lake = Lake(settings.home)
    release = current_release(lake)
    if release is None:
        raise C360Error("Nothing has been released yet.", "Run c360 nightly --date D first.")
    tables = tables_of(load_catalogue(settings.project_dir), serving)
    access = Access(serving.postgres.schema_, serving, tables)
    login: Any = read_login(serving.postgres, read_variable(serving.postgres.variable))
    with Database(login) as database:
        store = Store(database, access)
        store.open()
        number, rows = _load(store, lake, release, tell)
        tell("showing it")
        if not release.path.exists():
            raise C360Error(
                f"{release.path.name} was taken away or written anew meanwhile.",
                "Run c360 serve postgres again.",
            )
        is_changed = show(database, access, number)
        tell("taking old releases away")
        gone, waiting = _drop_old(store, lake, serving.postgres)
    seconds = round(time.monotonic() - began, 2)
    return Served(release.path.name, rows, is_changed, gone, waiting, seconds)


def _load(
    store: Store, lake: Lake, release: Release, tell: Callable[[str], None]
) -> tuple[int, int | None]:
    """The number of the release in the database, and how many rows were loaded for it."""
    layout = layout_of(store.access.tables)
    for loaded in store.releases():
        if (loaded.name, loaded.layout, loaded.is_leaving) == (release.path.name, layout, False):
            return loaded.number, None
    # Joined with the customers, a mart may be larger than memory; what it spills is personal.
    scratch = empty_folder(lake.home / "serving")
    try:
        with duckdb.connect(
            config={"memory_limit": MEMORY_LIMIT, "temp_directory": str(scratch)}
        ) as engine:
            as_of = date.fromisoformat(release.as_of)
            read = _reader(engine, release)
            return store.load(release.path.name, as_of, layout, read, tell)
    finally:
        shutil.rmtree(scratch)


def _reader(engine: duckdb.DuckDBPyConnection, release: Release) -> Read:
    customers = release.path / "marts" / f"{CUSTOMERS}.parquet"

    def read(table: Table, number: int) -> pa.RecordBatchReader | None:
        mart = release.path / "marts" / f"{table.name}.parquet"
        if not mart.exists():  # a release of another version
            return None
        query = table.select(number, _columns(mart), _columns(customers))
        files = [str(mart), str(customers)][: 2 if "$2" in query else 1]
        return engine.execute(query, files).to_arrow_reader(BATCH_ROWS)

    return read


def _columns(path: Path) -> set[str]:
    return set(pl.read_parquet_schema(path))


def _drop_old(store: Store, lake: Lake, postgres: PostgresServing) -> tuple[int, int]:
    """Take away what is more than to be kept, and all that is on disk no more.

    Returns:
        How many releases have gone, and how many somebody still reads.
    """
    on_disk = {release.path.name for release in find_releases(lake)}
    loaded = store.releases()
    here = shown(store.database, store.access)
    old = [one for one in loaded if one.number != here]
    kept = [one for one in old if one.name in on_disk and not one.is_leaving]
    kept = kept[: postgres.keep_releases - 1]
    doomed = [one for one in old if one not in kept]
    in_order = sorted(doomed, key=lambda one: not one.is_leaving)
    waiting = store.drop([one.number for one in in_order])
    if left := [one.name for one in doomed if one.number in waiting and one.name not in on_disk]:
        raise BusyError(
            f"PostgreSQL no longer shows {', '.join(left)}, which is not on disk any more, but "
            "somebody still reads it.",
            "Run c360 serve postgres again once they end: whoever was erased is in it.",
        )
    return len(doomed) - len(waiting), len(waiting)


def _report(settings: Settings, day: date | None, **told: Any) -> None:
    """Leave the report that Airflow's alert and `c360 status` read."""
    if day is None:
        return
    facts = {"step": STEP, "log": None, "notes": [], "facts": {}, **told}
    write_json(facts, report_path(Lake(settings.home).run(day), STEP))
