"""Fxiaoke under the conformance suite."""

import json
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
    fake_class = FxiaokeFake
    text_field = "name"
    needed_field = "last_modified_time"

    def config(self, url: str) -> dict[str, Any]:
        return {
            "api_url": url,
            "open_user_id": OPEN_USER_ID,
            "streams": ["contacts"],
            "page_size": self.page_size,
            "seconds_between_calls": 0,
        }

    def quota_fault(self) -> Fault:
        body = {"traceId": "E-O.x", "errorMessage": "当天访问频次超限", "errorCode": 30002}
        return Fault(200, json.dumps(body).encode(), path=self.path, times=None)


RIG = FxiaokeRig
