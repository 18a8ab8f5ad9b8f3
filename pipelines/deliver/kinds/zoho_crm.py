"""Zoho CRM: a list is a checkbox of a record, with other fields beside it if wanted.

Records are known by the ids under which they were read, and only updated, never made. `trigger` is
empty, so that no workflow of theirs is set off by us.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import msgspec

from pipelines.deliver.changes import Batch, Outcome, Row, Status, content_of
from pipelines.errors import SourceDownError
from pipelines.extract.apis.zoho_crm import Connector
from pipelines.extract.client import Call
from pipelines.rules.deliveries import ZohoCrmDestination

BATCH_ROWS = 100
NO_SUCH_RECORD = "INVALID_DATA"


class _Details(msgspec.Struct):
    id: str | None = None
    api_name: str | None = None


class _Result(msgspec.Struct):
    code: str
    status: str
    details: _Details = msgspec.field(default_factory=_Details)


class _Results(msgspec.Struct):
    data: list[_Result]


class _Records(msgspec.Struct):
    data: list[dict[str, Any]]


class ZohoField:
    """One checkbox of one module."""

    batch_rows: ClassVar[int | None] = BATCH_ROWS

    def __init__(
        self,
        destination: ZohoCrmDestination,
        checkbox: str,
        connector: Connector,
        records: Sequence[tuple[str, str, Mapping[str, Any]]],
    ) -> None:
        """Take customer id, record id and values by field of those who should be ticked."""
        self.checkbox, self.connector, self.records = checkbox, connector, records
        self.fields = tuple(destination.fields)
        self.url = f"{connector.api}/crm/v8/{destination.module}"

    def rows(self) -> list[Row]:
        """One for each record of a customer."""
        return [
            Row(customer_id, record_id, content_of(values), values)
            for customer_id, record_id, told in self.records
            if (values := {self.checkbox: True, **told})
        ]

    def look(self, batch: Batch) -> set[str]:
        """Whose fields say what they should; of those to leave, who is not ticked."""
        there: set[str] = set()
        rows = batch.rows
        leaving = {row.far_id for row in batch.removes}
        for start in range(0, len(rows), BATCH_ROWS):
            part = {row.far_id: row for row in rows[start : start + BATCH_ROWS]}
            found = {str(record.pop("id")): record for record in self._read(list(part))}
            for far_id, row in part.items():
                record = found.get(far_id)
                if far_id in leaving:
                    is_so = record is None or not record.get(self.checkbox)
                else:
                    is_so = record is not None and content_of(record) == row.content
                if is_so:
                    there.add(far_id)
        return there

    def send(self, batch: Batch) -> dict[str, Outcome]:
        """Update up to a hundred records in one call."""
        blank = {self.checkbox: False, **dict.fromkeys(self.fields)}
        data = [{"id": row.far_id, **blank} for row in batch.removes]
        data += [{"id": row.far_id, **row.payload} for row in batch.adds]
        content = {"data": data, "trigger": []}
        call = Call("PUT", self.url, json=content, is_repeatable=False)
        answer = self.connector.client.ask(call, _Results)
        if answer is None or len(answer.data) != len(data):
            raise SourceDownError(
                "Zoho CRM did not answer for each record.", "They are looked up and tried again."
            )
        return {
            row.far_id: _outcome(result)
            for row, result in zip(batch.rows, answer.data, strict=True)
        }

    def _read(self, ids: list[str]) -> list[dict[str, Any]]:
        params = {"ids": ",".join(ids), "fields": ",".join((self.checkbox, *self.fields))}
        page = self.connector.client.ask(Call("GET", self.url, params), _Records)
        names = {"id", self.checkbox, *self.fields}
        return [
            {name: record.get(name) for name in names} for record in (page.data if page else ())
        ]


def _outcome(result: _Result) -> Outcome:
    if result.status == "success":
        return Outcome(Status.ok)
    # Of a record that is not there, the field at fault is its id.
    if result.code == NO_SUCH_RECORD and result.details.api_name in (None, "id"):
        return Outcome(Status.absent, "no such record")
    field = f" {result.details.api_name}" if result.details.api_name else ""
    return Outcome(Status.failed, f"{result.code}{field}")
