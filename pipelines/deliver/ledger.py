"""What was sent where: a file for each list of a destination, only ever added to.

    {"intent": key, "day": …, "adds": [[customer_id, far_id, content], …], "removes": […]}
    {"reply": key, "results": [[far_id, status, reason], …]}
    {"there": [[customer_id, far_id], …], "day": …}
    {"accepted": 1200, "day": …}

An intent is on disk before anything is sent, its reply as soon as it is known. An intent without a
reply was in the air when the process died: nobody can know from here whether it was applied, so the
far side is asked. A line that a crash has torn says nothing: a torn intent was not sent, a torn
reply leaves its intent open. Names and addresses are never written here.
"""

import json
import os
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from pipelines.deliver.changes import Batch, Outcome, Row, Status
from pipelines.disk import sync
from pipelines.lake import with_parent, write_text

RESULTS = dict.fromkeys(("customer_id", "operation", "status", "reason"), pl.String)
REMOVED = (Status.ok, Status.absent)  # whoever the far side does not know is not on its list


class Ledger:
    """The ledger of one list at one destination."""

    def __init__(self, path: Path) -> None:
        """Read what it says so far."""
        self.path = path
        self.known: dict[str, Row] = {}
        self._open: dict[str, Batch] = {}
        self._days: dict[str, str] = {}
        self._results: list[tuple[str, Row, str, Outcome]] = []
        for entry in _read(path):
            self._take(entry)

    @property
    def open_batches(self) -> list[Batch]:
        """Batches that were sent, or were about to be, and of which nothing more is known."""
        return list(self._open.values())

    def intend(self, batch: Batch, day: date) -> None:
        """Note what is about to be sent."""
        self._write(
            {
                "intent": batch.key,
                "day": day.isoformat(),
                "adds": [[row.customer_id, row.far_id, row.content] for row in batch.adds],
                "removes": [[row.customer_id, row.far_id, row.content] for row in batch.removes],
            }
        )

    def reply(self, batch: Batch, outcomes: Mapping[str, Outcome]) -> None:
        """Note what became of it; rows that nothing was said of are lost."""
        told = [(row.far_id, outcomes.get(row.far_id, LOST)) for row in batch.rows]
        results = [[far_id, outcome.status.value, outcome.reason] for far_id, outcome in told]
        self._write({"reply": batch.key, "results": results})

    def note_there(self, rows: tuple[Row, ...], day: date) -> None:
        """Note rows that were on the far side before, by somebody else."""
        if rows:
            listed = [[row.customer_id, row.far_id] for row in rows]
            self._write({"there": listed, "day": day.isoformat()})

    def note_accepted(self, removals: int, day: date) -> None:
        """Note that somebody let a large removal through."""
        self._write({"accepted": removals, "day": day.isoformat()})

    def results(self, day: date) -> pl.DataFrame:
        """The last result of each row of a day: customer_id, operation, status, reason."""
        last = {
            (row.far_id, operation): (row.customer_id, operation, outcome.status.value,
                                      outcome.reason)
            for on, row, operation, outcome in self._results
            if on == day.isoformat()
        }  # fmt: skip
        return pl.DataFrame(sorted(last.values()), schema=RESULTS, orient="row")

    def _write(self, entry: dict[str, Any]) -> None:
        is_new = not self.path.exists()
        with with_parent(self.path).open("ab+") as file:
            if file.seek(0, os.SEEK_END):
                file.seek(-1, os.SEEK_END)
                file.write(b"\n" if file.read(1) != b"\n" else b"")
            file.write(json.dumps(entry, ensure_ascii=False).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        if is_new:  # its name, too, must survive a power cut
            sync(self.path.parent)
        self._take(entry)

    def _take(self, entry: dict[str, Any]) -> None:
        day = entry.get("day", "")
        if "intent" in entry:
            adds, removes = (_rows(entry[name]) for name in ("adds", "removes"))
            self._open[entry["intent"]] = Batch(entry["intent"], adds, removes)
            self._days[entry["intent"]] = day
        elif "reply" in entry and (batch := self._open.pop(entry["reply"], None)):
            self._settle(batch, entry["results"], self._days[batch.key])
        elif "there" in entry:
            for row in _rows(entry["there"]):
                self._results.append((day, row, "add", Outcome(Status.there)))

    def _settle(self, batch: Batch, results: list[list[str]], day: str) -> None:
        told = {far_id: Outcome(Status(status), reason) for far_id, status, reason in results}
        for row in batch.removes:
            self._results.append((day, row, "remove", told[row.far_id]))
            if told[row.far_id].status in REMOVED:
                self.known.pop(row.far_id, None)
        for row in batch.adds:
            self._results.append((day, row, "add", told[row.far_id]))
            if told[row.far_id].status is Status.ok:
                self.known[row.far_id] = row


def forget_customers(path: Path, ids: frozenset[str]) -> int:
    """Take customers out of a ledger, unless a row of theirs is still there, or may be.

    Without its line in the ledger a row would never be removed: it has to be delivered first.

    Returns:
        How many rows of theirs are still to be removed over there.
    """
    ledger = Ledger(path)
    there = [row for row in ledger.known.values() if row.customer_id in ids]
    there += [row for b in ledger.open_batches for row in b.rows if row.customer_id in ids]
    if there:
        return len(there)
    gone: dict[str, set[str]] = {}
    kept = []
    for entry in _read(path):
        if key := entry.get("intent"):
            listed = [*entry["adds"], *entry["removes"]]
            gone[key] = {far_id for customer, far_id, *_ in listed if customer in ids}
        for name in ("adds", "removes", "there"):
            if name in entry:
                entry[name] = [told for told in entry[name] if told[0] not in ids]
        if lost := gone.get(entry.get("reply", "")):
            entry["results"] = [told for told in entry["results"] if told[0] not in lost]
        kept.append(json.dumps(entry, ensure_ascii=False) + "\n")
    write_text("".join(kept), path)
    return 0


LOST = Outcome(Status.lost, "no answer about this row")


def _rows(listed: list[list[str]]) -> tuple[Row, ...]:
    return tuple(Row(*parts) for parts in listed)


def _read(path: Path) -> list[dict[str, Any]]:
    lines = path.read_bytes().split(b"\n") if path.exists() else []
    entries = []
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        entries.append(entry)
    return entries
