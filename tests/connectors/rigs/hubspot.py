"""HubSpot under the conformance suite."""

from collections.abc import Iterable
from typing import Any

from rig import Rig

from pipelines.fakes.fake import Fault
from pipelines.fakes.hubspot import CREDENTIALS, HubspotFake, too_many


class HubspotRig(Rig):
    system = "hubspot"
    stream = "contacts"
    path = "/crm/objects/2026-09/contacts"
    page_size = 100
    secrets = CREDENTIALS
    has_login = False

    def __init__(self) -> None:
        self.fake: HubspotFake = HubspotFake()

    def config(self, url: str) -> dict[str, Any]:
        return {"api_url": url, "streams": ["contacts"], "seconds_between_calls": 0}

    def add(self, count: int) -> list[str]:
        return self.fake.add(count, lastname="王芳", email="wang@example.com")

    def add_one(self, text: str) -> str:
        return self.fake.add(1, lastname=text)[0]

    def change(self, ids: Iterable[str], text: str = "changed") -> None:
        self.fake.change(ids, lastname=text)

    def remove(self, ids: Iterable[str]) -> None:
        self.fake.remove(ids)

    def restore(self, ids: Iterable[str]) -> None:
        self.fake.restore(ids)

    def add_field(self, ids: Iterable[str], name: str, value: Any) -> None:
        self.fake.extra_fields.add(name)
        self.fake.change(ids, **{name: value})

    def drop_field(self, ids: Iterable[str]) -> None:
        self.fake.dropped_fields.add("updatedAt")

    def quota_fault(self) -> Fault:
        return Fault(429, bytes(too_many("DAILY").body), path=self.path, times=None)


RIG = HubspotRig
