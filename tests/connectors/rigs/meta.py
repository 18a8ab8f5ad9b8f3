"""Meta under the conformance suite: comments on the posts of a page."""

import json
from typing import Any

from rig import Rig

from pipelines.fakes.fake import Fault
from pipelines.fakes.meta import CREDENTIALS, PAGE, MetaFake


class MetaRig(Rig):
    system = "meta"
    stream = "post_comments"
    table = "social_engagements"
    path = "/comments"
    page_size = 100
    secrets = CREDENTIALS
    fake_class = MetaFake
    text_field = "message"
    needed_field = "created_time"
    text_column = "text"
    knows_deletes = False
    has_login = False

    def config(self, url: str) -> dict[str, Any]:
        return {"api_url": url, "page_id": PAGE, "streams": ["post_comments"]}

    def add(self, count: int) -> list[str]:
        return self.fake.comment(self._one_post(), count)

    def add_one(self, text: str) -> str:
        return self.fake.comment(self._one_post(), message=text)[0]

    def quota_fault(self) -> Fault:
        error = {"message": "(#80001) Too many calls", "type": "OAuthException", "code": 80001}
        usage = {"102030": [{"type": "pages", "estimated_time_to_regain_access": 57}]}
        headers = {"X-Business-Use-Case-Usage": json.dumps(usage)}
        body = json.dumps({"error": error}).encode()
        return Fault(400, body, headers, path=self.path, times=None)

    def _one_post(self) -> str:
        if not hasattr(self, "_post"):
            self._post = self.fake.post()
        return self._post


RIG = MetaRig
