import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest
from factories import AS_OF
from pydantic import ValidationError

from pipelines.errors import AccessRefusedError, SourceDownError
from pipelines.extract import parts
from pipelines.extract.apis import mailchimp
from pipelines.extract.apis.mailchimp import STREAMS, Connector, parse
from pipelines.extract.client import CallRefusedError, Verdict
from pipelines.extract.connector import Ask, CannotResumeError, Page, Record
from pipelines.extract.parts import extract_stream, find_parts
from pipelines.extract.systems import SYSTEMS
from pipelines.fakes.fake import Fault
from pipelines.fakes.mailchimp import CREDENTIALS, LIST_ID, MailchimpFake
from pipelines.fakes.serving import serving
from pipelines.landing import FileFacts, land_rows
from pipelines.raw_parts import read_part
from pipelines.rules.source_types.mailchimp import MailchimpSecrets, MailchimpSource

OPTED_IN, CHANGED = "2026-05-01T08:00:00+00:00", "2026-06-20T09:30:00+00:00"
MEMBER = {
    "contact_id": "abc3e082f3156bd9e1defg7010f92606",
    "email_address": "Wang.Fang@example.com",
    "full_name": "芳 王",
    "status": "subscribed",
    "sms_phone_number": "+15555550123",
    "sms_subscription_status": "subscribed",
    "sms_subscription_last_updated": "2026-05-03T08:00:00+00:00",
    "merge_fields": {
        "FNAME": "芳",
        "LNAME": "王",
        "PHONE": "020 7946 0000",
        "BIRTHDAY": "05/21",
        "ADDRESS": {"addr1": "1 High St", "addr2": "", "city": "London", "state": "", "zip": "E1",
                    "country": "GB"},
    },
    "timestamp_signup": "2026-04-30T08:00:00+00:00",
    "timestamp_opt": OPTED_IN,
    "last_changed": CHANGED,
    "language": "zh",
    "vip": True,
    "source": "Hosted Signup Form",
    "marketing_permissions": [],
    "tags": [{"id": 1, "name": "会员 😀"}, {"id": 2, "name": "b"}],
}  # fmt: skip
CAMPAIGN = {
    "id": "42694e9e57",
    "send_time": "2026-06-18T08:00:00+00:00",
    "settings": {"title": "六月", "subject_line": "618 大促"},
}
RECIPIENT = {"email_id": "0ab4", "email_address": "wang.fang@example.com", "campaign": CAMPAIGN}


class Given:
    """Stands for a connector: brings the records that a test gives."""

    system, overlap = mailchimp.SYSTEM, timedelta(0)
    source = MailchimpSource(name="mail", type="mailchimp")

    def __init__(self, records: list[dict[str, Any]]) -> None:
        when = datetime(2026, 6, 20, tzinfo=UTC)
        self.records = [
            Record(record.get("contact_id", str(number)), json.dumps(record).encode(), when)
            for number, record in enumerate(records)
        ]

    def pages(self, stream, ask) -> Iterator[Page]:
        yield Page(self.records)


class Rows(dict[str, pl.DataFrame]):
    """What landed, by table; `bad` is what did not."""

    bad: pl.DataFrame


@pytest.fixture
def land_parts(catalogue, monkeypatch):
    monkeypatch.setitem(SYSTEMS, mailchimp.SYSTEM, mailchimp)

    def land(raw: Path, own: dict[str, dict[str, str]] | None = None) -> Rows:
        good: dict[str, list[pl.DataFrame]] = {}
        bad = []
        for part in find_parts(raw):
            for table, frame, _ in read_part(part, "mail", own or {}):
                facts = FileFacts("mail", part.path.name, AS_OF)
                landed = land_rows(frame, catalogue["landing", table], facts)
                good.setdefault(table, []).append(landed.rows)
                bad.append(landed.quarantined)
        rows = Rows({table: pl.concat(frames) for table, frames in good.items()})
        rows.bad = pl.concat(bad) if bad else pl.DataFrame()
        return rows

    return land


@pytest.fixture
def landed(land_parts, tmp_path):
    """The landing rows of recorded records."""

    def land(stream: str, *records: dict[str, Any], own: dict[str, str] | None = None) -> Rows:
        now = datetime(2026, 6, 30, tzinfo=UTC)
        extract_stream(Given(list(records)), STREAMS[stream], tmp_path, AS_OF, now, str)
        return land_parts(tmp_path, {stream: own or {}})

    return land


@pytest.fixture
def consent(landed):
    """Status and time of what a member says of a channel; None where nothing is said."""

    def statement(channel: str, **told: Any) -> tuple[str, str, str] | None:
        rows = landed("members", MEMBER | told)
        assert rows.bad.is_empty()
        if "consents" not in rows:
            return None
        mine = rows["consents"].filter(pl.col("source_record_id").str.ends_with(f"-{channel}"))
        [row] = mine.rows(named=True) or [None]
        return row and (row["status"], row["effective_at"].isoformat() + "+00:00")

    return statement


class Account:
    """A source and its stand-in, night after night."""

    def __init__(self, url: str, fake: MailchimpFake, raw: Path) -> None:
        self.url, self.fake, self.raw = url, fake, raw
        self.night = 0
        self.settings: dict[str, Any] = {"page_size": 11}
        self.sleeps: list[float] = []
        self.log: list[dict[str, Any]] = []

    def connector(self) -> Connector:
        entry = {"name": "mail", "type": "mailchimp", "api_url": self.url, **self.settings}
        source = MailchimpSource.model_validate(entry)
        secrets = MailchimpSecrets.model_validate(CREDENTIALS)
        return Connector(source, secrets, self.log.append, self.sleeps.append)

    def extract(self, name: str = "members") -> int:
        """New records of a stream tonight."""
        connector = self.connector()
        [stream] = [stream for stream in connector.streams() if stream.name == name]
        as_of = AS_OF + timedelta(days=self.night)
        try:
            return extract_stream(connector, stream, self.raw, as_of, self.fake.now, str).records
        finally:
            connector.client.close()

    def pass_a_day(self) -> None:
        self.night += 1
        self.fake.now += timedelta(days=1)

    def ids(self) -> set[str]:
        """The members who are there by what was received."""
        there: dict[str, str] = {}
        for part in find_parts(self.raw, "members"):
            there.update(pl.read_parquet(part.path, columns=["id", "op"]).rows())
        return {id for id, op in there.items() if op == "upsert"}

    def reports_read(self) -> set[str]:
        return {path.split("/")[3] for path in self.fake.calls if "/reports/" in path}


@pytest.fixture
def fake() -> MailchimpFake:
    return MailchimpFake()


@pytest.fixture
def account(fake, tmp_path) -> Iterator[Account]:
    with serving(fake) as url:
        yield Account(url, fake, tmp_path / "raw")


# -- members -----------------------------------------------------------------------------------


def test_a_member_becomes_a_person_with_what_they_allowed(landed):
    rows = landed("members", MEMBER)
    assert rows.bad.is_empty()
    [person] = rows["crm_contacts"].rows(named=True)
    expected = {
        "source_record_id": MEMBER["contact_id"],
        "kind": "person",
        "email": "Wang.Fang@example.com",
        "full_name": "芳 王",
        "first_name": "芳",
        "phone": "020 7946 0000",
        "mobile": "+15555550123",
        "street": "1 High St",
        "city": "London",
        "postal_code": "E1",
        "country_code": "GB",
        "language": "zh",
        "lead_status": "subscribed",
        "source_tier": "VIP",
        "tags": ["会员 😀", "b"],
        "source_created_at": datetime(2026, 4, 30, 8),  # noqa: DTZ001 - landed times are UTC
        "source_updated_at": datetime(2026, 6, 20, 9, 30),  # noqa: DTZ001
    }
    assert {name: person[name] for name in expected} == expected
    assert json.loads(person["extra"]) == {"BIRTHDAY": "05/21"}
    said = rows["consents"].select("source_record_id", "subject_key_type", "subject_key",
                                   "contact_source_id", "purpose", "channel").rows()  # fmt: skip
    id = MEMBER["contact_id"]
    assert said == [
        (f"{id}-email", "email", "Wang.Fang@example.com", id, "marketing", "email"),
        (f"{id}-sms", "phone", "+15555550123", id, "marketing", "sms"),
    ]


@pytest.mark.parametrize(
    ("status", "said", "since"),
    [
        ("subscribed", "granted", OPTED_IN),
        ("unsubscribed", "withdrawn", CHANGED),
        ("cleaned", "unknown", CHANGED),
        ("pending", "pending", CHANGED),
        ("transactional", "unknown", OPTED_IN),  # takes back no grant given elsewhere
        ("archived", "unknown", CHANGED),  # may have unsubscribed before
        ("something new", "unknown", CHANGED),
    ],
)
def test_only_who_is_subscribed_granted_anything(consent, status, said, since):
    assert consent("email", status=status) == (said, since)


def test_without_a_time_of_opt_in_the_sign_up_or_the_change_counts(consent):
    signed_up = MEMBER["timestamp_signup"]
    assert consent("email", timestamp_opt="") == ("granted", signed_up)


def test_without_any_time_of_joining_the_last_change_counts(consent):
    assert consent("email", timestamp_opt="", timestamp_signup="") == ("granted", CHANGED)


def permissions(**enabled: bool) -> list[dict[str, Any]]:
    texts = {"ads": "Customized Online Advertising", "post": "Direct Mail", "email": "Email"}
    return [
        {"marketing_permission_id": name, "text": texts.get(name, name), "enabled": is_enabled}
        for name, is_enabled in enabled.items()
    ]


@pytest.mark.parametrize(
    ("told", "status", "said"),
    [
        ({"email": True, "post": False}, "subscribed", "granted"),
        ({"email": False, "post": True}, "subscribed", "denied"),
        ({"email": False, "newsletter": True}, "subscribed", "denied"),
        ({"email": True}, "unsubscribed", "withdrawn"),
        ({"newsletter": True}, "subscribed", "granted"),
        ({"newsletter": True, "新品": False}, "subscribed", "denied"),
        ({"post": False, "ads": False}, "subscribed", "granted"),  # none is about e-mail
    ],
)
def test_where_a_list_asks_for_permissions_to_be_subscribed_is_not_enough(
    consent, told, status, said
):
    statement = consent("email", status=status, marketing_permissions=permissions(**told))
    assert statement is not None
    assert statement[0] == said


@pytest.mark.parametrize(
    ("is_enabled", "status", "said"),
    [
        (True, "subscribed", ("granted", OPTED_IN)),
        (True, "archived", ("unknown", CHANGED)),
        (False, "subscribed", ("denied", CHANGED)),
    ],
)
def test_online_advertising_is_a_purpose_of_its_own(consent, landed, is_enabled, status, said):
    told = {"status": status, "marketing_permissions": permissions(ads=is_enabled)}
    assert consent("ads", **told) == said
    rows = list(parse("members", MEMBER | told))
    [ads] = [row for _, row in rows if row.get("purpose") == "ads_matching"]
    assert ads["channel"] == "any"


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"sms_subscription_status": "subscribed"}, ("granted", "2026-05-03T08:00:00+00:00")),
        ({"sms_subscription_status": "unsubscribed"}, ("withdrawn", "2026-05-03T08:00:00+00:00")),
        ({"sms_subscription_status": "pending"}, ("pending", "2026-05-03T08:00:00+00:00")),
        ({"sms_subscription_status": "nonsubscribed"}, ("unknown", "2026-05-03T08:00:00+00:00")),
        ({"sms_subscription_last_updated": ""}, ("granted", CHANGED)),
        ({"status": "archived"}, ("unknown", CHANGED)),
        ({"status": "archived", "sms_subscription_status": "unsubscribed"},
         ("withdrawn", "2026-05-03T08:00:00+00:00")),
        ({"sms_phone_number": ""}, None),
    ],
)  # fmt: skip
def test_what_is_said_of_text_messages_is_about_the_number(consent, told, said):
    assert consent("sms", **told) == said


def test_a_member_with_a_number_only_says_nothing_of_e_mail(consent):
    assert consent("email", email_address="") is None


@pytest.mark.parametrize("empty", [{}, [], None, {"ADDRESS": ""}, {"ADDRESS": "1 High St"}])
def test_merge_fields_and_addresses_that_are_no_objects_are_nothing(landed, empty):
    rows = landed("members", MEMBER | {"merge_fields": empty})
    assert rows.bad.is_empty()
    [person] = rows["crm_contacts"].rows(named=True)
    assert {person[name] for name in ("first_name", "phone", "street", "city")} == {None}


def test_a_companys_own_merge_fields_are_mapped_or_kept_by_name(landed):
    merged = {"JOB": "医生", "SIZE": "38", "SHOPS": ["a"]}
    own = {"occupation": "merge_fields.JOB"}
    [person] = landed("members", MEMBER | {"merge_fields": merged}, own=own)["crm_contacts"].rows(
        named=True
    )
    assert person["occupation"] == "医生"
    assert json.loads(person["extra"]) == {"SIZE": "38", "SHOPS": ["a"]}


def test_a_member_without_contact_id_is_not_filed_under_another(landed):
    rows = landed("members", {name: v for name, v in MEMBER.items() if name != "contact_id"})
    assert rows.bad["rule"].to_list() == ["not_readable"]


# -- reports -----------------------------------------------------------------------------------


def test_who_was_sent_a_campaign_is_an_event_at_its_time_of_sending(landed):
    rows = landed("sent", RECIPIENT | {"absplit_group": "winner"})
    assert rows.bad.is_empty()
    [event] = rows["campaign_events"].rows(named=True)
    expected = {
        "campaign_id": "42694e9e57",
        "campaign_name": "六月",
        "campaign_type": "email",
        "recipient_key": "0ab4",
        "email": "wang.fang@example.com",
        "event_type": "sent",
        "variant_id": "winner",
        "event_at": datetime(2026, 6, 18, 8),  # noqa: DTZ001 - landed times are UTC
        "extra": None,
    }
    assert {name: event[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("told", "event_type"),
    [
        ({"action": "open"}, "open"),
        ({"action": "click", "url": "https://shop.example.com/新?a=1"}, "click"),
        ({"action": "bounce", "type": "hard"}, "bounce_hard"),
        ({"action": "bounce", "type": "soft"}, "bounce_soft"),
        ({"action": "bounce"}, "bounce_soft"),
    ],
)
def test_opens_clicks_and_bounces_are_events(landed, told, event_type):
    event = RECIPIENT | told | {"timestamp": CHANGED, "ip": "198.51.100.7"}
    rows = landed("activity", event)
    assert rows.bad.is_empty()
    [row] = rows["campaign_events"].rows(named=True)
    assert (row["event_type"], row["url"]) == (event_type, told.get("url"))
    assert row["extra"] is None  # where a person was is nobody's business


def test_an_action_that_nobody_knows_is_quarantined(landed):
    rows = landed("activity", RECIPIENT | {"action": "forward", "timestamp": CHANGED})
    assert rows.bad.select("rule", "column").rows() == [("not_in_list", "event_type")]


def test_who_left_by_a_campaign_unsubscribed_then(landed):
    campaign = CAMPAIGN | {"settings": {"title": "", "subject_line": "618 大促"}}
    told = {"timestamp": CHANGED, "reason": "None given", "campaign": campaign}
    rows = landed("unsubscribed", RECIPIENT | told)
    assert rows.bad.is_empty()
    [row] = rows["campaign_events"].rows(named=True)
    assert (row["event_type"], row["campaign_name"]) == ("unsubscribe", "618 大促")
    assert row["event_at"].isoformat() + "+00:00" == CHANGED


# -- reading members ---------------------------------------------------------------------------


def test_every_list_is_read_and_its_archived_members_too(account, fake):
    here = fake.add(3) + fake.add(2, status="archived")
    there = fake.add(2, "another1")
    assert account.extract() == 7
    assert account.ids() == {*here, *there}


def test_only_the_lists_that_are_configured_are_read(account, fake):
    account.settings["lists"] = [LIST_ID]
    fake.add(2, "another1")
    assert account.extract() == 0
    assert not any("another1" in path for path in fake.calls)


def test_only_what_the_landing_contract_needs_is_asked_for(account, fake):
    fake.add(1)
    account.extract()
    [part] = find_parts(account.raw)
    received = json.loads(pl.read_parquet(part.path)["record"][0])
    assert not {"ip_opt", "member_rating", "web_id"} & set(received)


@pytest.mark.parametrize("is_inclusive", [True, False])
@pytest.mark.parametrize("at_once", [1, 4, 16, 70])
def test_all_arrive_whatever_since_means_and_however_many_change_at_once(
    account, fake, is_inclusive, at_once
):
    fake.is_inclusive = is_inclusive
    ids = fake.add(at_once)
    while len(ids) < 70:
        fake.now += timedelta(seconds=2)
        ids += fake.add(at_once)
    account.extract()  # in the very second of the last change
    assert account.ids() == set(ids)


def test_pages_begin_after_a_time_for_deep_numbers_are_slow(account, fake):
    for _ in range(60):
        fake.add(1)
        fake.now += timedelta(minutes=1)
    reader = account.connector()
    with closing(reader.client):
        pages = list(reader.pages(STREAMS["members"], Ask(None, fake.now)))
    assert len(pages) == 6
    assert {page.resume["offset"] for page in pages} == {0}


def do_at(fake: MailchimpFake, call: int, deed: Any) -> None:
    """Do something while pages are read, before the nth call for members is answered."""
    calls: list[str] = []

    def before(path: str) -> None:
        calls.extend([path] if "/members" in path else [])
        if calls and len(calls) == call:
            fake.before_call = lambda path: None
            deed()

    fake.before_call = before


@pytest.mark.parametrize("many", [1, 10, 25])
@pytest.mark.parametrize("deed", ["remove", "change", "archive"])
@pytest.mark.parametrize("find_deleted", [True, False])
def test_nobody_is_hidden_by_others_who_leave_their_places(
    account, fake, monkeypatch, many, deed, find_deleted
):
    account.settings["find_deleted"] = find_deleted
    monkeypatch.setattr(parts, "PART_RECORDS", 10)
    account.raw.mkdir()
    ids = fake.add(70)
    fake.now += timedelta(minutes=1)
    leaving = ids[:many]
    deeds = {
        "remove": lambda: fake.remove(leaving),
        "change": lambda: fake.change(leaving, FNAME="new"),
        "archive": lambda: fake.change(leaving, status="archived"),
    }
    do_at(fake, 4, deeds[deed])
    account.extract()
    assert account.ids() >= set(ids[many:])
    account.pass_a_day()
    account.extract()
    stay = deed != "remove" or not find_deleted
    assert account.ids() == set(ids if stay else ids[many:])


def test_one_who_leaves_costs_a_page_and_not_the_list_again(account, fake):
    ids = fake.add(70)
    do_at(fake, 6, lambda: fake.remove(ids[:3]))
    account.extract()
    assert account.ids() == set(ids)
    assert sum("/members" in path for path in fake.calls) <= 10


def test_who_changes_while_all_are_read_is_not_taken_for_missing(account, fake):
    account.settings["find_deleted"] = True
    ids = fake.add(40)
    account.extract()
    account.pass_a_day()

    def change_unread() -> None:
        fake.now += timedelta(minutes=5)
        fake.change(ids[-3:], FNAME="new")

    do_at(fake, 2, change_unread)
    assert account.extract() == 3
    assert account.ids() == set(ids)


def test_a_list_that_never_keeps_still_is_told_and_what_came_is_kept(account, fake):
    ids = iter(fake.add(400))

    def before(path: str) -> None:  # all who were on the page before are gone
        if "/members" in path:
            fake.remove([next(ids) for _ in range(12)])

    fake.before_call = before
    with pytest.raises(SourceDownError, match="did not keep their places"):
        account.extract()
    assert account.ids()


def test_members_who_are_gone_for_good_are_found_missing_if_all_are_read(account, fake):
    account.settings["find_deleted"] = True
    ids = fake.add(25)
    account.extract()
    account.pass_a_day()
    fake.remove(ids[:2])
    assert account.extract() == 2
    assert account.ids() == set(ids[2:])
    account.pass_a_day()
    fake.restore(ids[:1])
    assert account.extract() == 1
    assert account.ids() == {ids[0], *ids[2:]}


def test_a_pass_that_read_changes_only_is_not_ended_as_one_that_finds_the_missing(
    account, fake, monkeypatch
):
    monkeypatch.setattr(parts, "PART_RECORDS", 10)
    account.raw.mkdir()
    old = fake.add(15)
    account.extract()
    account.pass_a_day()
    fake.now += timedelta(days=4)
    new = fake.add(35)
    fake.faults = [Fault(path="/members", nth=3, times=None)]
    with pytest.raises(SourceDownError):
        account.extract()
    fake.faults.clear()
    account.settings["find_deleted"] = True
    account.extract()
    assert account.ids() == {*old, *new}


# -- reading reports ---------------------------------------------------------------------------


@pytest.fixture
def newsletter(account, fake) -> tuple[str, list[str]]:
    """A campaign that thirty members were sent, and their keys."""
    fake.add(30)
    campaign = fake.send("六月")
    return campaign, list(fake.reports[campaign])


def test_each_recipient_is_read_once(account, newsletter):
    assert account.extract("sent") == 30
    account.pass_a_day()
    assert account.extract("sent") == 0


def test_an_event_is_stored_once_however_often_it_is_read(account, fake, newsletter, land_parts):
    campaign, people = newsletter
    for person in people[:12]:
        fake.act(campaign, person, "open")
        fake.act(campaign, person, "open")  # twice within a second
        fake.act(campaign, person, "click", url="https://shop.example.com/a")
        fake.act(campaign, person, "click", url="https://shop.example.com/b")
    assert account.extract("activity") == 48
    account.pass_a_day()
    fake.act(campaign, people[0], "open")
    fake.act(campaign, people[20], "bounce", type="hard")
    assert account.extract("activity") == 2
    for _ in range(3):
        account.pass_a_day()
        assert account.extract("activity") == 0
    rows = land_parts(account.raw)
    assert rows.bad.is_empty()
    assert rows["campaign_events"]["source_record_id"].n_unique() == 50
    counts = dict(rows["campaign_events"]["event_type"].value_counts().rows())
    assert counts == {"open": 25, "click": 24, "bounce_hard": 1}


def test_events_that_come_again_though_they_are_old_are_not_stored_again(account, fake, newsletter):
    campaign, people = newsletter
    fake.since_cuts = False
    fake.act(campaign, people[0], "open")
    account.extract("activity")
    for _ in range(5):
        account.pass_a_day()
        fake.act(campaign, people[0], "open")
        assert account.extract("activity") == 1


def test_who_left_by_a_campaign_is_read_from_its_report(account, fake, newsletter):
    campaign, people = newsletter
    fake.unsubscribe(campaign, people[3])
    assert account.extract("unsubscribed") == 1
    account.pass_a_day()
    fake.unsubscribe(campaign, people[4])
    assert account.extract("unsubscribed") == 1


def test_reports_of_old_campaigns_are_read_once_and_no_more(account, fake):
    account.settings["report_days"] = 10
    fake.add(2)
    old = fake.send("old", at=fake.now - timedelta(days=300))
    recent = fake.send("recent", at=fake.now - timedelta(days=5))
    for campaign in (old, recent):
        fake.act(campaign, next(iter(fake.reports[campaign])), "open")
    account.extract("activity")
    assert account.reports_read() == {old, recent}
    fake.calls.clear()
    account.pass_a_day()
    account.extract("activity")
    assert account.reports_read() == {recent}


def test_reports_of_campaigns_before_the_configured_day_are_never_read(account, fake):
    account.settings["campaigns_from"] = "2026-06-01"
    fake.add(2)
    fake.send("old", at=datetime(2026, 5, 31, 12, tzinfo=UTC))
    recent = fake.send("recent", at=datetime(2026, 6, 1, 0, tzinfo=UTC))
    account.extract("sent")
    assert account.reports_read() == {recent}


def test_only_campaigns_to_the_configured_lists_are_read(account, fake):
    account.settings["lists"] = [LIST_ID]
    fake.add(2)
    fake.add(2, "another1")
    mine, _ = fake.send("mine"), fake.send("theirs", "another1")
    account.extract("sent")
    assert account.reports_read() == {mine}


def test_reading_goes_on_within_the_campaign_where_it_broke_off(
    account, fake, newsletter, monkeypatch
):
    monkeypatch.setattr(parts, "PART_RECORDS", 10)
    first, second = newsletter[0], fake.send("七月")
    fake.faults = [Fault(path=second, nth=2, times=None)]
    with pytest.raises(SourceDownError):
        account.extract("sent")
    fake.faults.clear()
    fake.calls.clear()
    account.extract("sent")
    assert account.reports_read() == {second}
    records = pl.concat([pl.read_parquet(part.path) for part in find_parts(account.raw)])
    assert records["id"].n_unique() == records.height == 60
    assert set(records["id"].str.split("-").list.first()) == {first, second}


def test_a_campaign_that_was_deleted_meanwhile_is_no_obstacle(
    account, fake, newsletter, monkeypatch
):
    monkeypatch.setattr(parts, "PART_RECORDS", 10)
    first, second = newsletter[0], fake.send("七月")
    fake.faults = [Fault(path=first, nth=2, times=None)]
    with pytest.raises(SourceDownError):
        account.extract("sent")
    fake.faults.clear()
    del fake.campaigns[first]
    assert account.extract("sent") == 30
    assert second in account.reports_read()


# -- the key, and answers that are no data -----------------------------------------------------

CONFIG = {"name": "mail", "type": "mailchimp"}


def connector(key: str = "0123-us21", **settings: Any) -> Connector:
    source = MailchimpSource.model_validate(CONFIG | settings)
    return Connector(source, MailchimpSecrets(api_key=key), lambda entry: None, lambda wait: None)


def test_the_host_is_named_by_the_key_unless_it_is_configured():
    assert connector().api == "https://us21.api.mailchimp.com/3.0"
    assert connector(api_url="http://127.0.0.1:9/").api == "http://127.0.0.1:9/3.0"


@pytest.mark.parametrize("key", ["0123", "0123-", "0123-evil.example.com/", "-us1", "0123-us1-us2"])
def test_a_key_that_names_no_data_centre_is_refused_without_showing_it(key):
    with pytest.raises(ValidationError) as refused:
        MailchimpSecrets(api_key=key)
    assert "0123" not in str(refused.value)


def problem(title: str) -> bytes:
    detail = "wang.fang@example.com is in a compliance state"
    return json.dumps({"type": "about:blank", "title": title, "detail": detail}).encode()


@pytest.mark.parametrize(
    ("status", "headers", "body", "verdict", "told", "wait"),
    [
        (200, {}, b'{"members":[]}', Verdict.ok, "", None),
        (401, {}, problem("API Key Invalid"), Verdict.reauth, "API Key Invalid", None),
        (401, {}, b"", Verdict.reauth, "HTTP 401", None),
        (403, {}, problem("Forbidden"), Verdict.fatal, "Forbidden", None),
        (403, {}, b"", Verdict.retry, "HTTP 403 at the edge", None),
        (403, {"Retry-After": "5"}, b"<html>Denied", Verdict.retry, "HTTP 403 at the edge", 5),
        (404, {}, problem("Resource Not Found"), Verdict.fatal, "Resource Not Found", None),
        (400, {}, problem("Invalid Resource"), Verdict.fatal, "Invalid Resource", None),
        (429, {}, problem("Too Many Requests"), Verdict.retry, "Too Many Requests", None),
        (429, {"Retry-After": "9"}, b"", Verdict.retry, "HTTP 429", 9),
        (500, {}, problem("Internal Server Error"), Verdict.retry, "Internal Server Error", None),
        (503, {}, b"<html>Request Blocked.", Verdict.retry, "HTTP 503", None),
    ],
)
def test_answers_mean(status, headers, body, verdict, told, wait):
    response = httpx.Response(status, headers=headers, content=body)
    answer = connector().classify(response)
    assert (answer.verdict, answer.told, answer.wait_seconds) == (verdict, told, wait)
    assert "wang" not in answer.told


def test_a_revoked_key_is_told_at_once(account, fake):
    fake.refuses_login = True
    with pytest.raises(AccessRefusedError, match="API Key Invalid"):
        account.extract()
    assert account.sleeps == []


def test_throttling_at_the_edge_is_waited_out_and_a_missing_right_is_not(account, fake):
    fake.add(3)
    fake.faults = [Fault(403, path="/members", times=2)]
    assert account.extract() == 3
    assert len(account.sleeps) == 2
    fake.faults = [Fault(403, problem("Forbidden"), path="/members")]
    with pytest.raises(CallRefusedError, match="Forbidden") as refused:
        account.extract()
    assert "wang" not in str(refused.value)
    assert len(account.sleeps) == 2


def test_the_log_of_calls_holds_no_key_and_nobody(account, fake, newsletter):
    for stream in STREAMS:
        account.extract(stream)
    told = json.dumps(account.log)
    assert account.log
    assert not any(word in told for word in ("example.com", newsletter[1][0], "us6", "Basic"))


def test_only_configured_streams_are_read():
    assert [s.name for s in connector(streams=["sent", "members"]).streams()] == ["members", "sent"]
    assert {s.name for s in connector().streams()} == set(STREAMS)
    assert not any(stream.scan for stream in connector().streams())


def test_an_empty_account_is_no_fault(account):
    for stream in STREAMS:
        assert account.extract(stream) == 0


def test_a_place_that_is_no_more_is_told(account, fake):
    reader = account.connector()
    with closing(reader.client), pytest.raises(CannotResumeError):
        next(reader.pages(STREAMS["members"], Ask(None, fake.now, {"leg": "gone/current"})))
