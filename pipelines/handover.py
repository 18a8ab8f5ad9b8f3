"""Brings the released lists of a day to every configured destination, and tells what came of it."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from rich.table import Table

from pipelines.configured import configured_rules
from pipelines.deliver.changes import Changes, Status
from pipelines.deliver.destinations import (
    Released,
    count_withheld,
    open_destination,
    read_login,
)
from pipelines.deliver.ledger import Ledger
from pipelines.deliver.outbox import Destination, Limits, Place, deliver_list, preview_list
from pipelines.erasure.erase import forget_removed
from pipelines.errors import AccessRefusedError, C360Error, QuotaSpentError, SourceDownError
from pipelines.extract.client import CallRefusedError
from pipelines.former_keys import pseudonym_keys
from pipelines.lake import Lake, with_parent, write_json, write_text
from pipelines.release import Release, current_release
from pipelines.rules.deliveries import AnyDestination
from pipelines.settings import Settings, read_variable
from pipelines.wording import count_of

# Told of a place and its changes, if more rows go than may.
Accept = Callable[[Place, Changes], None]


@dataclass(frozen=True)
class Delivered:
    """What came of one list at one destination; is_kept: a breaker held the list back."""

    place: Place
    type: str
    changes: Changes | None
    open_rows: int = 0
    counts: dict[str, int] | None = None
    withheld: dict[str, int] = field(default_factory=dict)  # customers, by the reason in words
    error: C360Error | None = None
    is_kept: bool = False


def deliver_day(
    settings: Settings,
    day: date,
    to: str | None,
    tell: Callable[[str], None],
    *,
    dry_run: bool,
    accept: Accept | None = None,
) -> list[Delivered]:
    """Bring every configured list to where it goes; one that fails does not keep the others.

    A list that was delivered and is no longer configured is a failure: whoever withdraws would stay
    on it over there.

    Args:
        settings: where rules and data are.
        day: the day of the current release.
        to: only this destination.
        tell: told how far it is.
        dry_run: only say what would change; nothing is asked or sent.
        accept: told of each delivery that removes more rows than it may; None stops it.

    Raises:
        C360Error: there is no such destination, or no current release of that day.
    """
    destinations = _chosen(settings, to)
    results = _left_behind(settings, day, to)
    if not (destinations or results):
        return []
    release, began = _release_of(settings, day), time.monotonic()
    for destination in destinations:
        for name in destination.lists:
            once = _Delivery(settings, destination, Released(name, release, day), accept, tell)
            results.append(once.preview() if dry_run else once.send())
    if not dry_run:
        forget_removed(Lake(settings.home))
        _report(settings, day, results, round(time.monotonic() - began, 2))
    return results


def _chosen(settings: Settings, to: str | None) -> list[AnyDestination]:
    book = configured_rules(settings)
    destinations = list(book.deliveries.destinations)
    chosen = [one for one in destinations if to in (None, one.name)]
    if to and not chosen:
        known = ", ".join(one.name for one in destinations) or "none"
        raise C360Error(f"There is no destination {to!r}.", f"In deliveries.yml are: {known}.")
    return chosen


def _left_behind(settings: Settings, day: date, to: str | None) -> list[Delivered]:
    """Lists with rows on the far side by us that no destination names any more."""
    book = configured_rules(settings)
    named = {(one.name, name) for one in book.deliveries.destinations for name in one.lists}
    left = []
    for path in sorted((settings.home / "deliveries").glob("*/*.jsonl")):
        place = Place(path.parent.name, path.stem, day)
        if to not in (None, place.destination) or (place.destination, place.list) in named:
            continue
        if rows := len(Ledger(path).known):
            error = C360Error(
                f"{place}: {count_of(rows, 'row is', 'rows are')} there by us, and deliveries.yml "
                "no longer names the list: whoever withdraws stays on it.",
                f"If it has another name now, add the lines of {path} to that list's ledger and "
                "delete the file. Else take the rows away there by hand, and delete it.",
            )
            left.append(Delivered(place, "", None, error=error))
    return left


def _release_of(settings: Settings, day: date) -> Release:
    """The current release, if it is of that day: nothing else is anybody's list."""
    release = current_release(Lake(settings.home))
    if release is None:
        raise C360Error("Nothing has been released yet.", f"Run c360 nightly --date {day} first.")
    if release.as_of != day.isoformat():
        raise C360Error(
            f"published/current is the release of {release.as_of}, not of {day}.",
            f"Only the current lists are delivered: c360 deliver --date {release.as_of}.",
        )
    return release


@dataclass(frozen=True)
class _Delivery:
    """One list on its way to one destination."""

    settings: Settings
    destination: AnyDestination
    released: Released
    accept: Accept | None
    tell: Callable[[str], None]

    @property
    def place(self) -> Place:
        return Place(self.destination.name, self.released.name, self.released.day)

    @property
    def folder(self) -> Path:
        """Where all that is known of this destination lies."""
        return self.settings.home / "deliveries" / self.destination.name

    def preview(self) -> Delivered:
        """What would change, by what is known here."""
        return self._run(self._preview)

    def send(self) -> Delivered:
        """Bring it up to date."""
        return self._run(self._send)

    def _run(self, work: Callable[[], Delivered]) -> Delivered:
        try:
            return work()
        except C360Error as error:
            told = _in_words(error, self.destination)
            return Delivered(self.place, self.destination.type, None, error=told)

    def _preview(self) -> Delivered:
        ledger = self._ledger()
        with self._opened(log=lambda entry: None) as opened:
            changes = preview_list(opened, ledger, removals_only=self.released.is_kept)
            withheld = self._withheld(opened)
        in_the_air = sum(len(batch.rows) for batch in ledger.open_batches)
        return self._told(changes, in_the_air, withheld=withheld)

    def _send(self) -> Delivered:
        with _alone(self.folder, self.released.name), self._call_log() as log:
            ledger = self._ledger()
            try:
                with self._opened(log) as opened:
                    changes = deliver_list(
                        opened, ledger, self.place, self._limits(), time.sleep, self.tell,
                        removals_only=self.released.is_kept,
                    )  # fmt: skip
                    withheld = self._withheld(opened)
            finally:
                results = ledger.results(self.released.day)
                name = f"{self.released.name}_{self.released.day}.csv"
                write_text(results.write_csv(), self.folder / "results" / name)
        counts = dict(results["status"].value_counts().iter_rows())
        return self._told(changes, counts=counts, withheld=withheld)

    def _told(self, changes: Changes, open_rows: int = 0, **more: Any) -> Delivered:
        kind, is_kept = self.destination.type, self.released.is_kept
        return Delivered(self.place, kind, changes, open_rows, is_kept=is_kept, **more)

    def _withheld(self, opened: Destination) -> dict[str, int]:
        return count_withheld(self.destination, self.released, opened.rows())

    def _ledger(self) -> Ledger:
        return Ledger(self.folder / f"{self.released.name}.jsonl")

    def _opened(self, log: Callable[[dict[str, Any]], None]) -> Any:
        login = read_login(self.destination, read_variable(self.destination.variable))
        # What a ledger knows people by stays as it was begun, whatever key came since.
        key = pseudonym_keys(Lake(self.settings.home), self.settings.pseudonym)[-1]
        return open_destination(self.destination, self.released, login, key, log, time.sleep)

    def _limits(self) -> Limits:
        day, name, accept = self.released.day, self.destination.name, self.accept
        return Limits(
            self.destination.max_removed_share,
            self.destination.few_removals,
            accept is not None,
            f"c360 deliver --date {day} --to {name} --accept-removals --because '…'",
            lambda changes: accept(self.place, changes) if accept else None,
        )

    @contextmanager
    def _call_log(self) -> Iterator[Callable[[dict[str, Any]], None]]:
        """One line for each call: where and how it went, never what was said."""
        path = with_parent(
            self.folder / "calls" / f"{self.released.name}_{self.released.day}.jsonl"
        )
        with path.open("a", encoding="utf-8") as file:
            yield lambda entry: print(json.dumps(entry), file=file, flush=True)


@contextmanager
def _alone(folder: Path, name: str) -> Iterator[None]:
    try:
        with FileLock(with_parent(folder / f".{name}.lock"), timeout=0):
            yield
    except Timeout:
        raise C360Error(
            f"List {name} is being delivered there by another process.", "Wait until it ends."
        ) from None


def _in_words(error: C360Error, destination: AnyDestination) -> C360Error:
    """The error of a connector, which knows only how to speak of sources."""
    name = destination.name
    said = error.message.replace(f"Source {name}", f"Destination {name}", 1)
    is_named = said.startswith((f"Destination {name}", f"{name}, "))
    message = said if is_named else f"Destination {name}: {said}"
    hint = error.hint
    if said == error.message:  # it knows where it was
        return C360Error(message, hint)
    if isinstance(error, QuotaSpentError):
        hint = "What was sent is known; the next c360 deliver goes on from there."
    elif isinstance(error, SourceDownError):
        hint = "What was sent is known; run c360 deliver again once it is up."
    elif isinstance(error, CallRefusedError):
        hint = f"Check {name} in deliveries.yml, and what its login may do."
    elif isinstance(error, AccessRefusedError):
        hint = f"Mend what the environment variable {destination.variable} holds."
    return C360Error(message, hint)


def deliveries_table(results: list[Delivered], dry_run: bool) -> Table:
    """Each list at each destination: what was to change, and how many rows came to what."""
    title = "Deliveries, dry run: nothing was sent" if dry_run else "Deliveries"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for name in ("", "destination", "list"):
        table.add_column(name)
    for name in ("add", "remove", "same", *(["unsure"] if dry_run else Status)):
        table.add_column(name, justify="right")
    for result in results:
        changes, counts = result.changes, result.counts or {}
        numbers = [0, 0, 0]
        if changes:
            numbers = [len(changes.adds), len(changes.removes), changes.same_count]
        came_to = [counts.get(status.value, 0) for status in Status]
        numbers += [result.open_rows] if dry_run else came_to
        doubt = counts.get(Status.failed, 0) + counts.get(Status.lost, 0)
        mark = "[red]✗[/red]" if result.error else "[yellow]![/yellow]" if doubt else "✓"
        cells = [f"{number:,}" if number else "·" for number in numbers]
        name = f"{result.place.list} (held back)" if result.is_kept else result.place.list
        table.add_row(mark, result.place.destination, name, *cells)
    return table


def withheld_notes(results: list[Delivered]) -> list[str]:
    """How many customers of which list are not sent, and why, in a sentence each."""
    return [
        f"{result.place}: "
        + count_of(
            sum(result.withheld.values()), "customer of the list is", "customers of the list are"
        )
        + " not sent: "
        + "; ".join(f"{count:,} {reason}" for reason, count in result.withheld.items())
        + "."
        for result in results
        if result.withheld
    ]


def _report(settings: Settings, day: date, results: list[Delivered], seconds: float) -> None:
    """Leave the report that Airflow's alert and `c360 status` read."""
    failed = [result.error for result in results if result.error]
    sent = sum(result.counts.get(Status.ok, 0) for result in results if result.counts)
    kept = sorted({result.place.list for result in results if result.is_kept})
    run = Lake(settings.home).run(day)
    write_json(
        {
            "step": "deliver",
            "status": "failed" if failed else "ok",
            "seconds": seconds,
            "log": str(settings.home / "deliveries"),
            "summary": f"{count_of(sent, 'row')} to {count_of(len(results), 'list')} elsewhere"
            + (f"; held back, only removals sent: {', '.join(kept)}" if kept else ""),
            "reason": " ".join(error.message for error in failed) or None,
            "hint": " ".join(error.hint for error in failed) or None,
            "notes": withheld_notes(results),
            "facts": {},
        },
        run.steps / "deliver.json",
    )
