import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import httpx
import polars as pl
import pytest
from factories import AS_OF
from pydantic import ValidationError

from pipelines.errors import SourceDownError
from pipelines.extract.apis import hubspot
from pipelines.extract.client import Answer, CallRefusedError, Verdict
from pipelines.extract.connector import Page, Record
from pipelines.extract.parts import extract_stream, find_parts
from pipelines.extract.systems import SYSTEMS
from pipelines.fakes import hubspot as fakes
from pipelines.fakes.fake import Fault
from pipelines.fakes.hubspot import CREDENTIALS, HubspotFake
from pipelines.fakes.serving import serving
from pipelines.landing import FileFacts, land_rows
from pipelines.raw_parts import read_part
from pipelines.rules.source_types.hubspot import HubspotSecrets, HubspotSource

NOON = datetime(2026, 6, 30, 12, tzinfo=UTC)
MODIFIED = "2026-06-30T08:00:00.125Z"
SECRETS = HubspotSecrets.model_validate(CREDENTIALS)


def source(**entry: Any) -> HubspotSource:
    return HubspotSource(**{"name": "crm", "type": "hubspot", "seconds_between_calls": 0, **entry})


class Account:
    """A HubSpot account, read into `raw` and landed."""

    def __init__(self, fake: HubspotFake, url: str, raw, catalogue) -> None:
        self.fake, self.url, self.raw, self.catalogue = fake, url, raw, catalogue
        self.own: dict[str, dict[str, str]] = {}
        self.log: list[dict[str, Any]] = []
        self.asked: list[dict[str, Any]] = []
        self.night = 0

    def extract(self, stream: str = "contacts", connector: Any = None) -> int:
        """Read a stream; how many records are new."""
        connector = connector or self.connector()
        as_of = AS_OF + timedelta(days=self.night)
        known = hubspot.STREAMS[stream]
        try:
            result = extract_stream(
                connector, known, self.raw, as_of, self.fake.now, lambda told: None
            )
        finally:
            connector.client.close()
        return result.records

    def next(self, **time: float) -> None:
        """Another night; so much later at HubSpot."""
        self.night += 1
        self.fake.now += timedelta(**time or {"hours": 24})

    def connector(self) -> hubspot.Connector:
        made = hubspot.Connector(
            source(api_url=self.url, fields=self.own), SECRETS, self.log.append, lambda wait: None
        )
        ask = made.client.ask

        def listen(call, page):
            self.asked.append({"url": call.url, **call.params, **(call.json or {})})
            return ask(call, page)

        made.client.ask = listen
        return made

    def land(self, stream: str = "contacts", table: str = "") -> list[dict[str, Any]]:
        """The landed rows of a table, oldest first; none may be quarantined."""
        table = table or hubspot.STREAMS[stream].tables[0]
        found = []
        for part in find_parts(self.raw, stream):
            for name, frame, _ in read_part(part, "crm", self.own):
                landed = land_rows(
                    frame, self.catalogue["landing", name], FileFacts("crm", part.path.name, AS_OF)
                )
                assert landed.quarantined.is_empty(), landed.quarantined
                assert landed.unknown_columns == ()
                found += [landed.rows] if name == table else []
        return pl.concat(found).rows(named=True) if found else []

    def current(self, stream: str = "contacts") -> dict[str, dict[str, Any]]:
        """The newest version by id, without the deleted ones, as staging takes it."""
        rows = sorted(
            self.land(stream), key=lambda row: (row["source_updated_at"], row["op"] == "delete")
        )
        newest = {row["source_record_id"]: row for row in rows}
        return {id: row for id, row in newest.items() if row["op"] != "delete"}


@pytest.fixture
def account(tmp_path, catalogue, monkeypatch):
    monkeypatch.setitem(SYSTEMS, "hubspot", hubspot)
    fake = HubspotFake()
    with serving(fake) as url:
        yield Account(fake, url, tmp_path, catalogue)


@pytest.fixture
def land(tmp_path, catalogue, monkeypatch):
    """The landed rows of one record as received."""
    monkeypatch.setitem(SYSTEMS, "hubspot", hubspot)

    def land_record(stream: str, properties: dict[str, Any], own=None, **more: Any):
        body = {
            "id": "151000000001",
            "properties": {"hs_object_id": "151000000001", **properties},
            "createdAt": "2026-01-05T09:30:00.000Z",
            "updatedAt": MODIFIED,
            "archived": False,
            "url": "https://app.hubspot.com/contacts/1/record/0-1/151000000001",
            **more,
        }
        record = Record(body["id"], json.dumps(body).encode(), datetime.fromisoformat(MODIFIED))
        once = SimpleNamespace(
            system="hubspot",
            overlap=timedelta(0),
            pages=lambda stream, ask: iter([Page([record])]),
            client=SimpleNamespace(close=lambda: None),
            source=source(),
        )
        night = Account(HubspotFake(), "", tmp_path, catalogue)
        night.own = {stream: own or {}}
        night.extract(stream, once)
        return night.land(stream)

    return land_record


def subset(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: row[name] for name in names}


# -- what a record becomes ---------------------------------------------------------------------


def test_a_contact_lands_with_all_that_the_contract_has_room_for(land):
    [row] = land(
        "contacts",
        {
            "firstname": "Zoë",
            "lastname": "O’Neil",
            "email": "zoe@example.com",
            "hs_additional_emails": "z@example.com;zz@example.com",
            "mobilephone": "+44 7700 900123",
            "jobtitle": "Buyer",
            "country": "United Kingdom",
            "date_of_birth": "1980-02-29",
            "associatedcompanyid": "442222359747",
            "hubspot_owner_id": "96879917",
            "hs_email_optout": "true",
            "lifecyclestage": "customer",
            "notes_last_updated": "2026-06-29T10:00:00Z",
            "createdate": "2026-01-05T09:30:00.000Z",
            "lastmodifieddate": MODIFIED,
            "hs_merged_object_ids": None,
            "phone": "",
        },
    )
    expected = {
        "source_record_id": "151000000001",
        "kind": "person",
        "full_name": "Zoë O’Neil",
        "first_name": "Zoë",
        "last_name": "O’Neil",
        "email": "zoe@example.com",
        "email_secondary": "z@example.com",
        "phone": None,
        "mobile": "+44 7700 900123",
        "country_code": "GB",
        "birth_date": date(1980, 2, 29),
        "account_source_id": "442222359747",
        "owner_id": "96879917",
        "email_opt_out": True,
        "lifecycle_stage": "customer",
        "last_activity_at": datetime(2026, 6, 29, 10),  # noqa: DTZ001 - landed times are UTC
        "source_created_at": datetime(2026, 1, 5, 9, 30),  # noqa: DTZ001
        "source_updated_at": datetime(2026, 6, 30, 8, 0, 0, 125_000),  # noqa: DTZ001
        "merged_into_id": None,
        "extra": None,
    }
    assert subset(row, *expected) == expected


@pytest.mark.parametrize(
    ("first", "last", "full"),
    [("芳", "王", "王芳"), ("Ann", "Lee", "Ann Lee"), (None, "王芳", "王芳"), (None, None, None)],
)
def test_a_full_name_is_written_as_its_language_does(land, first, last, full):
    [row] = land("contacts", {"firstname": first, "lastname": last})
    assert row["full_name"] == full


@pytest.mark.parametrize("born", ["3rd of May '82", "1982-13-45", "0001-01-01", "05/03/1982"])
def test_a_birthday_in_free_text_does_not_cost_the_contact(land, born):
    [row] = land("contacts", {"lastname": "Lee", "date_of_birth": born})
    assert row["birth_date"] is None
    assert json.loads(row["extra"]) == {"birth_date": born}


def test_own_properties_go_before_ours_and_unknown_ones_are_kept(land):
    properties = {"lastname": "Lee", "vip_level": "gold", "birthday": "1980-02-29", "shoe_size": 9}
    own = {"source_tier": "vip_level", "birth_date": "birthday"}
    [row] = land("contacts", properties, own)
    assert subset(row, "source_tier", "birth_date") == {
        "source_tier": "gold",
        "birth_date": date(1980, 2, 29),
    }
    assert json.loads(row["extra"]) == {"shoe_size": 9}


def test_merged_contacts_are_tied_to_the_one_that_stays(land):
    merged = "151000000007;151000000009"
    rows = land("contacts", {"lastname": "Lee", "hs_merged_object_ids": merged})
    assert [(row["source_record_id"], row["merged_into_id"]) for row in rows] == [
        ("151000000001", None),
        ("151000000007", "151000000001"),
        ("151000000009", "151000000001"),
    ]


@pytest.mark.parametrize("stream", ["companies", "deals", "tickets"])
def test_of_other_merged_records_only_the_one_that_stays_is_left(land, stream):
    needed = {
        "name": "Acme",
        "dealstage": "won",
        "hs_pipeline_stage": "1",
        "createdate": "2026-01-05T09:30:00Z",
    }
    rows = land(stream, {**needed, "hs_merged_object_ids": "7;151000000001"})
    assert [(row["source_record_id"], row["op"]) for row in rows] == [
        ("151000000001", "upsert"),
        ("7", "delete"),
    ]


def test_a_company_lands_and_is_called_by_its_domain_if_it_has_no_name(land):
    [row] = land(
        "companies",
        {
            "name": None,
            "domain": "acme.example",
            "numberofemployees": "N/A",
            "annualrevenue": "1200000.50",
            "country": "中国",
            "hs_parent_company_id": "9",
        },
    )
    expected = {
        "name": "acme.example",
        "domain": "acme.example",
        "employees": None,
        "annual_revenue": Decimal("1200000.5000"),
        "country_code": "CN",
        "parent_account_source_id": "9",
    }
    assert subset(row, *expected) == expected


def test_a_deal_lands_with_its_primary_company_from_a_list_or_a_batch_read(land):
    properties = {
        "dealname": "Renewal",
        "amount": "N/A",
        "deal_currency_code": "EUR",
        "dealstage": "closedwon",
        "hs_deal_stage_probability": "1",
        "closedate": "2026-06-01T10:00:00Z",
        "hs_is_closed": "true",
        "hs_is_closed_won": "true",
    }
    listed = {
        "contacts": {"results": [{"id": "5", "type": "deal_to_contact"}]},
        "companies": {
            "results": [
                {"id": "6", "type": "deal_to_company_unlabeled"},
                {"id": "7", "type": "deal_to_company"},
            ]
        },
    }
    types = [{"category": "HUBSPOT_DEFINED", "typeId": 341, "label": None}]
    primary = {"category": "HUBSPOT_DEFINED", "typeId": 5, "label": "Primary"}
    read = {
        "contacts": {"from": {"id": "1"}, "to": [{"toObjectId": 5, "associationTypes": types}]},
        "companies": {
            "from": {"id": "1"},
            "to": [
                {"toObjectId": 6, "associationTypes": types},
                {"toObjectId": 7, "associationTypes": [*types, primary]},
            ],
        },
    }
    [first] = land("deals", properties, associations=listed)
    [_, second] = land("deals", properties, associations=read)
    expected = {
        "deal_name": "Renewal",
        "amount": None,
        "currency": "EUR",
        "stage": "closedwon",
        "probability": 1.0,
        "expected_close": date(2026, 6, 1),
        "closed_at": datetime(2026, 6, 1, 10),  # noqa: DTZ001
        "is_won": True,
        "contact_source_id": "5",
        "account_source_id": "7",
    }
    assert subset(first, *expected) == subset(second, *expected) == expected


def test_an_open_deal_is_not_closed_whatever_its_closing_date(land):
    [row] = land("deals", {"dealstage": "x", "closedate": "2026-09-01", "hs_is_closed": "false"})
    assert subset(row, "closed_at", "expected_close") == {
        "closed_at": None,
        "expected_close": date(2026, 9, 1),
    }


@pytest.mark.parametrize(
    ("category", "kind"),
    [
        ("PRODUCT_ISSUE", "complaint"),
        ("GENERAL_INQUIRY;BILLING_ISSUE", "question"),
        ("FEATURE_REQUEST", "request"),
        ("Warranty", "other"),
        (None, "other"),
    ],
)
def test_a_ticket_lands_as_a_case(land, category, kind):
    [row] = land(
        "tickets",
        {
            "subject": "漏水",
            "content": "第一行\n第二行",
            "hs_pipeline_stage": "4",
            "hs_ticket_category": category,
            "source_type": "EMAIL",
            "createdate": "1782806400000",
            "closed_date": MODIFIED,
        },
        associations={"contacts": {"results": [{"id": "5", "type": "ticket_to_contact"}]}},
    )
    expected = {
        "case_type": kind,
        "category": category,
        "status": "4",
        "body": "第一行\n第二行",
        "opened_at": datetime(2026, 6, 30, 8),  # noqa: DTZ001
        "contact_source_id": "5",
    }
    assert subset(row, *expected) == expected


@pytest.mark.parametrize(
    ("stream", "properties", "expected"),
    [
        (
            "calls",
            {
                "hs_call_title": "Intro",
                "hs_call_direction": "INBOUND",
                "hs_call_status": "COMPLETED",
                "hs_call_duration": "61999",
                "hs_timestamp": MODIFIED,
            },
            {
                "activity_type": "call",
                "subject": "Intro",
                "direction": "inbound",
                "duration_s": 61,
                "is_completed": True,
            },
        ),
        (
            "emails",
            {"hs_email_direction": "EMAIL", "hs_email_status": "BOUNCED", "hs_email_subject": "Hi"},
            {"activity_type": "email", "direction": "outbound", "is_completed": False},
        ),
        (
            "meetings",
            {"hs_meeting_outcome": "NO_SHOW", "hs_meeting_start_time": MODIFIED},
            {"activity_type": "meeting", "outcome": "NO_SHOW", "is_completed": False},
        ),
        ("notes", {"hs_timestamp": MODIFIED}, {"activity_type": "note", "is_completed": None}),
        (
            "tasks",
            {"hs_task_status": "COMPLETED", "hs_timestamp": MODIFIED},
            {"activity_type": "task", "is_completed": True, "started_at": None},
        ),
        ("communications", {"hs_communication_channel_type": "SMS"}, {"activity_type": "sms"}),
        (
            "communications",
            {"hs_communication_channel_type": "WHATS_APP"},
            {"activity_type": "followup"},
        ),
    ],
)
def test_activities_land_as_what_they_are_and_about_whom(land, stream, properties, expected):
    about = {kind: {"results": [{"id": kind, "type": None}]} for kind in hubspot.LINKS}
    [row] = land(stream, properties, associations=about)
    assert subset(row, *expected) == expected
    assert subset(row, *hubspot.LINKS.values()) == {v: k for k, v in hubspot.LINKS.items()}


def test_every_stream_has_landing_tables_that_its_rows_fit(catalogue):
    for name, mapping in hubspot.MAPPINGS.items():
        columns = set(catalogue["landing", mapping.tables[0]].schema)
        assert {*mapping.fields, *mapping.constants} <= columns, name


# -- consent -----------------------------------------------------------------------------------

SPRING, SUMMER = "2026-03-01T00:00:00Z", "2026-06-01T00:00:00Z"
OWN = {"marketing": "11, 12", "survey": "13"}


def consents(land, *statuses: tuple[int, str, str | None], own=OWN):
    told = [
        {"subscriptionId": id, "status": status, "timestamp": when, "legalBasis": None}
        for id, status, when in statuses
    ]
    subscriptions = {"subscriberIdString": "Ann@example.com", "statuses": told}
    rows = land("subscriptions", {"email": "Ann@example.com"}, own, subscriptions=subscriptions)
    return {row["purpose"]: (row["status"], row["effective_at"].date()) for row in rows}


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ([(11, "SUBSCRIBED", SPRING)], ("granted", date(2026, 3, 1))),
        ([(11, "UNSUBSCRIBED", SPRING)], ("withdrawn", date(2026, 3, 1))),
        ([(11, "NOT_SPECIFIED", SPRING)], ("unknown", date(2026, 3, 1))),
        ([(11, "NOT_SPECIFIED", None)], ("unknown", date(1970, 1, 1))),
        ([(11, "Something new", SPRING)], ("unknown", date(2026, 3, 1))),
        (
            [(11, "SUBSCRIBED", SUMMER), (12, "UNSUBSCRIBED", SPRING)],
            ("withdrawn", date(2026, 3, 1)),
        ),
        (
            [(11, "SUBSCRIBED", SPRING), (12, "SUBSCRIBED", SUMMER)],
            ("granted", date(2026, 6, 1)),
        ),
        (
            [(11, "SUBSCRIBED", SPRING), (12, "NOT_SPECIFIED", SUMMER)],
            ("granted", date(2026, 3, 1)),
        ),
    ],
)
def test_only_who_subscribed_and_refused_nothing_has_granted_a_purpose(land, statuses, expected):
    assert consents(land, *statuses) == {"marketing": expected}


def test_a_subscription_type_without_a_purpose_grants_nothing(land):
    assert consents(land, (99, "SUBSCRIBED", SPRING)) == {}
    assert consents(land, (11, "SUBSCRIBED", SPRING), own={}) == {}


def test_a_statement_is_about_the_address_and_names_the_contact(land):
    told = {
        "subscriptionId": 11,
        "status": "SUBSCRIBED",
        "timestamp": SPRING,
        "source": "Form",
        "legalBasis": "CONSENT_WITH_NOTICE",
    }
    subscriptions = {"subscriberIdString": "ann@example.com", "statuses": [told]}
    properties = {"email": "ann@example.com"}
    [row] = land("subscriptions", properties, OWN, subscriptions=subscriptions)
    assert "ann" not in row["source_record_id"]
    expected = {
        "subject_key_type": "email",
        "subject_key": "ann@example.com",
        "contact_source_id": "151000000001",
        "channel": "email",
        "legal_basis": "consent",
        "captured_via": "Form",
        "source_updated_at": datetime(2026, 6, 30, 8, 0, 0, 125_000),  # noqa: DTZ001
    }
    assert subset(row, *expected) == expected


def test_statuses_are_read_of_new_and_changed_contacts(account):
    account.own = {"subscriptions": {"marketing": "11"}}
    ids = account.fake.add(150)
    for number, id in enumerate(ids):
        account.fake.change([id], email=f"P{number}@example.com" if number else None)
    account.fake.subscribe(ids[1], 11)
    account.extract("subscriptions")
    account.next()
    account.fake.subscribe(ids[1], 11, "UNSUBSCRIBED")
    account.fake.subscribe(ids[2], 11)
    assert account.extract("subscriptions") == 2
    rows = account.land("subscriptions")
    assert [(row["contact_source_id"], row["status"]) for row in rows] == [
        (ids[1], "granted"),
        (ids[1], "withdrawn"),
        (ids[2], "granted"),
    ]
    assert {row["source_record_id"] for row in rows[:2]} == {rows[0]["source_record_id"]}
    assert "example.com" not in json.dumps(account.log)


def test_an_address_that_hubspot_refuses_costs_only_itself(account):
    account.own = {"subscriptions": {"marketing": "11"}}
    good, bad = account.fake.add(2, email="ann@example.com")
    account.fake.change([bad], email="no address")
    account.fake.subscribe(good, 11)
    account.extract("subscriptions")
    assert [row["contact_source_id"] for row in account.land("subscriptions")] == [good]


def test_without_marketing_hub_enterprise_it_says_which_permission_is_missing(account):
    account.own = {"subscriptions": {"marketing": "11"}}
    account.fake.add(1, email="ann@example.com")
    account.fake.is_enterprise = False
    with pytest.raises(CallRefusedError, match="MISSING_SCOPES"):
        account.extract("subscriptions")


def test_subscriptions_are_read_only_if_they_have_a_purpose():
    def streams(**entry: Any) -> list[str]:
        connector = hubspot.Connector(source(**entry), SECRETS, list, lambda wait: None)
        return [stream.name for stream in connector.streams()]

    own = {"subscriptions": {"marketing": "11"}}
    assert streams() == [name for name in hubspot.STREAMS if name != "subscriptions"]
    assert streams(fields=own) == list(hubspot.STREAMS)
    assert streams(streams=["deals", "contacts"], fields=own) == ["contacts", "deals"]
    with pytest.raises(ValidationError, match="purposes of the subscription types"):
        source(streams=["subscriptions"])


# -- how it is asked ---------------------------------------------------------------------------


def test_changes_are_found_beyond_the_window_of_a_search_all_at_one_instant(account, monkeypatch):
    monkeypatch.setattr(fakes, "SEARCH_WINDOW", 1_000)
    ids = account.fake.add(1_450, lastname="Lee")
    account.extract()
    account.next()
    account.fake.change(ids, lastname="Li")
    assert account.extract() == len(ids)
    assert sum(path.endswith("/search") for path in account.fake.calls) == 8
    assert {row["last_name"] for row in account.current().values()} == {"Li"}


def test_what_changes_or_is_archived_while_a_search_is_read_hides_no_other(account):
    ids = account.fake.add(700, lastname="Lee")
    account.extract()
    account.next()
    account.fake.change(ids, lastname="Li")
    searches = []

    def disturb(path: str) -> None:
        if path.endswith("/search"):
            searches.append(path)
            account.fake.now += timedelta(minutes=1)
            if len(searches) == 2:
                account.fake.change(ids[:50], lastname="Lin")
                account.fake.remove(ids[50:60])

    account.fake.before_call = disturb
    account.extract()
    account.next()
    account.extract()
    names = {id: row["last_name"] for id, row in account.current().items()}
    assert names == dict.fromkeys(ids[:50], "Lin") | dict.fromkeys(ids[60:], "Li")


def test_a_change_that_the_index_shows_late_is_found_the_next_night(account):
    late, early = account.fake.add(2, lastname="Lee")
    account.extract()
    account.next()
    account.fake.change([late], lastname="late")
    account.fake.now += timedelta(minutes=9)
    account.fake.change([early], lastname="early")
    account.fake.unindexed = {late}
    assert account.extract() == 1
    account.fake.unindexed.clear()
    account.next()
    assert account.extract() == 1
    assert account.current()[late]["last_name"] == "late"


def test_associations_are_the_same_from_the_list_and_after_a_change(account):
    [company, other] = account.fake.add(2, "companies", name="Acme")
    [contact] = account.fake.add(1, lastname="Lee")
    [tied, alone] = account.fake.add(2, "calls", hs_call_title="Intro")
    account.fake.tie("calls", tied, "contacts", [contact])
    account.fake.tie("calls", tied, "companies", [other, company], primary=company)
    account.extract("calls")
    account.next()
    account.fake.change([tied, alone], "calls", hs_call_title="Follow-up")
    assert account.extract("calls") == 2
    rows = account.land("calls")
    assert [(row["contact_source_id"], row["account_source_id"]) for row in rows] == [
        (contact, company),
        (None, None),
    ] * 2
    assert sum("/associations/" in path for path in account.fake.calls) == 4


def test_an_association_that_cannot_be_told_right_now_is_asked_for_again(account):
    [ticket] = account.fake.add(1, "tickets", hs_pipeline_stage="1")
    account.extract("tickets")
    account.next()
    account.fake.tie("tickets", ticket, "contacts", ["5"])
    account.fake.change([ticket], "tickets", subject="x")
    failed = {"status": "COMPLETE", "results": [], "errors": [{"category": "INTERNAL_ERROR"}]}
    account.fake.faults = [Fault(207, json.dumps(failed).encode(), path="/contacts/batch/read")]
    account.extract("tickets")
    assert account.land("tickets")[-1]["contact_source_id"] == "5"


def test_a_merge_is_told_by_the_one_that_stays(account):
    winner, loser, other = account.fake.add(3, lastname="Lee")
    account.extract()
    account.next()
    account.fake.merge(winner, loser)
    account.extract()
    current = account.current()
    assert {id: row["merged_into_id"] for id, row in current.items()} == {
        winner: None,
        loser: winner,
        other: None,
    }


def test_the_archived_list_is_asked_for_no_more_than_ids(account):
    ids = account.fake.add(3, lastname="Lee", email="lee@example.com")
    account.fake.remove(ids[:1])
    account.extract()
    account.next()
    account.fake.remove(ids[1:2])
    assert account.extract() == 1
    archived = [asked for asked in account.asked if asked.get("archived") == "true"]
    assert {asked["properties"] for asked in archived} == {"hs_object_id"}
    assert [row["source_record_id"] for row in account.land() if row["op"] == "delete"] == ids[:2]


def test_nobody_asks_for_what_was_written(account):
    for stream in ("contacts", "calls", "emails", "meetings", "notes", "tasks", "communications"):
        account.extract(stream)
    asked = ",".join(str(call.get("properties")) for call in account.asked)
    for words in ("_body", "_html", "_text", "hs_email_headers"):
        assert words not in asked


def test_own_properties_are_asked_for(account):
    account.own = {"contacts": {"source_tier": "vip_level"}}
    account.fake.add(1, lastname="Lee", vip_level="gold")
    account.extract()
    account.next()
    account.fake.change(account.current(), vip_level="diamond")
    account.extract()
    assert [row["source_tier"] for row in account.land()] == ["gold", "diamond"]


def test_a_search_that_breaks_off_is_gone_on_with_where_it_stopped(account):
    ids = account.fake.add(900, lastname="Lee")
    account.extract()
    account.next()
    account.fake.change(ids, lastname="Li")
    account.fake.faults = [Fault(500, path="/search", nth=3, times=None)]
    with pytest.raises(SourceDownError):
        account.extract()
    account.fake.faults.clear()
    account.fake.calls.clear()
    account.extract()
    assert sum(path.endswith("/search") for path in account.fake.calls) == 3
    assert {row["last_name"] for row in account.current().values()} == {"Li"}


# -- what its answers mean ---------------------------------------------------------------------

DAILY = {"policyName": "DAILY", "message": "You have reached your daily limit."}
ROLLING = {"policyName": "TEN_SECONDLY_ROLLING"}
INTERVAL = {"X-HubSpot-RateLimit-Interval-Milliseconds": "10000"}
NONE_FOUND = {"errors": [{"category": "OBJECT_NOT_FOUND"}], "results": []}


@pytest.mark.parametrize(
    ("status", "headers", "body", "answer"),
    [
        (200, {}, {"results": []}, Answer(Verdict.ok)),
        (204, {}, None, Answer(Verdict.empty, "HTTP 204")),
        (207, {}, NONE_FOUND, Answer(Verdict.ok)),
        (207, {}, {"errors": [{"category": "TIMEOUT"}]}, Answer(Verdict.retry, "TIMEOUT")),
        (400, {}, {"category": "VALIDATION_ERROR"}, Answer(Verdict.fatal, "VALIDATION_ERROR")),
        (401, {}, {"category": "EXPIRED_AUTHENTICATION"},
         Answer(Verdict.reauth, "EXPIRED_AUTHENTICATION")),
        (403, {}, {"category": "MISSING_SCOPES"}, Answer(Verdict.fatal, "MISSING_SCOPES")),
        (403, {}, None, Answer(Verdict.fatal, "HTTP 403")),
        (414, {}, None, Answer(Verdict.fatal, "HTTP 414")),
        (423, {}, {"category": "LOCKED"}, Answer(Verdict.retry, "LOCKED", 2.0)),
        (429, INTERVAL, DAILY, Answer(Verdict.quota, "DAILY")),
        (429, {"X-HubSpot-RateLimit-Daily-Remaining": "0"}, None,
         Answer(Verdict.quota, "HTTP 429")),
        (429, INTERVAL, ROLLING, Answer(Verdict.retry, "TEN_SECONDLY_ROLLING", 10.0)),
        (429, {**INTERVAL, "Retry-After": "3"}, ROLLING,
         Answer(Verdict.retry, "TEN_SECONDLY_ROLLING", 3.0)),
        (429, {}, {"policyName": "SECONDLY"}, Answer(Verdict.retry, "SECONDLY")),
        (477, {"Retry-After": "7200"}, None, Answer(Verdict.retry, "HTTP 477", 7200.0)),
        (502, {}, None, Answer(Verdict.retry, "HTTP 502")),
        (524, {}, None, Answer(Verdict.retry, "HTTP 524")),
    ],
)  # fmt: skip
def test_an_answer_is_told_by_its_status_and_its_body(status, headers, body, answer):
    connector = hubspot.Connector(source(), SECRETS, list, lambda wait: None)
    content = b"<html>" if body is None else json.dumps(body).encode()
    assert connector.classify(httpx.Response(status, headers=headers, content=content)) == answer
