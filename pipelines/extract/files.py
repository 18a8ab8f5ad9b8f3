"""The `files` source: a drop folder of CSV, JSONL or Parquet files named after landing tables."""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pipelines.errors import C360Error
from pipelines.lake import sha256_of, with_parent
from pipelines.rules.sources import FilesSource

FORMATS = (".csv", ".jsonl", ".parquet")
DIGEST_LENGTH = 16


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


def extract_files(source: FilesSource, raw: Path, as_of: date, tables: Iterable[str]) -> Extracted:
    """Copy the files that have not been seen before to `raw/<source>/<date>/`.

    A file is known by the digest of its bytes, so a second call copies nothing, whatever the
    file is called by then. Files named after no landing table are reported, not read; hidden
    files are nobody's business. A run for a day before the newest one extracted brings in nothing:
    its new files wait for a later night.

    Raises:
        C360Error: the folder is missing, or holds no file that can be read and never did, or a
            file changed while it was copied.
    """
    folder = source.path.expanduser()
    advice = "Put files named <landing table>*.csv, .jsonl or .parquet (also .gz) there."
    if not folder.is_dir():
        raise C360Error(f"Source {source.name}: the drop folder {folder} does not exist.", advice)
    visible = (path for path in folder.iterdir() if not path.name.startswith("."))
    files = sorted(path for path in visible if path.is_file())
    readable = [path for path in files if table_of(path.name, tables)]
    seen = {path.name[:DIGEST_LENGTH] for path in (raw / source.name).glob("*/*")}
    if not readable and not seen:
        there = f"only {', '.join(path.name for path in files)}" if files else "nothing"
        raise C360Error(f"Source {source.name}: {folder} holds {there}.", advice)
    # A run for an older day must not slip new files under nights that have been released.
    days = [path.name for path in (raw / source.name).glob("????-??-??")]
    too_late = max(days, default="") > as_of.isoformat()
    new = []
    waiting = 0
    for path in readable:
        digest = sha256_of(path)[:DIGEST_LENGTH]
        if digest in seen:
            continue
        seen.add(digest)
        if too_late:
            waiting += 1
            continue
        new.append(_copy(path, raw / source.name / as_of.isoformat() / f"{digest}__{path.name}"))
    return Extracted(
        new=tuple(new),
        known=len(readable) - len(new) - waiting,
        waiting=waiting,
        ignored=tuple(path.name for path in files if path not in readable),
    )


def _copy(path: Path, target: Path) -> Path:
    scratch = with_parent(target).with_name(f".{target.name}.part")
    shutil.copyfile(path, scratch)
    if not target.name.startswith(sha256_of(scratch)[:DIGEST_LENGTH]):
        scratch.unlink()
        raise C360Error(f"{path} changed while it was copied.", "Try again once it is complete.")
    return scratch.replace(target)
