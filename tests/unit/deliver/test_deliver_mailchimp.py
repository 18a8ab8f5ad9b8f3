"""Tags of a Mailchimp audience, against its stand-in."""

from collections import Counter
from datetime import timedelta

import pytest
from delivery_rig import DAY, people

from pipelines.fakes.fake import Chaos, Fault
from pipelines.fakes.mailchimp import CREDENTIALS, LIST_ID, MailchimpFake
from pipelines.fakes.serving import serving

NEXT = DAY + timedelta(days=1)


@pytest.fixture
def mailchimp(office):
    fake = MailchimpFake()
    with serving(fake) as url:
        entry = {
            "name": "mail", "type": "mailchimp", "audience": LIST_ID,
            "lists": {"win_back": "seg_017"}, "api_url": url,
        }  # fmt: skip
        office.configure(entry, mail=CREDENTIALS)
        fake.entry = entry
        yield fake


def addresses(*numbers: int) -> set[str]:
    return {f"person{n}@example.com" for n in numbers}


def test_members_of_the_list_are_tagged_and_nobody_is_subscribed(office, call, mailchimp):
    mailchimp.add(4)
    office.release({"win_back": people([1, 2, 9])})
    code, said = call("deliver", "--date", str(DAY))
    assert code == 0, said
    assert mailchimp.tags.tagged("seg_017") == addresses(1, 2)
    assert len(mailchimp.members[LIST_ID]) == 4
    assert office.results("mail", "win_back") == {"ok": 2, "absent": 1}


def test_only_what_changed_goes_out_the_next_time(office, call, mailchimp):
    mailchimp.add(5)
    office.release({"win_back": people([1, 2, 3])})
    call("deliver", "--date", str(DAY))
    office.release({"win_back": people([2, 3, 4])}, day=NEXT)
    mailchimp.calls.clear()
    code, said = call("deliver", "--date", str(NEXT))
    assert code == 0, said
    assert mailchimp.tags.tagged("seg_017") == addresses(2, 3, 4)
    assert set(mailchimp.tags.applied.values()) == {1}
    assert office.results("mail", "win_back", NEXT) == {"ok": 2}


def test_a_second_call_of_the_same_day_sends_nothing(office, call, mailchimp):
    mailchimp.add(3)
    office.release({"win_back": people([1, 2])})
    call("deliver", "--date", str(DAY))
    mailchimp.calls.clear()
    assert call("deliver", "--date", str(DAY))[0] == 0
    assert mailchimp.calls == []


def test_who_was_tagged_by_somebody_else_is_never_untagged(office, call, mailchimp):
    mailchimp.add(4)
    mailchimp.tags.put(LIST_ID, "seg_017", addresses(1, 4))
    office.release({"win_back": people([1, 2])})
    call("deliver", "--date", str(DAY))
    assert office.results("mail", "win_back") == {"ok": 1, "there": 1}
    office.release({"win_back": people([3])}, day=NEXT)
    call("deliver", "--date", str(NEXT))
    assert mailchimp.tags.tagged("seg_017") == addresses(1, 3, 4)


def test_a_new_address_takes_the_tag_from_the_old_one(office, call, mailchimp):
    mailchimp.add(9)
    office.release({"win_back": people([1])})
    call("deliver", "--date", str(DAY))
    office.release({"win_back": people([1], contact="Person8@Example.com")}, day=NEXT)
    call("deliver", "--date", str(NEXT))
    assert mailchimp.tags.tagged("seg_017") == addresses(8)


def test_a_refused_row_is_told_and_tried_again(office, call, mailchimp):
    mailchimp.add(2)
    mailchimp.tags.refused |= addresses(2)
    office.release({"win_back": people([1, 2])})
    code, said = call("deliver", "--date", str(DAY))
    assert code == 0
    assert office.results("mail", "win_back") == {"ok": 1, "failed": 1}
    assert "person" not in said
    mailchimp.tags.refused.clear()
    call("deliver", "--date", str(DAY))
    assert office.results("mail", "win_back") == {"ok": 2}
    assert set(mailchimp.tags.applied.values()) == {1}


def test_more_rows_than_a_call_takes_go_out_in_several(office, call, mailchimp):
    mailchimp.add(1_201)
    office.release({"win_back": people(range(1, 1_202))})
    assert call("deliver", "--date", str(DAY))[0] == 0
    assert len(mailchimp.tags.tagged("seg_017")) == 1_201
    office.release({"win_back": people(range(1, 2))}, day=NEXT)
    assert call("deliver", "--date", str(NEXT), "--accept-removals")[0] == 0
    assert mailchimp.tags.tagged("seg_017") == addresses(1)


def test_errors_and_lost_replies_change_nothing_in_the_end(office, call, mailchimp):
    mailchimp.add(2_000)
    mailchimp.tags.put(LIST_ID, "seg_017", [])
    mailchimp.chaos = Chaos(errors=0.3, lost=0.4, seed=1)
    office.release({"win_back": people(range(1, 2_001))})
    code, said = call("deliver", "--date", str(DAY))
    assert code == 0, said
    assert mailchimp.chaos.met["lost"] > 0
    assert len(mailchimp.tags.tagged("seg_017")) == 2_000
    assert Counter(mailchimp.tags.applied.values()) == {1: 2_000}
    # What a lost answer leaves unsure is looked up, not sent again.
    changes = [path for path in mailchimp.calls if path.endswith("/segments/4001")]
    assert len(changes) == 4 + mailchimp.chaos.met["error"]


def test_a_service_that_stays_down_leaves_the_rest_for_later(office, call, mailchimp):
    mailchimp.add(600)
    office.release({"win_back": people(range(1, 601))})
    mailchimp.faults.append(Fault(503, path="/segments/4001", nth=2, times=None))
    code, said = call("deliver", "--date", str(DAY))
    assert code == 1
    assert "the next" in said or "again" in said
    mailchimp.faults.clear()
    assert call("deliver", "--date", str(DAY))[0] == 0
    assert len(mailchimp.tags.tagged("seg_017")) == 600
    assert set(mailchimp.tags.applied.values()) == {1}


def test_a_refused_login_names_the_variable_and_no_secret(office, call, mailchimp):
    office.release({"win_back": people([1])})
    mailchimp.refuses_login = True
    code, said = call("deliver", "--date", str(DAY))
    assert code == 1
    assert "C360_DESTINATION_MAIL" in said
    assert "sources" not in said
    assert CREDENTIALS["api_key"] not in said


def test_nothing_kept_here_names_a_person_or_holds_a_secret(office, call, mailchimp):
    mailchimp.add(3)
    office.release({"win_back": people([1, 2])})
    call("deliver", "--date", str(DAY))
    for path in (office.root / "deliveries").rglob("*"):
        if path.is_file():
            text = path.read_text()
            for secret in ("person1", "example.com", "王", CREDENTIALS["api_key"]):
                assert secret not in text, path
