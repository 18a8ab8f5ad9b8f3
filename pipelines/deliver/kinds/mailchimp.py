"""Mailchimp: a list is a tag, which the API knows as a static segment of the audience.

Only members are tagged. Nobody is added to the audience and no status is ever sent: that would
subscribe again who has left. A member is known here by a keyed digest of the address.
"""

import hashlib
import hmac
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import msgspec

from pipelines.deliver.changes import Batch, Outcome, Row, Status
from pipelines.errors import SourceDownError
from pipelines.extract.apis.mailchimp import Connector
from pipelines.extract.client import Call
from pipelines.rules.deliveries import MailchimpDestination

BATCH_ROWS, PAGE = 500, 1000  # as many as one call takes, and gives


class _Segment(msgspec.Struct):
    id: int
    name: str = ""


class _Segments(msgspec.Struct):
    segments: list[_Segment]


class _Member(msgspec.Struct):
    email_address: str = ""


class _Members(msgspec.Struct):
    members: list[_Member]


class _Error(msgspec.Struct):
    email_addresses: list[str] = []


class _Changed(msgspec.Struct):
    members_added: list[_Member] = []
    members_removed: list[_Member] = []
    errors: list[_Error] = []


class MailchimpTag:
    """One tag of one audience."""

    batch_rows: ClassVar[int | None] = BATCH_ROWS

    def __init__(
        self,
        destination: MailchimpDestination,
        tag: str,
        connector: Connector,
        addresses: Mapping[str, str],
        key: bytes,
    ) -> None:
        """Take the addresses, by customer id, that should have the tag."""
        self.tag, self.connector, self.addresses, self.key = tag, connector, addresses, key
        self.audience = f"{connector.api}/lists/{destination.audience}"
        self._segment: int | None = None

    def rows(self) -> list[Row]:
        """Those with an address."""
        return [
            Row(customer_id, self._far_id(address), payload=address)
            for customer_id, address in self.addresses.items()
        ]

    def look(self, batch: Batch) -> set[str]:
        """Who has the tag, and who has it no more."""
        tagged = {self._far_id(address) for address in self._tagged()}
        has = {row.far_id for row in batch.adds if row.far_id in tagged}
        return has | {row.far_id for row in batch.removes if row.far_id not in tagged}

    def send(self, batch: Batch) -> dict[str, Outcome]:
        """Tag and untag in one call; only the far side knows the addresses of those who left."""
        leavers = {row.far_id for row in batch.removes}
        tagged = {self._far_id(address): address for address in (self._tagged() if leavers else ())}
        tagged = {far_id: address for far_id, address in tagged.items() if far_id in leavers}
        wanted = {
            "members_to_add": [row.payload for row in batch.adds],
            "members_to_remove": list(tagged.values()),
        }
        changed = _Changed()
        if any(wanted.values()):
            call = Call("POST", self._segment_url(), json=wanted, is_repeatable=False)
            changed = self._ask(call, _Changed)
        return self._outcomes(batch, changed, set(tagged))

    def _outcomes(self, batch: Batch, changed: _Changed, tagged: set[str]) -> dict[str, Outcome]:
        moved = [*changed.members_added, *changed.members_removed]
        done = {self._far_id(member.email_address) for member in moved}
        refused = {
            self._far_id(address) for error in changed.errors for address in error.email_addresses
        }
        return {
            row.far_id: Outcome(Status.ok)
            if row.far_id in done
            else Outcome(Status.failed, "refused by Mailchimp")
            if row.far_id in refused | tagged
            else Outcome(Status.absent, "not in the audience")
            for row in batch.rows
        }

    def _tagged(self) -> Iterator[str]:
        url, offset = f"{self._segment_url()}/members", 0
        while True:
            params = {"count": PAGE, "offset": offset, "fields": "members.email_address"}
            members = self._ask(Call("GET", url, params), _Members).members
            yield from (member.email_address for member in members)
            offset += PAGE
            if len(members) < PAGE:
                return

    def _segment_url(self) -> str:
        """Where the tag is; it is made if there is none."""
        if self._segment is None:
            url = f"{self.audience}/segments"
            params = {"type": "static", "count": PAGE, "fields": "segments.id,segments.name"}
            known = self._ask(Call("GET", url, params), _Segments).segments
            found = [segment.id for segment in known if segment.name == self.tag]
            new = {"name": self.tag, "static_segment": []}
            self._segment = (
                found[0]
                if found
                else self._ask(Call("POST", url, json=new, is_repeatable=False), _Segment).id
            )
        return f"{self.audience}/segments/{self._segment}"

    def _ask(self, call: Call, page: type[Any]) -> Any:
        answer = self.connector.client.ask(call, page)
        if answer is None:
            raise SourceDownError("Mailchimp gave an empty answer.", "It is asked again.")
        return answer

    def _far_id(self, address: str) -> str:
        digest = hmac.digest(self.key, address.strip().lower().encode(), hashlib.sha256)
        return digest.hex()[:32]
