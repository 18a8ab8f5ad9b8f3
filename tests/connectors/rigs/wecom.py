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
    fake_class = WecomFake
    text_field = "name"
    needed_field = "name"
    knows_changes = False

    def add_field(self, ids: Iterable[str], name: str, value: Any) -> None:
        self.fake.change(ids, **{name: value})

    def quota_fault(self) -> Fault:
        body = {"errcode": 45009, "errmsg": "reach max api hourly quota limit"}
        return Fault(200, json.dumps(body).encode(), path=self.path, times=None)


RIG = WecomRig
