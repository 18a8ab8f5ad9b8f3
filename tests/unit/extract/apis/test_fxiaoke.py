# ruff: noqa: DTZ001 - landed times are UTC without a zone
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import httpx
import polars as pl
import pytest
from factories import AS_OF
from pydantic import ValidationError

from pipelines.errors import AccessRefusedError, QuotaSpentError, SourceDownError
from pipelines.extract import systems
from pipelines.extract.apis import fxiaoke
from pipelines.extract.apis.fxiaoke import OBJECTS, STREAMS, Connector, parse
from pipelines.extract.client import CallRefusedError, Verdict
from pipelines.extract.parts import extract_stream, find_parts
from pipelines.fakes.fake import Fault
from pipelines.fakes.fxiaoke import CREDENTIALS, OPEN_USER_ID, FxiaokeFake
from pipelines.fakes.serving import serving
from pipelines.landing import FileFacts, land_rows
from pipelines.raw_parts import read_part
from pipelines.rules.source_types.fxiaoke import FxiaokeSecrets, FxiaokeSource, StreamName

LIST, LOGIN = "/cgi/crm/v2/data/query", FxiaokeFake.login_path
T0 = datetime(2026, 6, 29, 4, tzinfo=UTC)
AT = int(T0.timestamp() * 1000)
EMPLOYEE = {"id": "1000", "name": "李销售", "phone": "13911112222", "email": "li@example.com"}


class Company:
    """A stand-in, and what this source makes of it."""

    def __init__(self, fake: FxiaokeFake, url: str, raw: Path, catalogue: Any) -> None:
        self.fake, self.url, self.raw, self.catalogue = fake, url, raw, catalogue
        self.sleeps: list[float] = []
        self.source = self.configured()

    def configured(self, **entry: Any) -> FxiaokeSource:
        self.source = FxiaokeSource.model_validate(
            {
                "name": "crm", "type": "fxiaoke", "api_url": self.url, "page_size": 10,
                "open_user_id": OPEN_USER_ID, "seconds_between_calls": 0, **entry,
            }
        )  # fmt: skip
        return self.source

    def connector(self) -> Connector:
        secrets = FxiaokeSecrets.model_validate(CREDENTIALS)
        return Connector(self.source, secrets, lambda entry: None, self.sleeps.append)

    def extract(self, name: str) -> int:
        connector = self.connector()
        [stream] = [one for one in connector.streams() if one.name == name]
        try:
            now = self.fake.now
            return extract_stream(
                connector, stream, self.raw, AS_OF, now, lambda told: None
            ).records
        finally:
            connector.client.close()

    def stored(self, name: str) -> pl.DataFrame:
        """The records of a stream as they were received."""
        return pl.concat(pl.read_parquet(part.path) for part in find_parts(self.raw, name))

    def landed(self, name: str) -> list[dict[str, Any]]:
        """The landing rows of a stream, none of them in quarantine."""
        rows: list[dict[str, Any]] = []
        for part in find_parts(self.raw, name):
            for table, frame, _ in read_part(part, "crm", self.source.fields):
                facts = FileFacts("crm", part.path.name, AS_OF)
                landed = land_rows(frame, self.catalogue["landing", table], facts)
                assert landed.quarantined.to_dicts() == []
                rows += landed.rows.to_dicts()
        return rows


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, dict[str, Any]]]:
    now: dict[str, Any] = {}

    async def forward(scope, receive, send):
        await now["fake"](scope, receive, send)

    with serving(forward) as url:
        yield url, now


@pytest.fixture
def company(server, tmp_path, catalogue, monkeypatch) -> Company:
    monkeypatch.setitem(systems.SYSTEMS, "fxiaoke", fxiaoke)
    url, now = server
    now["fake"] = FxiaokeFake()
    return Company(now["fake"], url, tmp_path / "crm", catalogue)


# -- records of every stream onto landing rows -------------------------------------------------

COMMON = {
    "_id": "64f0c2a17b3e9d0001a00000", "create_time": AT, "last_modified_time": AT,
    "life_status": "normal", "life_status__r": "正常", "is_deleted": False,
    "owner": ["FSUID_1000"], "owner__r": EMPLOYEE, "owner__l": [EMPLOYEE],
    "record_type": "default__c",
}  # fmt: skip
ACCOUNT = {
    "name": "上海示例科技有限公司", "account_no": "CUST0001", "tel": "021-12345678",
    "country": "248", "country__r": "中国", "province": "265", "province__r": "上海市",
    "city": "451", "city__r": "上海市", "address": "世纪大道1号", "email": "a@example.com",
    "account_level": "1", "account_level__r": "重要客户", "deal_status": "3",
    "deal_status__r": "多次成交", "account_source": "7", "account_source__r": "转介绍",
    "industry_level1": "2", "industry_level1__r": "IT", "url": "https://example.com",
    "last_followed_time": AT,
}  # fmt: skip
RECORDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "contacts": (
        {"name": "王芳 😀", "account_id": "a1", "account_id__r": "上海示例",
         "email": "w@example.com", "mobile1": "13800000000", "tel1": "021-1", "add": "南京路",
         "job_title": "经理", "gender": "female", "gender__r": "女", "date_of_birth": 646329600000},
        {"kind": "person", "full_name": "王芳 😀", "account_source_id": "a1", "gender": "女",
         "mobile": "13800000000", "phone": "021-1", "street": "南京路", "job_title": "经理",
         "owner_id": "FSUID_1000", "source_created_at": datetime(2026, 6, 29, 4),
         "source_updated_at": datetime(2026, 6, 29, 4), "email": "w@example.com",
         "birth_date": date(1990, 6, 26), "extra": None},
    ),
    "accounts": (
        ACCOUNT,
        {"name": "上海示例科技有限公司", "account_number": "CUST0001", "country_code": "CN",
         "state": "上海市", "city": "上海市", "source_tier": "重要客户", "industry": "IT",
         "lifecycle_stage": "多次成交", "website": "https://example.com", "extra": None},
    ),
    "activities": (
        {"name": "XSJL-1", "active_record_type": "2", "active_record_type__r": "上门拜访",
         "related_object_data": [
             {"describe_api_name": "AccountObj", "id": "a1", "name": "上海示例"},
             {"describe_api_name": "ContactObj", "id": "c1", "name": "王芳"},
             {"describe_api_name": "ContactObj", "id": "c2", "name": "李四"},
             {"describe_api_name": "NewOpportunityObj", "id": "o1"}, {"id": "x"}, "?"]},
        {"activity_type": "visit", "account_source_id": "a1", "contact_source_id": "c1",
         "deal_source_id": "o1", "case_source_id": None, "extra": None,
         "started_at": datetime(2026, 6, 29, 4)},
    ),
    "calls": (
        {"name": "DX-1", "account_id": "a1", "account_id__r": "上海示例"},
        {"activity_type": "call", "account_source_id": "a1", "contact_source_id": None},
    ),
    "cases": (
        {"name": "GD-1", "record_type": "record_1Z80y__c", "record_type__r": "客户投诉",
         "account_id": "a1", "contact_id": "c1"},
        {"case_type": "complaint", "category": "客户投诉", "account_source_id": "a1",
         "contact_source_id": "c1", "opened_at": datetime(2026, 6, 29, 4), "status": "正常"},
    ),
    "orders": (
        {"name": "DD-202606290001", "account_id": "a1", "account_id__r": "上海示例",
         "order_amount": "1288.10", "product_amount": "1300.00", "order_time": AT,
         "order_status": "7", "order_status__r": "已确认"},
        {"order_number": "DD-202606290001", "account_source_id": "a1", "status": "已确认",
         "customer_source_id": None, "total_amount": Decimal("1288.10"), "currency": "CNY",
         "subtotal_amount": Decimal(1300), "ordered_at": datetime(2026, 6, 29, 4)},
    ),
    "order_items": (
        {"order_id": "o1", "order_id__r": "DD-1", "product_id": "p1", "product_id__r": "洗发水",
         "quantity": "2.00", "sales_price": "9.90", "subtotal": "19.80", "mc_currency": "USD",
         "mc_currency__r": "美元"},
        {"order_source_id": "o1", "product_id": "p1", "product_name": "洗发水", "currency": "USD",
         "quantity": Decimal(2), "unit_price": Decimal("9.90"), "line_total": Decimal("19.80")},
    ),
    "refunds": (
        {"order_id": "o1", "account_id": "a1", "refunded_amount": "10.00", "refunded_time": AT},
        {"order_source_id": "o1", "customer_source_id": "a1", "amount": Decimal(10),
         "currency": "CNY", "refund_type": "refund", "status": "正常",
         "refunded_at": datetime(2026, 6, 29, 4)},
    ),
    "members": ({"name": "会员王芳"}, {"kind": "person", "full_name": "会员王芳"}),
    "points": (
        {"member_id": "m1", "member_id__r": "王芳", "change_integral_value": "-50.00",
         "change_time": AT},
        {"program_id": "points", "member_id": "m1", "contact_source_id": "m1",
         "entry_type": "redeem", "points_delta": -50.0, "occurred_at": datetime(2026, 6, 29, 4)},
    ),
    "growth": (
        {"member_id": "m1", "change_growth_value": "120", "change_time": AT},
        {"program_id": "growth_value", "member_id": "m1", "entry_type": "tier_change",
         "points_delta": None, "extra": '{"change_growth_value":"120"}'},
    ),
}  # fmt: skip


@pytest.mark.parametrize("stream", RECORDS)
def test_a_record_of_each_stream_lands_as_its_row(company, stream):
    record, expected = RECORDS[stream]
    company.fake.put({**COMMON, **record}, OBJECTS[stream])
    assert company.extract(stream) == 1
    [row] = company.landed(stream)
    expected = {"source_record_id": COMMON["_id"], "op": "upsert", **expected}
    assert {name: row[name] for name in expected} == expected


def test_every_stream_has_a_recorded_record():
    assert {*RECORDS, "persons"} == set(STREAMS)
    assert set(get_args(StreamName)) == set(STREAMS) - {"persons"}


def test_what_nobody_maps_is_not_asked_for(company):
    company.fake.add(1, id_card__c="310000199001010000")
    company.extract("contacts")
    assert b"310000199001010000" not in company.stored("contacts")["record"].item()


def test_details_of_employees_that_come_along_are_not_kept():
    told = {**COMMON, "name": "王芳", "field_ab1__c": "7", "field_ab1__c__r": "金卡"}
    [(_, row)] = parse("contacts", told)
    assert row["extra"] == {"record_type": "default__c", "field_ab1__c": "7"}


@pytest.mark.parametrize(
    ("milliseconds", "day"),
    [(646329600000, "1990-06-26"), (-315648000000, "1960-01-01"), ("?", "?")],
)
def test_a_date_is_the_midnight_that_begins_it_in_china(milliseconds, day):
    [(_, row)] = parse("contacts", {"_id": "1", "date_of_birth": milliseconds})
    assert row["birth_date"] == day


@pytest.mark.parametrize(
    ("told", "kind"),
    [("电话沟通", "call"), ("微信", "wechat"), ("Email", "email"), ("外勤签到", "visit"),
     ("视频会议", "meeting"), ("常规客情维护", "followup"), (None, "followup")],
)  # fmt: skip
def test_a_follow_up_is_what_its_label_says(told, kind):
    [(_, row)] = parse("activities", {"_id": "1", "active_record_type__r": told})
    assert row["activity_type"] == "followup"  # a label without its code is none
    [(_, row)] = parse(
        "activities",
        {"_id": "1", "active_record_type": "1", "active_record_type__r": told},
    )
    assert row["activity_type"] == kind


@pytest.mark.parametrize(
    ("points", "kind"), [("100", "earn"), ("-1.5", "redeem"), ("", "adjust"), (None, "adjust")]
)
def test_points_without_a_kind_are_earned_or_redeemed_by_their_sign(points, kind):
    [(_, row)] = parse("points", {"_id": "1", "change_integral_value": points})
    assert row["entry_type"] == kind


def test_points_are_what_the_companys_own_field_calls_them():
    own = {"entry_type": "change_type__c"}
    told = {"_id": "1", "change_integral_value": "-5", "change_type__c": "积分过期扣减"}
    [(_, row)] = parse("points", told, own)
    assert row["entry_type"] == "expire"


@pytest.mark.parametrize("stream", ["orders", "refunds"])
@pytest.mark.parametrize(
    ("state", "label", "status"),
    [("under_review", "审核中", "pending"), ("ineffective", "未生效", "pending"),
     ("in_change", "变更中", "变更中")],
)  # fmt: skip
def test_what_is_not_approved_is_pending_whatever_else_is_said(stream, state, label, status):
    told = {"_id": "1", "life_status": state, "life_status__r": label}
    field = {"orders": "order_status", "refunds": "life_status"}[stream]
    [(_, row)] = parse(stream, {**told, field: told.get(field, "6"), f"{field}__r": label})
    assert row["status"] == status


def test_an_order_without_a_status_of_its_own_has_that_of_its_life():
    [(_, row)] = parse("orders", {"_id": "1", "life_status": "normal"})
    assert row["status"] == "normal"


# -- companies that differ ---------------------------------------------------------------------


def test_accounts_that_are_persons_become_contacts_and_what_names_them_names_persons(company):
    company.configured(accounts_are="persons", streams=["accounts", "orders", "activities"])
    assert [s.name for s in company.connector().streams()] == ["persons", "activities", "orders"]
    company.fake.put({**COMMON, **ACCOUNT, "name": "王芳"}, "AccountObj")
    company.fake.put({**COMMON, **RECORDS["orders"][0]}, "SalesOrderObj")
    company.fake.put({**COMMON, **RECORDS["activities"][0]}, "ActiveRecordObj")
    for stream in ("persons", "orders", "activities"):
        company.extract(stream)
    [person], [order], [activity] = map(company.landed, ("persons", "orders", "activities"))
    assert (person["full_name"], person["phone"]) == ("王芳", "021-12345678")
    assert (person["country_code"], person["lead_source"]) == ("CN", "转介绍")
    assert person["last_activity_at"] == datetime(2026, 6, 29, 4)
    assert order["customer_source_id"] == "a1"
    assert activity["contact_source_id"] == "a1"


def test_a_companys_own_fields_go_before_ours_and_before_what_persons_change(company):
    own = {"orders": {"customer_source_id": "buyer__c", "total_amount": "paid__c"}}
    company.configured(accounts_are="persons", fields=own)
    company.fake.put(
        {**COMMON, **RECORDS["orders"][0], "buyer__c": "c9", "buyer__c__r": "王", "paid__c": "5"},
        "SalesOrderObj",
    )
    company.extract("orders")
    [row] = company.landed("orders")
    assert (row["customer_source_id"], row["total_amount"]) == ("c9", Decimal(5))
    assert b"1288.10" not in company.stored("orders")["record"].item()  # no longer asked for


@pytest.mark.parametrize("fields", ["x", {"orders": "x"}, {"orders": ["x"]}])
def test_own_fields_that_are_none_are_refused_for_persons_too(company, fields):
    with pytest.raises(ValidationError):
        company.configured(accounts_are="persons", fields=fields)


def test_an_object_that_the_company_lacks_names_the_stream_to_leave_out(company):
    del company.fake.records["MemberObj"]
    with pytest.raises(CallRefusedError, match="MemberObj: errorCode 32000") as refused:
        company.extract("members")
    assert "leave members out" in refused.value.hint


def test_without_a_word_all_streams_are_read_and_no_faster_than_allowed():
    source = FxiaokeSource(name="crm", type="fxiaoke", open_user_id=OPEN_USER_ID)
    secrets = FxiaokeSecrets.model_validate(CREDENTIALS)
    connector = Connector(source, secrets, lambda entry: None, lambda seconds: None)
    assert [s.name for s in connector.streams()] == [n for n in STREAMS if n != "persons"]
    assert connector.seconds_between_calls * 100 == pytest.approx(20)
    assert connector.api == "https://open.fxiaoke.com"


# -- paging ------------------------------------------------------------------------------------


def test_records_of_one_millisecond_fill_many_pages_and_none_is_lost(company):
    ids = company.fake.add(35)
    assert company.extract("contacts") == 35
    assert sorted(company.stored("contacts")["id"]) == ids
    assert len(company.fake.data_calls()) == 5  # four pages, and one that says it was the last


def test_a_service_that_cuts_pages_without_a_word_loses_nothing(company):
    company.configured(page_size=500)
    company.fake.most_records = 30
    company.fake.add(95)
    assert company.extract("contacts") == 95


def test_a_list_that_is_not_in_the_order_of_ids_is_not_trusted(company):
    ids = company.fake.add(25)
    company.fake._ids["ContactObj"] = ids[::-1]
    with pytest.raises(SourceDownError, match="order of ids"):
        company.extract("contacts")


def test_a_page_that_comes_again_instead_of_the_next_does_not_go_on_for_ever(company):
    company.fake.add(25)
    page = {"errorCode": 0, "data": {"dataList": [{"_id": "1", "last_modified_time": AT}]}}
    company.fake.faults = [Fault(200, json.dumps(page).encode(), path=LIST, times=None)]
    with pytest.raises(SourceDownError, match="order of ids"):
        company.extract("contacts")


# -- deletions ---------------------------------------------------------------------------------


def test_of_a_voided_record_only_the_tombstone_is_kept(company):
    ids = company.fake.add(3, mobile1="13800000000")
    company.fake.now += timedelta(hours=1)
    company.fake.remove(ids[:1])
    company.extract("contacts")
    stored = {row["id"]: row for row in company.stored("contacts").to_dicts()}
    assert (stored[ids[0]]["op"], stored[ids[0]]["record"]) == ("delete", b"")
    assert stored[ids[0]]["modified"] == company.fake.now
    assert [row["op"] for row in company.landed("contacts")].count("delete") == 1


@pytest.mark.parametrize(
    "state",
    [{"life_status": "invalid"}, {"is_deleted": True}, {"is_deleted": 1}, {"is_deleted": "true"}],
)
def test_a_record_is_gone_as_soon_as_one_of_the_two_marks_says_so(company, state):
    company.fake.add(1, **state)
    company.extract("contacts")
    assert company.stored("contacts")["op"].to_list() == ["delete"]


def test_what_was_deleted_for_good_is_found_where_lists_are_compared(company):
    company.configured(compare=["order_items"])
    ids = company.fake.add(25, "SalesOrderProductObj", order_id="o1", quantity="1")
    company.extract("order_items")
    company.fake.purge(ids[3:5], "SalesOrderProductObj")
    company.fake.now += timedelta(hours=1)
    assert company.extract("order_items") == 2
    gone = company.stored("order_items").filter(pl.col("op") == "delete")["id"]
    assert sorted(gone) == ids[3:5]


def test_what_changes_while_lists_are_compared_is_not_taken_for_deleted(company):
    company.configured(compare=["contacts"])
    ids = company.fake.add(25)
    company.extract("contacts")
    started = company.fake.now

    def change_the_last(path: str) -> None:
        company.fake.now = started + timedelta(minutes=1)
        company.fake.change(ids[-1:])
        company.fake.now = started

    company.fake.before_call = change_the_last
    company.extract("contacts")
    assert company.stored("contacts").filter(pl.col("op") == "delete").is_empty()


# -- what answers mean -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "verdict", "told", "wait"),
    [
        (200, {"errorCode": 0, "data": {}}, Verdict.ok, "", None),
        (200, {"errorCode": "0"}, Verdict.ok, "", None),
        (200, None, Verdict.ok, "", None),  # no JSON: to read it will fail, and be tried again
        (
            200,
            {"errorCode": 20016, "errorMessage": "王芳"},
            Verdict.reauth,
            "errorCode 20016",
            None,
        ),
        (200, {"errorCode": 20005}, Verdict.reauth, "errorCode 20005", None),
        (200, {"errorCode": -1}, Verdict.retry, "errorCode -1", None),
        (200, {"errorCode": "-2"}, Verdict.retry, "errorCode -2", None),
        (200, {"errorCode": 50009}, Verdict.retry, "errorCode 50009", None),
        (200, {"errorCode": 30004}, Verdict.retry, "errorCode 30004", 20.0),
        (200, {"errorCode": 14001}, Verdict.retry, "errorCode 14001", 20.0),
        (200, {"errorCode": 30002}, Verdict.quota, "errorCode 30002", None),
        (200, {"errorCode": 30003}, Verdict.quota, "errorCode 30003", None),
        (200, {"errorCode": 20017}, Verdict.fatal, "errorCode 20017", None),
        (200, {"errorCode": 15003}, Verdict.fatal, "errorCode 15003", None),
        (200, {"errorCode": "王芳"}, Verdict.fatal, "errorCode None", None),
        (429, None, Verdict.retry, "HTTP 429", 7.0),
        (502, None, Verdict.retry, "HTTP 502", 7.0),
        (302, None, Verdict.fatal, "HTTP 302", None),
        (404, None, Verdict.fatal, "HTTP 404", None),
    ],
)
def test_an_answer_means_what_its_code_says_and_shows_nothing_else(
    company, status, body, verdict, told, wait
):
    content = b"<html>" if body is None else json.dumps(body).encode()
    response = httpx.Response(status, content=content, headers={"Retry-After": "7"})
    answer = company.connector().classify(response)
    assert (answer.verdict, answer.told, answer.wait_seconds) == (verdict, told, wait)


def _code(code: int, path: str, times: int | None = 1) -> Fault:
    return Fault(200, json.dumps({"errorCode": code}).encode(), path=path, times=times)


def test_who_asks_too_fast_waits_until_the_window_is_over(company):
    company.fake.add(3)
    company.fake.faults = [_code(30004, LIST)]
    assert company.extract("contacts") == 3
    assert company.sleeps == [20.0]


def test_the_calls_of_the_day_are_counted_by_the_stand_in_too(company):
    company.fake.add(25)
    company.fake.calls_left = 2
    with pytest.raises(QuotaSpentError, match="errorCode 30002"):
        company.extract("contacts")
    assert company.stored("contacts").height == 20


@pytest.mark.parametrize(
    ("fault", "error", "heals"),
    [
        (_code(-1, LOGIN), SourceDownError, True),
        (_code(30004, LOGIN), SourceDownError, True),
        (Fault(200, b"<html>", path=LOGIN), SourceDownError, True),
        (_code(30002, LOGIN), QuotaSpentError, False),
        (_code(10006, LOGIN), AccessRefusedError, False),
        (_code(20015, LOGIN), AccessRefusedError, False),
    ],
    ids=["busy", "too fast", "a page", "spent", "wrong secret", "wrong code"],
)
def test_a_login_that_fails_for_now_is_no_refused_login(company, fault, error, heals):
    company.fake.faults = [fault]
    with pytest.raises(error) as failed:
        company.extract("contacts")
    assert (type(failed.value), failed.value.heals) == (error, heals)
    assert CREDENTIALS["app_secret"] not in str(failed.value)
