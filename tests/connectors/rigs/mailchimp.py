"""Mailchimp under the conformance suite."""

from collections.abc import Iterable
from typing import Any

from rig import Rig

from pipelines.fakes.fake import Fault
from pipelines.fakes.mailchimp import CREDENTIALS, MailchimpFake

DAY = 86_400


class MailchimpRig(Rig):
    system = "mailchimp"
    stream = "members"
    path = "/members"
    page_size = 100
    secrets = CREDENTIALS
    fake_class = MailchimpFake
    text_field = "FNAME"
    needed_field = "status"
    knows_deletes = False  # unless all members are read each night: see the unit tests
    has_login = False

    def config(self, url: str) -> dict[str, Any]:
        # Each page but the first begins with the last member of the page before.
        return {"api_url": url, "streams": ["members"], "page_size": self.page_size + 1}

    def add(self, count: int) -> list[str]:
        return self.fake.add(count, merge_fields={"FNAME": "芳", "LNAME": "王"})

    def add_one(self, text: str) -> str:
        return self.fake.add(1, merge_fields={"FNAME": text})[0]

    def change(self, ids: Iterable[str], text: str = "changed") -> None:
        self.fake.change(ids, FNAME=text, LNAME="")

    def quota_fault(self) -> Fault:
        # There is no quota of the day; a wait so long is as good as one.
        return Fault(429, headers={"Retry-After": str(DAY)}, path=self.path, times=None)


RIG = MailchimpRig
