"""Kills, 5 % of errors, 10 % of lost replies: 3,000 rows, each applied once at the far side."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT / "tests" / "unit" / "deliver"))

from delivery_rig import DAY, Home, people  # noqa: E402 - beside the other tests of deliveries

from pipelines.fakes import hubspot, mailchimp, zoho_crm  # noqa: E402
from pipelines.fakes.fake import Chaos  # noqa: E402
from pipelines.fakes.serving import serving  # noqa: E402

ROWS, SMALL = 3_000, 20
NEXT = DAY + timedelta(days=1)
# Small batches and no waiting, so that there is much to kill in between.
COMMAND = f"""
import pipelines.deliver.kinds.mailchimp as a, pipelines.deliver.kinds.hubspot as b
import pipelines.deliver.kinds.zoho_crm as c, pipelines.deliver.outbox as outbox, time
a.MailchimpTag.batch_rows = b.HubspotList.batch_rows = c.ZohoField.batch_rows = {SMALL}
time.sleep = lambda seconds: None
outbox.TRIES = 12
from pipelines.cli import main
main()
"""


class Mailchimp:
    entry = {"type": "mailchimp", "audience": mailchimp.LIST_ID, "lists": {"win_back": "seg_1"}}  # noqa: RUF012
    login = mailchimp.CREDENTIALS

    def __init__(self):
        self.fake = mailchimp.MailchimpFake()
        self.fake.add(ROWS + 500)
        self.records = {}

    def there(self):
        return {f"c{int(a[6:].partition('@')[0]):05}" for a in self.fake.tags.tagged("seg_1")}

    def applied(self):
        return self.fake.tags.applied


class Hubspot:
    entry = {"type": "hubspot", "source": "crm", "lists": {"win_back": "seg_1"},  # noqa: RUF012
             "seconds_between_calls": 0}  # fmt: skip
    login = hubspot.CREDENTIALS

    def __init__(self):
        self.fake = hubspot.HubspotFake()
        ids = self.fake.add(ROWS + 500)
        self.records = {id: f"c{n:05}" for n, id in enumerate(ids, start=1)}

    def there(self):
        return {self.records[id] for id in self.fake.lists.members("seg_1")}

    def applied(self):
        return self.fake.lists.applied


class Zoho:
    entry = {"type": "zoho_crm", "source": "crm", "lists": {"win_back": "C360_1"}}  # noqa: RUF012
    login = zoho_crm.CREDENTIALS

    def __init__(self):
        self.fake = zoho_crm.ZohoCrmFake()
        ids = self.fake.add(ROWS + 500)
        self.records = {id: f"c{n:05}" for n, id in enumerate(ids, start=1)}

    def there(self):
        rows = self.fake.records["Contacts"].items()
        return {self.records[id] for id, row in rows if row.get("C360_1")}

    def applied(self):
        return self.fake.updates


def start(day) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, "deliver", "--date", str(day), "--accept-removals"],
        cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


def deliver_under_kills(day, fake, kills: int, moments: random.Random) -> int:
    """Kill at moments between the first and the last call of a delivery, then let it end."""
    killed = 0
    for _ in range(kills):
        before, process = len(fake.calls), start(day)
        upto = before + moments.randint(3, 25)
        while len(fake.calls) < upto and process.poll() is None:
            time.sleep(0.001)
        time.sleep(moments.uniform(0, 0.01))
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            killed += 1
        process.communicate()
    process = start(day)
    _, said = process.communicate()
    assert process.returncode == 0, said
    return killed


@pytest.mark.slow
@pytest.mark.parametrize(("system", "kills"), [(Zoho, 10), (Mailchimp, 3), (Hubspot, 3)])
def test_each_row_is_applied_once_whatever_dies(system, kills, tmp_path, monkeypatch):
    rig, moments = system(), random.Random(20260630)  # noqa: S311 - moments, not keys
    office = Home(tmp_path, monkeypatch)
    with serving(rig.fake) as url:
        more = {"login_url": url} if system is Zoho else {}
        office.configure({"name": "far", "api_url": url, **rig.entry, **more}, far=rig.login)
        rig.fake.chaos = Chaos(errors=0.05, lost=0.10, seed=11)
        office.release({"win_back": people(range(1, ROWS + 1))}, rig.records)
        killed = deliver_under_kills(DAY, rig.fake, kills, moments)
        wanted = {f"c{n:05}" for n in range(1, ROWS + 1)}
        assert rig.there() == wanted
        assert Counter(rig.applied().values()) == {1: ROWS}
        # The next day 500 leave and 500 come, which is all that is sent.
        office.release({"win_back": people(range(501, ROWS + 501))}, rig.records, day=NEXT)
        deliver_under_kills(NEXT, rig.fake, 0, moments)
        assert rig.there() == {f"c{n:05}" for n in range(501, ROWS + 501)}
        assert sum(rig.applied().values()) == ROWS + 1_000
    assert killed >= kills // 2
    assert rig.fake.chaos.met["lost"] >= 5
    assert rig.fake.chaos.met["error"] >= 2
