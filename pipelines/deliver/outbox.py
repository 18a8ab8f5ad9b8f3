"""Sends what has changed, once: the intent is written first, and what is unsure is looked up.

After a reply that never came, nothing is repeated blindly: the far side is read, and only what is
missing there is sent again. The same holds for a batch that was in the air when a process was
killed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import ClassVar, Protocol, TypeVar

from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter

from pipelines.deliver.changes import (
    Batch,
    Changes,
    Outcome,
    Row,
    Status,
    find_changes,
    is_mass_removal,
    mass_removal,
    split_batches,
)
from pipelines.deliver.ledger import Ledger
from pipelines.errors import SourceDownError
from pipelines.extract.client import CallRefusedError

TRIES = 6
BACKOFF = wait_exponential_jitter(initial=1, max=60)
OK = Outcome(Status.ok)

Answer = TypeVar("Answer")


class Destination(Protocol):
    """One list at one destination.

    `batch_rows`: the most rows of one call; None: all at once.
    """

    batch_rows: ClassVar[int | None]

    def rows(self) -> list[Row]:
        """The rows of the released list, as they should be there."""

    def look(self, batch: Batch) -> set[str]:
        """The far ids of the rows that are there, or gone from there, as the batch wants it."""

    def send(self, batch: Batch) -> Mapping[str, Outcome]:
        """Apply a batch; what became of each row.

        Raises:
            SourceDownError: nobody can say whether it was applied.
            CallRefusedError: nothing was applied.
        """


@dataclass(frozen=True)
class Limits:
    """How much may be removed at once, and whether somebody has let more through.

    tell_accepted: told how many rows are removed only because somebody has let it through, before
    anything is sent.
    """

    max_removed_share: float
    few_removals: int
    is_accepted: bool
    accept: str
    tell_accepted: Callable[[Changes], None] = lambda changes: None


@dataclass(frozen=True)
class Place:
    """Where and when a list goes."""

    destination: str
    list: str
    day: date

    def __str__(self) -> str:
        return f"{self.destination}, list {self.list}"

    @property
    def key(self) -> str:
        """What the keys of its batches are made of."""
        return f"{self.destination}|{self.list}|{self.day.isoformat()}"


def preview_list(
    destination: Destination, ledger: Ledger, *, removals_only: bool = False
) -> Changes:
    """What a delivery would change, by what is known here; the far side is not asked."""
    changes = find_changes(destination.rows(), ledger.known)
    return changes.without_adds() if removals_only else changes


def deliver_list(
    destination: Destination,
    ledger: Ledger,
    place: Place,
    limits: Limits,
    sleep: Callable[[float], None],
    tell: Callable[[str], None],
    *,
    removals_only: bool = False,
) -> Changes:
    """Bring one list up to date at one destination; returns what was to be changed.

    With `removals_only` nothing is added or said anew: of a list that was held back, only whoever
    may no longer be written to has to come off at once.

    Raises:
        C360Error: too many rows would be removed, or the far side refuses or stopped answering.
            What was sent is known, and the next delivery goes on from there.
    """
    for batch in ledger.open_batches:
        tell(f"{place}: asking what became of {len(batch.rows):,} rows")
        done = _retry(lambda batch=batch: destination.look(batch), sleep)  # type: ignore[misc]
        ledger.reply(batch, dict.fromkeys(done, OK))
    changes = preview_list(destination, ledger, removals_only=removals_only)
    if is_mass_removal(changes, limits.max_removed_share, limits.few_removals):
        if not limits.is_accepted:
            raise mass_removal(changes, limits.max_removed_share, str(place), limits.accept)
        limits.tell_accepted(changes)
        ledger.note_accepted(len(changes.removes), place.day)
    changes = _without_theirs(destination, ledger, changes, place, sleep)
    if not (changes.adds or changes.removes):
        return changes
    sent = 0
    for batch in split_batches(changes, destination.batch_rows, place.key):
        ledger.intend(batch, place.day)
        ledger.reply(batch, _deliver_batch(destination, ledger, batch, sleep))
        sent += len(batch.rows)
        tell(f"{place}: {sent:,} of {len(changes.adds) + len(changes.removes):,} rows")
    return changes


def _without_theirs(
    destination: Destination,
    ledger: Ledger,
    changes: Changes,
    place: Place,
    sleep: Callable[[float], None],
) -> Changes:
    """Leave alone what somebody else has put there: what we did not send we may never remove."""
    new = tuple(row for row in changes.adds if row.far_id not in ledger.known)
    if not new:
        return changes
    there = _retry(lambda: destination.look(Batch("", adds=new)), sleep)
    ledger.note_there(tuple(row for row in new if row.far_id in there), place.day)
    left = tuple(row for row in changes.adds if row.far_id not in there)
    return Changes(left, changes.removes, changes.same_count)


def _deliver_batch(
    destination: Destination, ledger: Ledger, batch: Batch, sleep: Callable[[float], None]
) -> dict[str, Outcome]:
    """Send a batch until every row is accounted for."""
    outcomes: dict[str, Outcome] = {}
    is_unsure = False

    def attempt() -> None:
        nonlocal is_unsure
        if is_unsure:
            outcomes.update(dict.fromkeys(destination.look(batch.without(outcomes)), OK))
            is_unsure = False
        left = batch.without(outcomes)
        if left.rows:
            is_unsure = True
            outcomes.update(destination.send(left))

    try:
        _retry(attempt, sleep)
    except CallRefusedError as error:
        refused = Outcome(Status.failed, error.told)
        ledger.reply(batch, {row.far_id: refused for row in batch.rows} | outcomes)
        raise
    return outcomes


def _retry(work: Callable[[], Answer], sleep: Callable[[float], None]) -> Answer:
    retrying = Retrying(
        stop=stop_after_attempt(TRIES),
        wait=BACKOFF,
        retry=retry_if_exception(lambda error: isinstance(error, SourceDownError) and error.heals),
        sleep=sleep,
        reraise=True,
    )
    return retrying(work)
