"""The `release` step: one rename puts a finished, gated run before its readers.

    published/<date>__<run>/   a whole release, never changed once it is there
    published/current          one symlink, moved by one rename
    published/history.jsonl    what `current` pointed at, in order
    published/index.html       the releases as a page, newest first

A release is named after its content, so the same date run again is the same release. The run keeps
its own files: `release` can be called again, whatever stopped it.
"""

import hashlib
import json
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from pipelines.disk import sync
from pipelines.errors import C360Error
from pipelines.lake import (
    Lake,
    Run,
    read_json,
    sha256_of,
    with_parent,
    write_json,
    write_text,
)
from pipelines.page.render import render_index

# DuckDB and Tableau write equal tables as different bytes: their files have no part in the name.
NOT_IN_NAME = ("marts.duckdb", "marts.hyper")
RUN_ID_LENGTH = 12
SHOWN_IN_INDEX = 100
PRIVATE = "state"  # which record is which customer: it undoes the pseudonym
# Written whole or not at all, so that a release may share them with its run as hard links.
SHARED = (".parquet", ".duckdb", ".hyper", ".csv", ".xlsx")


@dataclass(frozen=True)
class Release:
    """One release on disk."""

    path: Path

    @property
    def as_of(self) -> str:
        """Its run date, ISO."""
        return self.path.name.split("__")[0]

    @property
    def manifest(self) -> dict[str, Any]:
        """What it holds and what it was made from."""
        content: dict[str, Any] = read_json(self.path / "manifest.json")
        return content


def find_releases(lake: Lake) -> list[Release]:
    """All releases, oldest run date first."""
    paths = sorted(lake.published.glob("????-??-??__*"))
    return [Release(path) for path in paths if (path / "manifest.json").exists()]


def current_release(lake: Lake) -> Release | None:
    """The release that readers see."""
    return Release(lake.current.resolve()) if lake.current.is_symlink() else None


def previous_release(lake: Lake, as_of: date) -> Release | None:
    """The release whose state a run of this date goes on from: the newest of an earlier date.

    Of several releases of that date, the one that `current` last pointed at.
    """
    return _newest(lake, [r for r in find_releases(lake) if r.as_of < as_of.isoformat()])


def recall(before: Release | None, name: str, schema: pl.Schema) -> pl.DataFrame | None:
    """What a release has of a table, in tonight's columns: one that it did not have yet is null.

    Args:
        before: the last release; None on the first night.
        name: of the table, such as `marts/list_history`.
        schema: tonight's columns; others that the release has are left out.

    Returns:
        None if there is no release, or an older version made it and kept no such table.
    """
    path = before.path / f"{name}.parquet" if before else None
    if path is None or not path.exists():
        return None
    told = pl.read_parquet(path)
    known = [column for column in schema if column in told.columns]
    nothing = pl.DataFrame(schema=schema)
    return pl.concat([nothing, told.select(known)], how="diagonal_relaxed").cast(schema)


def standing_release(lake: Lake, day: date) -> Release | None:
    """The release that stood at the end of a day: the newest of that date or an earlier one.

    Of several releases of that date, the one that `current` last pointed at.
    """
    return _newest(lake, [r for r in find_releases(lake) if r.as_of <= day.isoformat()])


def _newest(lake: Lake, releases: list[Release]) -> Release | None:
    newest = [release for release in releases if release.as_of == releases[-1].as_of]
    order = {entry.name: place for place, entry in enumerate(_history(lake))}
    return max(
        newest,
        key=lambda release: (order.get(release.path.name, -1), release.path.name),
        default=None,
    )


def write_manifest(release_dir: Path, facts: dict[str, Any]) -> str:
    """Write `manifest.json`, last of all files; returns the run id, a digest of the content."""
    files = [
        {
            "path": path.relative_to(release_dir).as_posix(),
            "sha256": sha256_of(path),
            "rows": pq.read_metadata(path).num_rows if path.suffix == ".parquet" else None,
        }
        for path in sorted(release_dir.rglob("*"))
        if path.is_file() and path.name != "manifest.json" and not path.name.startswith(".")
    ]
    named = {**facts, "files": [file for file in files if file["path"] not in NOT_IN_NAME]}
    content = json.dumps(named, sort_keys=True, ensure_ascii=False).encode()
    run_id = hashlib.sha256(content).hexdigest()[:RUN_ID_LENGTH]
    write_json({**facts, "run_id": run_id, "files": files}, release_dir / "manifest.json")
    return run_id


def release_run(lake: Lake, run: Run, run_id: str) -> tuple[Release, bool]:
    """Put the run's release in place and, unless a newer date is current, point `current` at it.

    Returns:
        The release, and whether `current` points at it now.

    Raises:
        C360Error: another release is under way.
    """
    lake.published.mkdir(parents=True, exist_ok=True)
    with alone(lake):
        release = Release(lake.published / f"{run.as_of.isoformat()}__{run_id}")
        if not release.path.exists():
            _place(run.release, release.path)
        current = current_release(lake)
        is_current = current is None or current.as_of <= release.as_of
        if is_current:
            _point_at(lake, release)
        write_index(lake)
    return release, is_current


def roll_back(lake: Lake, to: str | None = None) -> tuple[Release, Release]:
    """Point `current` back at what it pointed at before, or at a named release.

    If it never pointed at anything else, at the newest release of an older date.

    Returns:
        The release left, and the one that is current now.

    Raises:
        C360Error: there is none to go back to.
    """
    with alone(lake):
        releases = {release.path.name: release for release in find_releases(lake)}
        left = current_release(lake)
        known = ", ".join(releases) or "none"
        if left is None:
            raise C360Error("Nothing has been released yet.", "Run c360 nightly --date D first.")
        if to is not None and to not in releases:
            raise C360Error(f"There is no release {to}.", f"Releases: {known}.")
        older = [name for name, release in releases.items() if release.as_of < left.as_of]
        before = _pointed_at_before(_history(lake), left.path.name, set(releases))
        target = to or before or (older[-1] if older else None)
        if target is None:
            raise C360Error(
                f"There is no release before {left.path.name} to go back to.", f"Releases: {known}."
            )
        _point_at(lake, releases[target], is_rollback=True)
        write_index(lake)
    return left, releases[target]


def replace_releases(lake: Lake, names: dict[str, str]) -> None:
    """Let releases that stand there already take the place of others, in all that points at these.

    Args:
        lake: where they are.
        names: the old name of each, and the new one.
    """
    history = [
        _Pointed(names.get(entry.name, entry.name), entry.is_rollback) for entry in _history(lake)
    ]
    write_text("".join(f"{_line(entry)}\n" for entry in history), lake.published / "history.jsonl")
    current = current_release(lake)
    if current and current.path.name in names:
        _point_at(lake, Release(lake.published / names[current.path.name]))
    write_index(lake)


def write_index(lake: Lake) -> Path:
    """Write the page of all releases; returns its path. It can be made anew at any time."""
    current = current_release(lake)
    here = current.path if current else None
    entries = [
        {
            "name": release.path.name,
            "date": release.as_of,
            "is_current": release.path.resolve() == here,
            "has_report": (release.path / "report.html").exists(),
            "has_gates": (release.path / "gates.html").exists(),
            "manifest": release.manifest,
        }
        for release in reversed(find_releases(lake)[-SHOWN_IN_INDEX:])
    ]
    page = lake.published / "index.html"
    write_text(render_index(entries, has_docs=lake.docs.exists()), page)
    page.chmod(0o640)
    return page


def _place(staged: Path, target: Path) -> None:
    """Put a copy of the folder in place, whole and on disk; large files are shared as links."""
    scratch = target.with_name(".staging")
    if scratch.exists():
        shutil.rmtree(scratch)
    for path in sorted(staged.rglob("*")):
        if path.is_file() and not path.name.startswith("."):
            share(path, with_parent(scratch / path.relative_to(staged)))
    open_to_readers(scratch)
    sync_files(scratch)
    scratch.rename(target)
    sync(target.parent)


def open_to_readers(release_dir: Path) -> None:
    """Let the group of `published/` read a release, and nobody but its owner the state of it."""
    readers = release_dir.parent.stat().st_gid
    for path in [release_dir, *release_dir.rglob("*")]:
        may_write = path.stat().st_mode & stat.S_IWUSR
        mode = 0o750 if path.is_dir() else 0o440 | may_write
        if PRIVATE in path.relative_to(release_dir).parts:
            mode &= 0o700
        path.chmod(mode)
        if path.stat().st_gid != readers:
            _give_to_group(path, readers)


def _give_to_group(path: Path, group: int) -> None:
    try:
        os.chown(path, -1, group)
    except PermissionError:
        raise C360Error(
            f"{path.parent} cannot be given to the group of published/, which is {group}.",
            "Make the user of the pipeline a member of that group; see docs/operations.md, Keys.",
        ) from None


def share(path: Path, target: Path) -> None:
    """Have a finished file in a second place, as a link where that can be."""
    if path.suffix in SHARED:
        try:
            os.link(path, target)
        except OSError:  # another filesystem, or one without links
            pass
        else:
            return
    shutil.copy2(path, target)


@dataclass(frozen=True)
class _Pointed:
    """One line of the history: what `current` was pointed at, and whether by a rollback."""

    name: str
    is_rollback: bool


def _pointed_at_before(history: list[_Pointed], left: str, known: set[str]) -> str | None:
    """What `current` pointed at before `left`; a rollback takes back what came after its target."""
    names: list[str] = []
    for entry in history:
        if entry.is_rollback and entry.name in names:
            while names[-1] != entry.name:
                names.pop()
        elif names[-1:] != [entry.name]:
            names.append(entry.name)
    while names and (names[-1] == left or names[-1] not in known):
        names.pop()
    return names[-1] if names else None


def _point_at(lake: Lake, release: Release, is_rollback: bool = False) -> None:
    if current_release(lake) != Release(release.path.resolve()):
        if lake.current.is_dir() and not lake.current.is_symlink():
            raise C360Error(
                f"{lake.current} is a folder and should be a link to a release.",
                "A copy may have followed the link: move the folder away and try again.",
            )
        scratch = lake.published / ".current"
        scratch.unlink(missing_ok=True)
        scratch.symlink_to(release.path.name)
        scratch.replace(lake.current)
        sync(lake.published)
    history = _history(lake)
    if not history or history[-1].name != release.path.name:  # also if a crash kept it from there
        _append_history(lake, _Pointed(release.path.name, is_rollback))


def _append_history(lake: Lake, entry: _Pointed) -> None:
    line = _line(entry)
    with (lake.published / "history.jsonl").open("ab+") as history:
        if history.seek(0, os.SEEK_END):
            history.seek(-1, os.SEEK_END)
            torn = history.read(1) != b"\n"
        else:
            torn = False
        history.write((b"\n" if torn else b"") + line.encode() + b"\n")
        history.flush()
        os.fsync(history.fileno())


def _line(entry: _Pointed) -> str:
    return json.dumps({"current": entry.name} | ({"rollback": True} if entry.is_rollback else {}))


def _history(lake: Lake) -> list[_Pointed]:
    """What `current` pointed at, in order; a line that a crash has torn is passed over."""
    path = lake.published / "history.jsonl"
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
    entries = []
    for line in lines:
        try:
            content = json.loads(line)
            entries.append(_Pointed(content["current"], content.get("rollback", False)))
        except (ValueError, KeyError, TypeError):
            continue
    return entries


def sync_files(folder: Path) -> None:
    """Make all files of a folder survive a power cut."""
    for path in [*folder.rglob("*"), folder]:
        sync(path)


@contextmanager
def alone(lake: Lake) -> Iterator[None]:
    """Nobody else releases meanwhile.

    Raises:
        C360Error: somebody does already.
    """
    lake.published.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(lake.published / ".lock", timeout=10):
            yield
    except Timeout:
        raise C360Error(
            "Another release or rollback is under way.", "Wait until it ends and try again."
        ) from None
