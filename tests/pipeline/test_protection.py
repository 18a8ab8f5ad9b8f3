"""A night with an encryption key: the same release, and nobody in clear once it is over."""

import os
import threading
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

from pipelines.configured import configured_sources
from pipelines.lake import Lake, read_table
from pipelines.release import current_release
from pipelines.rotation import encrypt_anew, find_protected
from pipelines.steps import LINE, run_step
from tests.pipeline.conftest import Night
from tests.pipeline.nights import DAY, open_line, personal_values, run_night
from tests.pipeline.scan import find_texts
from tests.unit.encryption_keys import NEW, OLD, readable_columns

pytestmark = pytest.mark.slow
KEYS = "C360_ENCRYPTION_KEYS"
NEXT = DAY + timedelta(days=1)
SPILLS = "transform signals"  # with so little memory:
LITTLE_MEMORY = "30MB"


@dataclass
class Spilled:
    """What DuckDB put on disk while it was at work."""

    folder: Path
    seen: dict[str, bytes] = field(default_factory=dict)
    is_over: threading.Event = field(default_factory=threading.Event)

    def watch(self) -> None:
        """Read the spilled files over and over; they are gone at the end."""
        while not self.is_over.wait(0.02):
            for path in self.folder.glob("duckdb_temp*"):
                try:
                    content = path.read_bytes()
                except FileNotFoundError:
                    continue
                if len(content) > len(self.seen.get(path.name, b"")):
                    self.seen[path.name] = content


@dataclass(frozen=True)
class Protected:
    """A home after a night with a key.

    values: some of what tells of persons; spilled: which of all of it DuckDB put on disk.
    """

    home: Path
    values: list[str]
    spilled: set[str]


@pytest.fixture(scope="module")
def protected(night: Night, tmp_path_factory: pytest.TempPathFactory) -> Protected:
    home = tmp_path_factory.mktemp("protected") / "home"
    values = sorted(personal_values(night.home))
    line = open_line(home, night.rules, DAY)
    spilled = Spilled(line.run.path / "scratch")
    watcher = threading.Thread(target=spilled.watch)
    steps = [f"extract {name}" for name in configured_sources(line.settings)] + list(LINE[1:])
    before = os.umask(0o077)
    try:
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv(KEYS, OLD)
            watcher.start()
            for step in steps:
                with pytest.MonkeyPatch.context() as limits:
                    if step == SPILLS:
                        limits.setenv("C360_MEMORY_LIMIT", LITTLE_MEMORY)
                    run_step(line.run, step, partial(line.work, step))
    finally:
        os.umask(before)
        spilled.is_over.set()
        watcher.join()
    seen = b"".join(spilled.seen.values())
    return Protected(home, values[::20], {value for value in values if value.encode() in seen})


@pytest.fixture
def with_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEYS, OLD)


@pytest.mark.usefixtures("with_key")
def test_every_table_is_the_same_as_without_a_key(protected: Protected, night: Night) -> None:
    run = Lake(protected.home).run(DAY)
    compared = 0
    for folder in ("models", "pipeline"):
        for path in sorted((night.run.path / folder).glob("*.parquet")):
            here, there = read_table(run.table(folder, path.stem)), pl.read_parquet(path)
            assert here.schema == there.schema
            # A model need not be sorted, and is in another order where DuckDB ran out of memory.
            rows = [frame.hash_rows(seed=1).sort() for frame in (here, there)]
            assert rows[0].equals(rows[1]), path.stem
            compared += 1
    assert compared > 150


def test_without_a_key_no_personal_column_is_readable_and_every_other_one_is(
    protected: Protected, catalogue
) -> None:
    lake = Lake(protected.home)
    found = list(find_protected(lake, catalogue))
    assert {one.key for one in found} == {"k1"}
    tables = [
        one for one in found if one.secret is not None and pq.read_metadata(one.path).num_rows
    ]
    for one in tables:
        told = readable_columns(one.path)
        closed = {name for name, is_readable in told.items() if not is_readable}
        assert closed == one.secret & told.keys(), one.path
    protected_paths = {one.path for one in tables}
    others = set(lake.home.glob("[!r]*/**/*.parquet")) | set(lake.runs.glob("*/**/*.parquet"))
    for path in sorted(others - protected_paths):
        assert all(readable_columns(path).values()), path
    assert len(tables) > 80


def test_who_has_the_files_and_no_key_finds_people_on_lists_only(protected: Protected) -> None:
    """In logs, dbt's target, gates, page, manifest and spilled files, too, there is nobody."""
    found = find_texts(protected.home, protected.values, is_keyless=True)
    assert {place for place in found if "/lists/" not in place} == {
        # An address of everybody's that the packaged rules name.
        place for place in found if "/identity.yml: info@" in place
    }  # fmt: skip
    assert any("/lists/" in place for place in found)


@pytest.mark.usefixtures("with_key")
def test_with_the_key_all_is_there(protected: Protected) -> None:
    lake = Lake(protected.home)
    for folder in (lake.raw, lake.landing, lake.runs / DAY.isoformat() / "models"):
        assert len(find_texts(folder, protected.values[::10])) > 5, folder


def test_what_duckdb_spilled_named_people_and_is_gone(protected: Protected) -> None:
    assert protected.spilled
    assert list(protected.home.rglob("duckdb_temp*")) == []
    assert not (Lake(protected.home).run(DAY).path / "scratch").exists()


def test_nobody_but_the_owner_and_the_readers_of_releases_may_open_anything(
    protected: Protected,
) -> None:
    home = protected.home
    readers = (home / "published").stat().st_gid
    for path in [home, *home.rglob("*")]:
        if path.is_symlink():
            continue
        told, place = path.stat(), path.relative_to(home)
        assert told.st_mode & 0o007 == 0, place
        if told.st_mode & 0o070 and place.parts[0] != "runs":  # a run shares the release's files
            assert place.parts[0] == "published", place
            assert told.st_gid == readers
        if "state" in place.parts:
            assert told.st_mode & 0o077 == 0, place
    lists = list((home / "published").glob("*/lists/*"))
    assert {path.stat().st_mode & 0o777 for path in lists if path.is_file()} == {0o640}


def test_the_next_night_goes_on_under_another_key_and_everybody_keeps_the_id(
    protected: Protected, night: Night, catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = Lake(protected.home)
    before = pl.read_parquet(current_release(lake).path / "state" / "customer_keys.parquet")
    monkeypatch.setenv(KEYS, f"{NEW},{OLD}")
    encrypt_anew(lake, catalogue, lambda _: None)
    monkeypatch.setenv(KEYS, NEW)
    line = run_night(lake.home, night.rules, NEXT, until="resolve")
    now = pl.read_parquet(line.run.table("pipeline", "customer_keys"))
    key = ["source", "source_record_id", "customer_id"]
    assert before.join(now, on=key, how="anti").is_empty()
    kept = [one for one in find_protected(lake, catalogue) if NEXT.isoformat() not in str(one.path)]
    assert {one.key for one in kept} == {"k2"}
