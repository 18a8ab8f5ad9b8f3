"""What an extraction needs to know of a system: its streams, its records, and how it is asked."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol

from pipelines.extract.client import ApiClient
from pipelines.rules.model import Source


class CannotResumeError(Exception):
    """The vendor no longer knows the place where an earlier try stopped."""


class Record(NamedTuple):
    """One record as received: its id in the source, when it changed, and its bytes."""

    id: str
    body: bytes
    modified: datetime | None = None
    op: str = "upsert"

    @property
    def digest(self) -> bytes:
        """Short digest of what the source says about the record, its time of change among it."""
        content = self.body if self.op == "upsert" else f"delete {self.modified}".encode()
        return hashlib.blake2b(content, digest_size=8).digest()


@dataclass(frozen=True)
class Page:
    """The records of one answer, and how to ask for what comes after them."""

    records: list[Record]
    resume: Any = None


@dataclass(frozen=True)
class Ask:
    """What a pass asks for: changes since and up to a time, from a place within them.

    `read_from` is later than `since` where an ordered list was read up to there, and its place was
    forgotten; what is no part of that list, such as deletions, is still asked for since `since`.
    """

    since: datetime | None
    until: datetime
    resume: Any = None
    read_from: datetime | None = None


@dataclass(frozen=True)
class Stream:
    """One kind of record of a system.

    `tables`: the landing tables its records become, the main one first. `ordered`: records come
    oldest change first, so a pass that broke off can go on from the newest change that it has.
    `scan`: the source cannot tell changes; all is read each time, and what is missing was deleted.
    `always`: fields that every record has; without any of them the source has changed its shape.
    """

    name: str
    tables: tuple[str, ...]
    ordered: bool = False
    scan: bool = False
    always: tuple[str, ...] = ()


class Connector(Protocol):
    """What reads one system."""

    system: str
    overlap: timedelta
    client: ApiClient

    @property
    def source(self) -> Source:
        """The configured source."""

    def streams(self) -> tuple[Stream, ...]:
        """The streams that are configured."""

    def pages(self, stream: Stream, ask: Ask) -> Iterator[Page]:
        """Ask for a stream's records, page by page.

        Raises:
            CannotResumeError: the place to resume from is no longer known.
        """
