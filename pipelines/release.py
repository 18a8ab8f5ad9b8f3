"""The `release` step: one rename puts a finished, gated run before its readers.

    published/<date>__<run>/   a whole release, never changed once it is there
    published/current          one symlink, moved by one rename
    published/history.jsonl    what `current` pointed at, in order

A release is named after its content, so the same date run again is the same release.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from pipelines.errors import C360Error
from pipelines.lake import Lake, Run, read_json, sha256_of, sync_folder, write_json

# DuckDB writes equal tables as different bytes, so its file does not take part in the name.
NOT_IN_NAME = "marts.duckdb"
RUN_ID_LENGTH = 12


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
    earlier = [r for r in find_releases(lake) if r.as_of < as_of.isoformat()]
    if not earlier:
        return None
    newest = [release for release in earlier if release.as_of == earlier[-1].as_of]
    order = {name: place for place, name in enumerate(_history(lake))}
    return max(newest, key=lambda release: (order.get(release.path.name, -1), release.path.name))


def write_manifest(release_dir: Path, facts: dict[str, Any]) -> str:
    """Write `manifest.json`, last of all files; returns the run id, a digest of the content."""
    files = [
        {
            "path": path.relative_to(release_dir).as_posix(),
            "sha256": sha256_of(path),
            "rows": pq.read_metadata(path).num_rows if path.suffix == ".parquet" else None,
        }
        for path in sorted(release_dir.rglob("*"))
        if path.is_file() and path.name != "manifest.json"
    ]
    named = {**facts, "files": [file for file in files if file["path"] != NOT_IN_NAME]}
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
    with _alone(lake):
        release = Release(lake.published / f"{run.as_of.isoformat()}__{run_id}")
        if release.path.exists():
            shutil.rmtree(run.release)
        else:
            _sync_files(run.release)
            run.release.rename(release.path)
            sync_folder(lake.published)
        current = current_release(lake)
        if current is not None and current.as_of > release.as_of:
            return release, False
        _point_at(lake, release)
    return release, True


def roll_back(lake: Lake, to: str | None = None) -> tuple[Release, Release]:
    """Point `current` back at what it pointed at before, or at a named release.

    Returns:
        The release left, and the one that is current now.

    Raises:
        C360Error: there is none to go back to.
    """
    with _alone(lake):
        releases = {release.path.name: release for release in find_releases(lake)}
        left = current_release(lake)
        known = ", ".join(releases) or "none"
        if left is None:
            raise C360Error("Nothing has been released yet.", "Run c360 nightly --date D first.")
        if to is not None and to not in releases:
            raise C360Error(f"There is no release {to}.", f"Releases: {known}.")
        before = [n for n in _history(lake) if n in releases and n < left.path.name]
        target = to or (before[-1] if before else None)
        if target is None:
            raise C360Error(
                f"There is no release before {left.path.name} to go back to.", f"Releases: {known}."
            )
        _point_at(lake, releases[target])
    return left, releases[target]


def _point_at(lake: Lake, release: Release) -> None:
    if current_release(lake) == Release(release.path.resolve()):
        return
    scratch = lake.published / ".current"
    scratch.unlink(missing_ok=True)
    scratch.symlink_to(release.path.name)
    scratch.replace(lake.current)
    with (lake.published / "history.jsonl").open("a", encoding="utf-8") as history:
        history.write(json.dumps({"current": release.path.name}) + "\n")
    sync_folder(lake.published)


def _history(lake: Lake) -> list[str]:
    path = lake.published / "history.jsonl"
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["current"] for line in lines if line.endswith("}")]


def _sync_files(folder: Path) -> None:
    import os

    for path in [*folder.rglob("*"), folder]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def _alone(lake: Lake) -> Iterator[None]:
    lake.published.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(lake.published / ".lock", timeout=10):
            yield
    except Timeout:
        raise C360Error(
            "Another release or rollback is under way.", "Wait until it ends and try again."
        ) from None
