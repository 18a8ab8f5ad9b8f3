"""Static lists of HubSpot and fields of Zoho CRM, against their stand-ins."""

from collections import Counter
from datetime import timedelta

import polars as pl
import pytest
from delivery_rig import DAY, people

from pipelines.fakes import hubspot as hubspot_fake
from pipelines.fakes import zoho_crm as zoho_fake
from pipelines.fakes.fake import Chaos
from pipelines.fakes.serving import serving

NEXT = DAY + timedelta(days=1)


@pytest.fixture
def hubspot(office):
    fake = hubspot_fake.HubspotFake()
    with serving(fake) as url:
        entry = {
            "name": "hub", "type": "hubspot", "source": "crm", "lists": {"win_back": "Autumn 3"},
            "api_url": url, "seconds_between_calls": 0,
        }  # fmt: skip
        office.configure(entry, hub=hubspot_fake.CREDENTIALS)
        yield fake


@pytest.fixture
def zoho(office):
    fake = zoho_fake.ZohoCrmFake()
    with serving(fake) as url:
        entry = {
            "name": "zoho", "type": "zoho_crm", "source": "crm", "lists": {"win_back": "C360_1"},
            "fields": {"C360_Grade": "grade"}, "api_url": url, "login_url": url,
        }  # fmt: skip
        office.configure(entry, zoho=zoho_fake.CREDENTIALS)
        yield fake


def own(ids: list[str]) -> dict[str, str]:
    """Record n is customer n's."""
    return {id: f"c{n:05}" for n, id in enumerate(ids, start=1)}


# --- HubSpot ----------------------------------------------------------------------------------


def test_all_records_of_a_customer_go_on_the_static_list(office, call, hubspot):
    ids = hubspot.add(4)
    records = {ids[0]: "c00001", ids[1]: "c00001", ids[2]: "c00002", ids[3]: "c00003"}
    office.release({"win_back": people([1, 2])}, records, deleted=[ids[1]])
    code, said = call("deliver", "--date", str(DAY))
    assert code == 0, said
    assert hubspot.lists.members("Autumn 3") == {ids[0], ids[2]}


def test_who_leaves_the_list_leaves_it_there_and_others_stay(office, call, hubspot):
    ids = hubspot.add(5)
    theirs = hubspot.lists.put("Autumn 3")
    hubspot.lists.lists[theirs]["members"][ids[4]] = None
    office.release({"win_back": people([1, 2])}, own(ids))
    call("deliver", "--date", str(DAY))
    office.release({"win_back": people([2, 3])}, own(ids), day=NEXT)
    assert call("deliver", "--date", str(NEXT))[0] == 0
    assert hubspot.lists.members("Autumn 3") == {ids[1], ids[2], ids[4]}
    assert set(hubspot.lists.applied.values()) == {1}


def test_a_record_that_is_gone_there_is_told_and_nobody_is_made(office, call, hubspot):
    ids = hubspot.add(3)
    hubspot.remove(ids[:1])
    office.release({"win_back": people([1, 2])}, own(ids))
    call("deliver", "--date", str(DAY))
    assert office.results("hub", "win_back") == {"ok": 1, "absent": 1}
    assert len(hubspot.records["contacts"]) == 2


def test_a_list_that_fills_itself_is_left_alone(office, call, hubspot):
    ids = hubspot.add(1)
    hubspot.lists.put("Autumn 3", "DYNAMIC")
    office.release({"win_back": people([1])}, own(ids))
    code, said = call("deliver", "--date", str(DAY))
    assert code == 1
    assert "fills the list Autumn 3 by itself" in said


def test_lost_replies_of_hubspot_change_nothing_in_the_end(office, call, hubspot):
    ids = hubspot.add(1_600)
    hubspot.chaos = Chaos(errors=0.2, lost=0.5, seed=3)
    office.release({"win_back": people(range(1, 1_601))}, own(ids))
    code, said = call("deliver", "--date", str(DAY))
    assert code == 0, said
    assert hubspot.chaos.met["lost"] > 0
    assert hubspot.lists.members("Autumn 3") == set(ids)
    assert Counter(hubspot.lists.applied.values()) == {1: 1_600}


# --- Zoho CRM ---------------------------------------------------------------------------------


def ticked(fake) -> dict[str, str]:
    return {
        id: row.get("C360_Grade")
        for id, row in fake.records["Contacts"].items()
        if row.get("C360_1")
    }


def test_records_are_ticked_and_told_their_grade(office, call, zoho):
    ids = zoho.add(3)
    office.release({"win_back": people([1, 2])}, own(ids))
    code, said = call("deliver", "--date", str(DAY))
    assert code == 0, said
    assert ticked(zoho) == {ids[0]: "A", ids[1]: "A"}


def test_a_changed_grade_is_told_and_an_unchanged_one_is_not(office, call, zoho):
    ids = zoho.add(3)
    office.release({"win_back": people([1, 2])}, own(ids))
    call("deliver", "--date", str(DAY))
    changed = people([1, 2]).with_columns(grade=pl.Series(["A", "B"]))
    office.release({"win_back": changed}, own(ids), day=NEXT)
    call("deliver", "--date", str(NEXT))
    assert ticked(zoho) == {ids[0]: "A", ids[1]: "B"}
    assert zoho.updates == {ids[0]: 1, ids[1]: 2}


def test_who_leaves_is_unticked_and_loses_the_grade(office, call, zoho):
    ids = zoho.add(3)
    office.release({"win_back": people([1, 2])}, own(ids))
    call("deliver", "--date", str(DAY))
    office.release({"win_back": people([2])}, own(ids), day=NEXT)
    call("deliver", "--date", str(NEXT))
    assert ticked(zoho) == {ids[1]: "A"}
    assert zoho.records["Contacts"][ids[0]]["C360_Grade"] is None
    assert zoho.records["Contacts"][ids[0]]["C360_1"] is False


def test_each_record_of_a_batch_has_a_result_of_its_own(office, call, zoho):
    ids = zoho.add(4)
    zoho.remove([ids[1]])
    zoho.refused[ids[2]] = "C360_Grade"
    office.release({"win_back": people([1, 2, 3, 4])}, own(ids))
    call("deliver", "--date", str(DAY))
    assert office.results("zoho", "win_back") == {"ok": 2, "absent": 1, "failed": 1}
    assert "INVALID_DATA C360_Grade" in office.ledger("zoho", "win_back")


def test_a_lost_reply_does_not_update_a_record_twice(office, call, zoho):
    ids = zoho.add(1_000)
    zoho.chaos = Chaos(errors=0.1, lost=0.5, seed=7)
    office.release({"win_back": people(range(1, 1_001))}, own(ids))
    code, said = call("deliver", "--date", str(DAY))
    assert code == 0, said
    assert zoho.chaos.met["lost"] > 1
    assert len(ticked(zoho)) == 1_000
    assert Counter(zoho.updates.values()) == {1: 1_000}


def test_a_token_that_dies_in_between_is_renewed(office, call, zoho):
    ids = zoho.add(900)
    zoho.token_calls = 5
    office.release({"win_back": people(range(1, 901))}, own(ids))
    assert call("deliver", "--date", str(DAY))[0] == 0
    assert len(ticked(zoho)) == 900


def test_a_column_that_the_list_does_not_have_is_named(office, call, zoho):
    ids = zoho.add(1)
    office.release({"win_back": people([1]).drop("grade")}, own(ids))
    code, said = call("deliver", "--date", str(DAY))
    assert code == 1
    assert "has no column grade" in said
