"""Zoho CRM under the conformance suite."""

import json

from rig import Rig

from pipelines.fakes.fake import Fault
from pipelines.fakes.zoho_crm import CREDENTIALS, ZohoCrmFake


class ZohoCrmRig(Rig):
    system = "zoho_crm"
    stream = "contacts"
    path = "/crm/v8/Contacts"
    page_size = 200
    secrets = CREDENTIALS
    fake_class = ZohoCrmFake
    text_field = "Full_Name"
    needed_field = "Modified_Time"

    def quota_fault(self) -> Fault:
        body = {"code": "API_LIMIT_EXCEEDED", "details": {}, "status": "error"}
        return Fault(429, json.dumps(body).encode(), path=self.path, times=None)


RIG = ZohoCrmRig
