"""HubSpot: a list is a static list of contacts. Only ids of records go over the line.

A contact is known by the id under which it was read; a customer may have several. Adding who is
there already and removing who is not changes nothing over there.
"""

from collections.abc import Iterator, Sequence
from typing import ClassVar
from urllib.parse import quote

import msgspec

from pipelines.deliver.changes import Batch, Outcome, Row, Status
from pipelines.errors import C360Error
from pipelines.extract.apis.hubspot import VERSION, Connector
from pipelines.extract.client import Call, CallRefusedError

BATCH_ROWS, PAGE = 500, 250
CONTACTS = "0-1"  # HubSpot's number for the kind of record
STATIC = ("MANUAL", "SNAPSHOT")
NOT_FOUND = ("OBJECT_NOT_FOUND", "HTTP 404")


class _List(msgspec.Struct, rename="camel"):
    list_id: str
    processing_type: str = "MANUAL"


class _Found(msgspec.Struct):
    list: _List


class _Membership(msgspec.Struct, rename="camel"):
    record_id: str


class _Next(msgspec.Struct):
    after: str


class _Paging(msgspec.Struct):
    next: _Next | None = None


class _Memberships(msgspec.Struct):
    results: list[_Membership]
    paging: _Paging | None = None


class _Changed(msgspec.Struct):
    # HubSpot's own reference spells the first both ways.
    added: list[str] = msgspec.field(name="recordsIdsAdded", default=[])
    added_too: list[str] = msgspec.field(name="recordIdsAdded", default=[])
    removed: list[str] = msgspec.field(name="recordIdsRemoved", default=[])
    missing: list[str] = msgspec.field(name="recordIdsMissing", default=[])


class HubspotList:
    """One static list."""

    batch_rows: ClassVar[int | None] = BATCH_ROWS

    def __init__(self, name: str, connector: Connector, records: Sequence[tuple[str, str]]) -> None:
        """Take the pairs of customer id and record id that should be on it."""
        self.name, self.connector, self.records = name, connector, records
        self.lists = f"{connector.api}/crm/lists/{VERSION}"
        self._list_id: str | None = None

    def rows(self) -> list[Row]:
        """One for each record of a customer."""
        return [Row(customer_id, record_id) for customer_id, record_id in self.records]

    def look(self, batch: Batch) -> set[str]:
        """Who is on the list, and who is on it no more."""
        members = set(self._members())
        has = {row.far_id for row in batch.adds if row.far_id in members}
        return has | {row.far_id for row in batch.removes if row.far_id not in members}

    def send(self, batch: Batch) -> dict[str, Outcome]:
        """Add and remove in one call."""
        wanted = {
            "recordIdsToAdd": [row.far_id for row in batch.adds],
            "recordIdsToRemove": [row.far_id for row in batch.removes],
        }
        url = f"{self.lists}/{self._id()}/memberships/add-and-remove"
        call = Call("PUT", url, json=wanted, is_repeatable=False)
        changed = self.connector.client.ask(call, _Changed) or _Changed()
        missing = set(changed.missing)
        return {
            row.far_id: Outcome(Status.absent, "no such record")
            if row.far_id in missing
            else Outcome(Status.ok)
            for row in batch.rows
        }

    def _members(self) -> Iterator[str]:
        url, after = f"{self.lists}/{self._id()}/memberships", None
        while True:
            params = {"limit": PAGE} | ({"after": after} if after else {})
            page = self.connector.client.ask(Call("GET", url, params), _Memberships)
            if page is None:
                return
            yield from (member.record_id for member in page.results)
            if not page.paging or not page.paging.next:
                return
            after = page.paging.next.after

    def _id(self) -> str:
        """The list's id; it is made if there is none.

        Raises:
            C360Error: HubSpot fills the list of that name by itself.
        """
        if self._list_id is None:
            found = self._find() or self._make()
            if found.processing_type not in STATIC:
                raise C360Error(
                    f"HubSpot fills the list {self.name} by itself, so nobody can be added to it.",
                    "Give deliveries.yml the name of a static list, or a new name.",
                )
            self._list_id = found.list_id
        return self._list_id

    def _find(self) -> _List | None:
        url = f"{self.lists}/object-type-id/{CONTACTS}/name/{quote(self.name, safe='')}"
        try:
            found = self.connector.client.ask(Call("GET", url), _Found)
        except CallRefusedError as error:
            if error.told in NOT_FOUND:
                return None
            raise
        return found.list if found else None

    def _make(self) -> _List:
        new = {"name": self.name, "objectTypeId": CONTACTS, "processingType": "MANUAL"}
        call = Call("POST", self.lists, json=new, is_repeatable=False)
        made = self.connector.client.ask(call, _Found)
        if made is None:
            raise C360Error(f"HubSpot made no list {self.name}.", "Make it there by hand.")
        return made.list
