"""The `files` source: a drop folder of CSV, JSONL or Parquet files named after landing tables."""

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pipelines.encryption import keep_received
from pipelines.errors import C360Error
from pipelines.extract.buckets import File, Folder
from pipelines.lake import read_json, sha256_of, with_parent, write_text
from pipelines.rules.source_types.files import FilesSecrets, FilesSource

FORMATS = (".csv", ".jsonl", ".parquet")
DIGEST_LENGTH = 16
MEMORY = ".read.json"
WANTED = "Put files named <landing table>*.csv, .jsonl or .parquet (also .gz) there."


@dataclass(frozen=True)
class Extracted:
    """What one call of `extract` brought in."""

    new: tuple[Path, ...]
    known: int
    ignored: tuple[str, ...]
    waiting: int = 0


def table_of(file_name: str, tables: Iterable[str]) -> str | None:
    """The landing table that a file is named after; the longest name wins.

    `order_items-2026.csv.gz` is `order_items`; a file named after no table is None.
    """
    plain = file_name.lower().removesuffix(".gz")
    if not plain.endswith(FORMATS):
        return None
    named = [table for table in tables if plain.startswith(table)]
    return max(named, key=len, default=None)


def extract_files(
    source: FilesSource,
    raw: Path,
    as_of: date,
    tables: Iterable[str],
    secrets: FilesSecrets | None = None,
) -> Extracted:
    """Copy the files that have not been seen before to `raw/<source>/<date>/`.

    A file is known by the digest of its bytes, so a second call copies nothing, whatever the
    file is called by then; one that is as it was by name, size and time or tag is not even read.
    Files named after no landing table are reported, not read; hidden files are nobody's business.
    A run for a day before the newest one extracted brings in nothing: its new files wait for a
    later night.

    Args:
        source: the configured source.
        raw: the folder of raw files of all sources.
        as_of: the run date that new files are filed under.
        tables: names of the landing tables.
        secrets: the key of a bucket.

    Raises:
        C360Error: the folder is missing or does not answer, or holds no file that can be read and
            never did, or a file changed while it was copied.
    """
    folder = Folder(source.name, source.path, secrets)
    files = folder.files()
    readable = [file for file in files if table_of(file.name, tables)]
    home = raw / source.name
    seen = {path.name[:DIGEST_LENGTH] for path in home.glob("*/*")}
    if not readable and not seen:
        there = f"only {', '.join(file.name for file in files)}" if files else "nothing"
        raise C360Error(
            f"Source {source.name}: {source.path} holds {there}.",
            WANTED,
        )
    # A run for an older day must not slip new files under nights that have been released.
    days = [path.name for path in home.glob("????-??-??")]
    too_late = max(days, default="") > as_of.isoformat()
    memory = _Memory(home / MEMORY)
    new = []
    waiting = 0
    for file in readable:
        digest = memory.digest_of(file)
        if digest in seen:
            continue
        copy = folder.fetch(file, home / f".{file.name}.part")
        digest = sha256_of(copy)[:DIGEST_LENGTH]
        memory.keep(file, digest)
        if digest in seen:
            copy.unlink()
        elif too_late:
            waiting += 1
            copy.unlink()
        else:
            target = home / as_of.isoformat() / f"{digest}__{file.name}"
            with copy.open("rb") as content:
                keep_received(content, with_parent(target))
            copy.unlink()
            new.append(target)
        seen.add(digest)
    memory.save(readable)
    return Extracted(
        new=tuple(new),
        known=len(readable) - len(new) - waiting,
        waiting=waiting,
        ignored=tuple(file.name for file in files if file not in readable),
    )


class _Memory:
    """The digests of files by how they were listed; without it they are only read once more."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.digests: dict[str, str] = {}
        with suppress(FileNotFoundError, ValueError):
            self.digests = read_json(path)

    def digest_of(self, file: File) -> str | None:
        """The digest, if the file is as it was."""
        return self.digests.get(_look(file)) if file.stamp else None

    def keep(self, file: File, digest: str) -> None:
        """Remember a file that was read."""
        self.digests[_look(file)] = digest

    def save(self, files: Iterable[File]) -> None:
        """Write down what is known of these files, and forget the others."""
        looks = {_look(file) for file in files}
        kept = {look: digest for look, digest in sorted(self.digests.items()) if look in looks}
        if kept:
            write_text(json.dumps(kept, indent=0), self.path)  # in ASCII: names may be any bytes


def _look(file: File) -> str:
    return f"{file.name} {file.size} {file.stamp}"
