"""What the conformance suite must know of a system: its stand-in, and words for the same deeds."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from pipelines.fakes.fake import Fault


class Rig:
    """One system under test.

    The suite speaks of *contacts* only: each system has a main stream whose records become rows of
    one landing table. Ids are those of the landing rows (`source_record_id`).
    """

    system: str
    stream: str  # the main stream
    table: str = "crm_contacts"
    path: str  # part of the path of the main stream's list calls, and of no other call
    page_size: int
    secrets: dict[str, Any]
    text_column: str = "full_name"  # the landing column that shows what `text_field` holds
    text_field: str  # the vendor's field
    needed_field: str  # a field that each record must have
    knows_deletes: bool = True
    knows_changes: bool = True  # False: the whole list is read each night
    has_login: bool = True  # False: a fixed key, nothing to refresh
    fake_class: type

    def __init__(self) -> None:
        self.fake: Any = self.fake_class()

    def config(self, url: str) -> dict[str, Any]:
        """The source's entry in sources.yml, without name and type; the main stream only."""
        return {"api_url": url, "streams": [self.stream]}

    def quota_fault(self) -> Fault:
        """The vendor's answer when the day's calls are spent; on the main stream's list."""
        raise NotImplementedError

    def add(self, count: int) -> list[str]:
        """Add contacts at the stand-in's present."""
        return self.fake.add(count, **{self.text_field: "王芳"})

    def add_one(self, text: str) -> str:
        """Add a contact with this text in `text_column`."""
        return self.fake.add(1, **{self.text_field: text})[0]

    def change(self, ids: Iterable[str], text: str = "changed") -> None:
        """Change contacts at the stand-in's present."""
        self.fake.change(ids, **{self.text_field: text})

    def remove(self, ids: Iterable[str]) -> None:
        """Delete contacts."""
        self.fake.remove(ids)

    def restore(self, ids: Iterable[str]) -> None:
        """Bring deleted contacts back."""
        self.fake.restore(ids)

    def add_field(self, ids: Iterable[str], name: str, value: Any) -> None:
        """Give contacts a field that no mapping knows."""
        self.fake.extra_fields.add(name)
        self.fake.change(ids, **{name: value})

    def drop_field(self) -> None:
        """Take away from all contacts, as if it had never been, a field that each must have."""
        self.fake.dropped_fields.add(self.needed_field)

    def tick(self, **time: float) -> None:
        """Let time pass at the stand-in, one hour if nothing is said."""
        self.fake.now += timedelta(**time) if time else timedelta(hours=1)
