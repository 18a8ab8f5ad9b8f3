"""Fxiaoke under the conformance suite."""

import json
from collections.abc import Iterable
from typing import Any

from rig import Rig

from pipelines.fakes.fake import Fault
from pipelines.fakes.fxiaoke import CREDENTIALS, OPEN_USER_ID, FxiaokeFake


class FxiaokeRig(Rig):
    system = "fxiaoke"
    stream = "contacts"
    path = "/cgi/crm/v2/data/query"
    page_size = 50
    secrets = CREDENTIALS

    def __init__(self) -> None:
        self.fake: FxiaokeFake = FxiaokeFake()

    def config(self, url: str) -> dict[str, Any]:
        return {
            "api_url": url,
            "open_user_id": OPEN_USER_ID,
            "streams": ["contacts"],
            "page_size": self.page_size,
            "seconds_between_calls": 0,
        }

    def add(self, count: int) -> list[str]:
        return self.fake.add(count, name="王芳", mobile1="13800000000")

    def add_one(self, text: str) -> str:
        return self.fake.add(1, name=text)[0]

    def change(self, ids: Iterable[str], text: str = "changed") -> None:
        self.fake.change(ids, name=text)

    def remove(self, ids: Iterable[str]) -> None:
        self.fake.remove(ids)

    def restore(self, ids: Iterable[str]) -> None:
        self.fake.restore(ids)

    def add_field(self, ids: Iterable[str], name: str, value: Any) -> None:
        self.fake.extra_fields.add(name)
        self.fake.change(ids, **{name: value})

    def drop_field(self, ids: Iterable[str]) -> None:
        self.fake.dropped_fields.add("last_modified_time")

    def quota_fault(self) -> Fault:
        body = {"traceId": "E-O.x", "errorMessage": "当天访问频次超限", "errorCode": 30002}
        return Fault(200, json.dumps(body).encode(), path=self.path, times=None)


RIG = FxiaokeRig
