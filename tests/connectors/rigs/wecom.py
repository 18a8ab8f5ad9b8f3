"""WeCom under the conformance suite."""

import json
from collections.abc import Iterable
from typing import Any

from rig import Rig

from pipelines.fakes.fake import Fault
from pipelines.fakes.wecom import CREDENTIALS, WecomFake


class WecomRig(Rig):
    system = "wecom"
    stream = "contacts"
    path = "/cgi-bin/externalcontact/batch/get_by_user"
    page_size = 100
    secrets = CREDENTIALS
    knows_changes = False

    def __init__(self) -> None:
        self.fake: WecomFake = WecomFake()

    def config(self, url: str) -> dict[str, Any]:
        return {"api_url": url, "streams": ["contacts"]}

    def add(self, count: int) -> list[str]:
        return self.fake.add(count, name="王芳")

    def add_one(self, text: str) -> str:
        return self.fake.add(1, name=text)[0]

    def change(self, ids: Iterable[str], text: str = "changed") -> None:
        self.fake.change(ids, name=text)

    def remove(self, ids: Iterable[str]) -> None:
        self.fake.remove(ids)

    def restore(self, ids: Iterable[str]) -> None:
        self.fake.restore(ids)

    def add_field(self, ids: Iterable[str], name: str, value: Any) -> None:
        self.fake.change(ids, **{name: value})

    def drop_field(self, ids: Iterable[str]) -> None:
        self.fake.dropped_fields.add("name")

    def quota_fault(self) -> Fault:
        body = {"errcode": 45009, "errmsg": "reach max api hourly quota limit"}
        return Fault(200, json.dumps(body).encode(), path=self.path, times=None)


RIG = WecomRig
