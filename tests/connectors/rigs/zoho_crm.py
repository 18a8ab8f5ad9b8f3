"""Zoho CRM under the conformance suite."""

import json
from collections.abc import Iterable
from typing import Any

from rig import Rig

from pipelines.fakes.fake import Fault
from pipelines.fakes.zoho_crm import CREDENTIALS, ZohoCrmFake


class ZohoCrmRig(Rig):
    system = "zoho_crm"
    stream = "contacts"
    path = "/crm/v8/Contacts"
    page_size = 200
    secrets = CREDENTIALS

    def __init__(self) -> None:
        self.fake: ZohoCrmFake = ZohoCrmFake()

    def config(self, url: str) -> dict[str, Any]:
        return {"api_url": url, "streams": ["contacts"]}

    def add(self, count: int) -> list[str]:
        return self.fake.add(count, Full_Name="王芳", Email="wang@example.com")

    def add_one(self, text: str) -> str:
        return self.fake.add(1, Full_Name=text)[0]

    def change(self, ids: Iterable[str], text: str = "changed") -> None:
        self.fake.change(ids, Full_Name=text)

    def remove(self, ids: Iterable[str]) -> None:
        self.fake.remove(ids)

    def restore(self, ids: Iterable[str]) -> None:
        self.fake.restore(ids)

    def add_field(self, ids: Iterable[str], name: str, value: Any) -> None:
        self.fake.extra_fields.add(name)
        self.fake.change(ids, **{name: value})

    def drop_field(self, ids: Iterable[str]) -> None:
        self.fake.dropped_fields.add("Modified_Time")

    def quota_fault(self) -> Fault:
        body = {"code": "API_LIMIT_EXCEEDED", "details": {}, "status": "error"}
        return Fault(429, json.dumps(body).encode(), path=self.path, times=None)


RIG = ZohoCrmRig
