"""HubSpot under the conformance suite."""

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
    fake_class = HubspotFake
    text_field = "lastname"
    needed_field = "updatedAt"
    has_login = False

    def config(self, url: str) -> dict[str, Any]:
        return {"api_url": url, "streams": ["contacts"], "seconds_between_calls": 0}

    def quota_fault(self) -> Fault:
        return Fault(429, bytes(too_many("DAILY").body), path=self.path, times=None)


RIG = HubspotRig
