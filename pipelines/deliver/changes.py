"""What has to change on the far side: the released list, less what is known to be there by us."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pipelines.errors import C360Error

KEY_LENGTH, CONTENT_LENGTH = 32, 16


class Status(StrEnum):
    """What became of a row."""

    ok = "ok"
    there = "there"  # somebody else has put it there: not ours, so never ours to remove
    absent = "absent"  # the far side knows no such person; nobody is created
    failed = "failed"
    lost = "lost"  # nothing came of an attempt that died; it is tried again


@dataclass(frozen=True)
class Outcome:
    """What became of a row, and the far side's code for why; never words about a person."""

    status: Status
    reason: str = ""


@dataclass(frozen=True)
class Row:
    """One person of a list on the far side.

    `far_id` names the row there, `content` is a digest of what it says. `payload` is what is sent:
    it is nowhere kept.
    """

    customer_id: str
    far_id: str
    content: str = ""
    payload: Any = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Batch:
    """Rows that go out together, under a key that is the same whenever the same is tried again."""

    key: str
    adds: tuple[Row, ...] = ()
    removes: tuple[Row, ...] = ()

    @property
    def rows(self) -> tuple[Row, ...]:
        """All of them, removals first."""
        return self.removes + self.adds

    def without(self, far_ids: Iterable[str]) -> "Batch":
        """What is left of it."""
        done = set(far_ids)
        adds = tuple(row for row in self.adds if row.far_id not in done)
        removes = tuple(row for row in self.removes if row.far_id not in done)
        return Batch(self.key, adds, removes)


@dataclass(frozen=True)
class Changes:
    """Rows to add or to say anew, rows to remove, and how many stay as they are."""

    adds: tuple[Row, ...]
    removes: tuple[Row, ...]
    same_count: int

    @property
    def known_count(self) -> int:
        """How many rows are on the far side by us now, as far as a removal is concerned."""
        return self.same_count + len(self.removes)

    def without_adds(self) -> "Changes":
        """The removals alone."""
        return Changes((), self.removes, self.same_count)


def find_changes(wanted: Iterable[Row], known: Mapping[str, Row]) -> Changes:
    """What has to change, in the order of the far ids.

    Args:
        wanted: rows of the released list.
        known: rows that are on the far side because we sent them, by far id. Only of these are any
            removed.
    """
    by_id = {row.far_id: row for row in sorted(wanted, key=lambda row: row.customer_id)}
    changed = [row for id, row in by_id.items() if id not in known or known[id] != row]
    gone = [row for id, row in known.items() if id not in by_id]
    stay = sum(1 for id in by_id if id in known)
    in_order = sorted(changed, key=lambda row: row.far_id)
    return Changes(tuple(in_order), tuple(sorted(gone, key=lambda row: row.far_id)), stay)


def is_mass_removal(changes: Changes, max_share: float, few: int) -> bool:
    """Whether an unlikely part of the rows that are there by us would be taken away.

    Args:
        changes: what would change.
        max_share: of the rows that are there by us.
        few: so many may always go.
    """
    removed = len(changes.removes)
    return removed > few and removed > max_share * changes.known_count


def mass_removal(changes: Changes, max_share: float, where: str, accept: str) -> C360Error:
    """The error of a delivery that was stopped for it: the numbers, and how to accept them.

    Args:
        changes: what would change.
        max_share: of the rows that are there by us.
        where: the delivery, for the message.
        accept: the command that lets it through.
    """
    removed, known = len(changes.removes), changes.known_count
    return _MassRemovalError(
        f"{where}: {removed:,} of {known:,} rows ({removed / known:.0%}) would be removed, more "
        f"than max_removed_share allows ({max_share:.0%}). Nothing was sent.",
        f"See why the list shrank. If it is right: {accept}",
    )


class _MassRemovalError(C360Error):
    heals = False


def split_batches(changes: Changes, size: int | None, place: str) -> Iterator[Batch]:
    """Batches of at most so many rows, removals first; one for all if there is no size.

    Args:
        changes: what has to change.
        size: the most rows of a batch.
        place: destination, list and day, which make the keys.
    """
    if size is None:
        yield _batch(place, changes.adds, changes.removes)
        return
    for start in range(0, len(changes.removes), size):
        yield _batch(place, (), changes.removes[start : start + size])
    for start in range(0, len(changes.adds), size):
        yield _batch(place, changes.adds[start : start + size], ())


def _batch(place: str, adds: tuple[Row, ...], removes: tuple[Row, ...]) -> Batch:
    named = [place, [[row.far_id, row.content] for row in adds], [row.far_id for row in removes]]
    return Batch(digest_of(named)[:KEY_LENGTH], adds, removes)


def digest_of(value: Any) -> str:
    """A digest of a value's JSON."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def content_of(value: Any) -> str:
    """A short digest of what a row says: enough to notice a change."""
    return digest_of(value)[:CONTENT_LENGTH]
