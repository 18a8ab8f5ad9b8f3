"""WeCom: what its answers mean, contacts of several followers, moments, secrets in addresses."""

import json
import logging
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest
from factories import AS_OF

from pipelines.errors import AccessRefusedError, SourceDownError
from pipelines.extract import parts
from pipelines.extract.apis import wecom
from pipelines.extract.apis.wecom import Connector, parse
from pipelines.extract.client import CallRefusedError, Verdict
from pipelines.extract.parts import extract_stream, find_parts
from pipelines.extract.systems import SYSTEMS
from pipelines.fakes.fake import Fault
from pipelines.fakes.serving import serving
from pipelines.fakes.wecom import CREDENTIALS, WecomFake
from pipelines.landing import FileFacts, land_rows
from pipelines.raw_parts import read_part
from pipelines.rules.source_types.wecom import WecomSecrets, WecomSource

BATCH = "/cgi-bin/externalcontact/batch/get_by_user"
LIST = "/cgi-bin/externalcontact/list"
Row = dict[str, Any]


class Corp:
    """The stand-in of a corp, extracted and landed."""

    def __init__(self, fake: WecomFake, url: str, home: Path, catalogue: Any) -> None:
        self.fake, self.url, self.raw, self.catalogue = fake, url, home / "wecom", catalogue
        self.raw.mkdir()
        self.log: list[Row] = []
        self.sleeps: list[float] = []

    def connector(self, **config: Any) -> Connector:
        source = WecomSource.model_validate(
            {"name": "wecom", "type": "wecom", "api_url": self.url, **config}
        )
        secrets = WecomSecrets.model_validate(CREDENTIALS)
        return Connector(source, secrets, self.log.append, self.sleeps.append)

    def extract(self, stream: str = "contacts", as_of: date = AS_OF, **config: Any) -> int:
        connector = self.connector(**config)
        try:
            [chosen] = [known for known in connector.streams() if known.name == stream]
            return extract_stream(
                connector, chosen, self.raw, as_of, self.fake.now, lambda told: None
            ).records
        finally:
            connector.client.close()

    def bodies(self, stream: str = "contacts") -> dict[str, bytes]:
        """The newest version of each record as it was put down."""
        rows = [pl.read_parquet(part.path) for part in find_parts(self.raw, stream)]
        return dict(pl.concat(rows).select("id", "record").rows())

    def landed(self, stream: str = "contacts") -> dict[str, Row]:
        """The landing rows by id, the newest last; nothing may be quarantined."""
        rows = []
        for part in find_parts(self.raw, stream):
            for table, frame, _ in read_part(part, "wecom", {}):
                facts = FileFacts("wecom", part.path.name, AS_OF)
                landed = land_rows(frame, self.catalogue["landing", table], facts)
                assert landed.quarantined.is_empty()
                rows += landed.rows.rows(named=True)
        return {row["source_record_id"]: row for row in rows}


@pytest.fixture
def corp(tmp_path, catalogue, monkeypatch):
    monkeypatch.setitem(SYSTEMS, "wecom", wecom)
    fake = WecomFake()
    with serving(fake) as url:
        yield Corp(fake, url, tmp_path, catalogue)


# -- what an answer means ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "verdict", "wait"),
    [
        (200, {"errcode": 0, "errmsg": "ok"}, Verdict.ok, None),
        (200, {"errcode": 42001, "errmsg": "access_token expired"}, Verdict.reauth, None),
        (200, {"errcode": 40014, "errmsg": "invalid access_token"}, Verdict.reauth, None),
        (200, {"errcode": -1, "errmsg": "system busy"}, Verdict.retry, None),
        (200, {"errcode": 45033, "errmsg": "concurrency"}, Verdict.retry, None),
        (200, {"errcode": 45009, "errmsg": "api freq out of limit"}, Verdict.retry, 60.0),
        (200, {"errcode": 45009, "errmsg": "reach max api daily limit"}, Verdict.quota, 60.0),
        (200, {"errcode": 45009, "errmsg": "超过每小时上限"}, Verdict.quota, 60.0),
        (
            200,
            {"errcode": 60020, "errmsg": "not allow to access from 1.2.3.4"},
            Verdict.fatal,
            None,
        ),
        (200, {"errcode": 48002, "errmsg": "api forbidden"}, Verdict.fatal, None),
        (200, {"errcode": 84061, "errmsg": "not exist relation"}, Verdict.fatal, None),
        (200, {"unheard": "of"}, Verdict.retry, None),
        (502, {"errcode": 0}, Verdict.retry, None),
        (404, {}, Verdict.fatal, None),
    ],
)
def test_an_answer_means_what_its_errcode_says(status, body, verdict, wait):
    answer = Connector.classify(None, httpx.Response(status, json=body))  # type: ignore[arg-type]
    assert (answer.verdict, answer.wait_seconds) == (verdict, wait)
    assert answer.told in ("", f"errcode {body.get('errcode')}", "no errcode", f"HTTP {status}")


def test_a_busy_login_is_no_refused_one(corp):
    body = json.dumps({"errcode": -1, "errmsg": "system busy"}).encode()
    corp.fake.faults = [Fault(200, body, path="gettoken")]
    with pytest.raises(SourceDownError, match="too busy to log in"):
        corp.extract()
    corp.fake.refuses_login = True
    with pytest.raises(AccessRefusedError, match="errcode 40001"):
        corp.extract()


def test_neither_secret_nor_token_reaches_any_log(corp, caplog):
    corp.fake.add(3)
    with caplog.at_level(logging.DEBUG):
        corp.extract()
        corp.fake.refuses_login = True
        with pytest.raises(AccessRefusedError) as refused:
            corp.extract()
    told = f"{caplog.text}{corp.log}{refused.value} {refused.value.hint}"
    assert "gettoken" in told
    for secret in (CREDENTIALS["secret"], "token-1", "corpsecret="):
        assert secret not in told


# -- contacts ----------------------------------------------------------------------------------


def test_a_contact_becomes_a_landing_row(corp):
    corp.fake.tags = {"et1": ("客户等级", "A"), "et2": ("兴趣", "咖啡")}
    about = {"gender": 2, "unionid": "ozynqs", "avatar": "https://x/0", "corp_name": "腾讯",
             "type": 2, "position": "经理"}  # fmt: skip
    [id] = corp.fake.add(1, name="小芳🌸", **about)
    corp.fake.follow(
        [id], "zhangsan", remark="王芳 大客户",
        remark_mobiles=["13800000001", "13800000002", "010"], tag_id=["et2", "et1", "et-unknown"],
        state="shop-12", remark_corp_name="腾讯科技",
    )  # fmt: skip
    corp.extract()

    row = corp.landed()[id]
    extra = json.loads(row.pop("extra"))
    assert extra["corp_name"] == "腾讯"
    assert extra["followers"][0]["remark_corp_name"] == "腾讯科技"
    assert extra["more_mobiles"] == ["010"]
    assert "avatar" not in extra
    expected = {
        "kind": "person", "external_userid": id, "unionid": "ozynqs", "full_name": "王芳 大客户",
        "gender": "female", "job_title": "经理", "mobile": "13800000001", "phone": "13800000002",
        "owner_id": "zhangsan", "lead_source": "shop-12",
        "tags": ["et-unknown", "兴趣:咖啡", "客户等级:A"],
        "source_created_at": datetime(2026, 6, 30, 12),  # noqa: DTZ001 - landed times are UTC
    }  # fmt: skip
    assert {name: row[name] for name in expected} == expected


def test_a_contact_whom_nobody_noted_anything_of_keeps_its_own_name():
    note = {"userid": "lisi", "createtime": 1_780_000_000, "add_way": 4}
    record = {"external_userid": "wm1", "name": "Ann", "_follow_info": [note], "_tags": []}
    [(table, row)] = parse("contacts", record)
    assert table == "crm_contacts"
    assert (row["full_name"], row["lead_source"]) == ("Ann", "group_chat")
    assert row["source_created_at"] == "2026-05-28T20:26:40+00:00"
    assert {name for name in row if row[name] is not None} >= {"external_userid", "kind"}
    assert "mobile" not in row


def test_own_fields_may_take_the_nickname_or_the_company(corp):
    record = {"name": "Ann", "corp_name": "Acme", "_follow_info": [{"remark": "A!"}], "_tags": []}
    [(_, row)] = parse("contacts", record, {"full_name": "name", "department": "corp_name"})
    assert (row["full_name"], row["department"]) == ("Ann", "Acme")


def test_a_contact_of_several_followers_is_one_record_whatever_their_order(corp):
    fake = corp.fake
    ids = fake.add(250, follower="zhangsan")
    fake.now += timedelta(days=1)
    shared = ids[::50]
    fake.follow(shared, "lisi", remark_mobiles=["13900000009"], tag_id=["et9"])
    fake.follow(shared[:1], "zhangsan", remark="老王", remark_mobiles=["13800000001"])
    assert corp.extract() == 250

    row = corp.landed()[shared[0]]
    assert (row["owner_id"], row["full_name"]) == ("zhangsan", "老王")
    assert (row["mobile"], row["phone"]) == ("13800000001", "13900000009")
    assert row["tags"] == ["et9"]
    notes = json.loads(corp.bodies()[shared[0]])["_follow_info"]
    assert [note["userid"] for note in notes] == ["zhangsan", "lisi"]

    fake.employees.reverse()
    fake.ties = dict(reversed(fake.ties.items()))
    fake.now += timedelta(days=1)
    assert corp.extract(as_of=AS_OF + timedelta(days=1)) == 0


def test_what_was_received_is_kept_byte_for_byte(corp):
    [alone, both] = corp.fake.add(2, name='王\\u82b3 "é"', Brand_New=1.10)
    corp.fake.follow([both], "lisi")
    corp.extract()
    body = {"userid_list": ["zhangsan", "lisi"], "limit": 100}
    received = httpx.post(
        f"{corp.url}{BATCH}", params={"access_token": "token-1"}, json=body
    ).content
    for stored in (corp.bodies()[alone], corp.bodies()[both]):
        notes, about = stored.split(b'],"_tags":[],', 1)
        assert b"{" + about in received
        assert all(note in received for note in notes.split(b"[", 1)[1].split(b"},{"))


def test_the_last_follower_who_leaves_takes_the_contact_along(corp):
    [id] = corp.fake.add(1)
    corp.fake.follow([id], "lisi")
    corp.extract()
    corp.fake.now += timedelta(days=1)
    corp.fake.unfollow([id], "zhangsan")
    corp.extract(as_of=AS_OF + timedelta(days=1))
    assert (corp.landed()[id]["op"], corp.landed()[id]["owner_id"]) == ("upsert", "lisi")
    corp.fake.now += timedelta(days=1)
    corp.fake.unfollow([id], "lisi")
    corp.extract(as_of=AS_OF + timedelta(days=2))
    assert corp.landed()[id]["op"] == "delete"


def test_a_contact_who_comes_back_counts_as_newer_than_its_tombstone(corp):
    [id] = corp.fake.add(1)
    for day, happens in enumerate((lambda ids: None, corp.fake.remove, corp.fake.restore)):
        happens([id])
        corp.extract(as_of=AS_OF + timedelta(days=day))
        corp.fake.now += timedelta(days=1)
    versions = pl.concat(pl.read_parquet(part.path) for part in find_parts(corp.raw))
    assert versions["op"].to_list() == ["upsert", "delete", "upsert"]
    assert versions["modified"].is_sorted()
    assert versions["modified"].n_unique() == 3


def test_a_pass_that_broke_off_still_brings_all_followers_of_a_contact(corp, monkeypatch):
    monkeypatch.setattr(parts, "PART_RECORDS", 100)
    ids = corp.fake.add(500, follower="lisi")
    corp.fake.now += timedelta(days=1)
    corp.fake.follow(ids[:30], "zhangsan", remark="second")
    corp.fake.faults = [Fault(500, path=BATCH, nth=4, times=None)]
    with pytest.raises(SourceDownError):
        corp.extract()
    assert 0 < len(corp.bodies()) < 500
    corp.fake.faults.clear()
    corp.extract()
    rows = corp.landed()
    assert len(rows) == 500
    assert {rows[id]["full_name"] for id in ids[:30]} == {"second"}
    assert {rows[id]["owner_id"] for id in ids} == {"lisi"}
    corp.fake.now += timedelta(days=1)
    assert corp.extract(as_of=AS_OF + timedelta(days=1)) == 0


def test_a_cursor_that_the_vendor_forgot_means_from_the_beginning(corp, monkeypatch):
    monkeypatch.setattr(parts, "PART_RECORDS", 100)
    ids = corp.fake.add(350)
    corp.fake.faults = [Fault(500, path=BATCH, nth=3, times=None)]
    with pytest.raises(SourceDownError):
        corp.extract()
    corp.fake.faults.clear()
    corp.fake.before_call = forget_once(corp.fake)
    corp.extract()
    assert set(corp.landed()) == set(ids)


def forget_once(fake: WecomFake) -> Callable[[str], None]:
    """The first cursor asked for from now on is no longer known."""
    asked: list[str] = []

    def before(path: str) -> None:
        asked.append(path)
        fake.cursors_expire = path == BATCH and asked.count(BATCH) == 1

    return before


def test_more_employees_than_one_call_takes_are_asked_in_batches(corp):
    corp.fake.employees = [f"user{number:03d}" for number in range(205)]
    ids = [id for user in corp.fake.employees for id in corp.fake.add(1, follower=user)]
    corp.extract()
    assert set(corp.landed()) == set(ids)
    assert corp.fake.calls.count(BATCH) == 5  # three batches; a full answer is followed by another


def test_employees_without_customers_are_no_fault_but_a_refusal_is(corp):
    corp.fake.employees += ["wangwu"]
    ids = corp.fake.add(2)
    corp.extract()
    assert set(corp.landed()) == set(ids)
    body = json.dumps({"errcode": 48002, "errmsg": "api forbidden"}).encode()
    corp.fake.faults = [Fault(200, body, path=LIST)]
    with pytest.raises(CallRefusedError, match="errcode 48002"):
        corp.extract()


def test_contacts_of_employees_without_a_licence_do_not_count_as_deleted(corp):
    corp.fake.add(2)
    corp.extract()
    corp.fake.unlicensed = ["zhangsan"]
    with pytest.raises(CallRefusedError, match="licence"):
        corp.extract()
    assert {row["op"] for row in corp.landed().values()} == {"upsert"}


# -- moments -----------------------------------------------------------------------------------


def test_likes_and_comments_of_contacts_become_engagements(corp):
    fake = corp.fake
    ids = fake.add(3)
    own = fake.post_moment("zhangsan")
    shared = fake.post_moment("boss", publishers=["zhangsan", "lisi"])
    fake.now += timedelta(hours=2)
    fake.engage(own, "zhangsan", "like", ids[:2])
    fake.engage(own, "zhangsan", "comment", ids[:1])
    fake.engage(shared, "lisi", "like", ids[2:])
    fake.engagements[own, "zhangsan"]["like_list"].append({"userid": "boss", "create_time": 1})
    assert corp.extract("moments") == 4

    rows = corp.landed("moments")
    told = {(r["post_id"], r["own_account_id"], r["engagement_type"], r["actor_platform_id"])
            for r in rows.values()}  # fmt: skip
    assert told == {
        (own, "zhangsan", "like", ids[0]),
        (own, "zhangsan", "like", ids[1]),
        (own, "zhangsan", "comment", ids[0]),
        (shared, "lisi", "like", ids[2]),
    }
    [row] = [row for row in rows.values() if row["post_id"] == shared]
    assert (row["platform"], row["grain"], row["metric_value"]) == ("wecom", "event", 1.0)
    assert row["engaged_at"] == datetime(2026, 6, 30, 14)  # noqa: DTZ001 - landed times are UTC


def test_engagement_that_comes_later_is_found_while_the_moment_is_young(corp):
    fake = corp.fake
    ids = fake.add(3)
    moment = fake.post_moment("zhangsan")
    fake.engage(moment, "zhangsan", "like", ids[:1])
    fake.now += timedelta(days=1)
    assert corp.extract("moments") == 1
    fake.engage(moment, "zhangsan", "like", ids[1:2])
    fake.now += timedelta(days=20)
    assert corp.extract("moments", as_of=AS_OF + timedelta(days=1)) == 1
    fake.now += timedelta(days=20)
    corp.extract("moments", as_of=AS_OF + timedelta(days=2))
    fake.engage(moment, "zhangsan", "like", ids[2:])
    fake.calls.clear()
    assert corp.extract("moments", as_of=AS_OF + timedelta(days=3), days_back=5) == 0
    assert not any("get_moment_comments" in path for path in fake.calls)


def test_a_long_outage_is_asked_for_in_spans_that_wecom_takes(corp):
    fake = corp.fake
    [id] = fake.add(1)
    for _ in range(45):
        fake.engage(fake.post_moment("zhangsan"), "zhangsan", "like", [id])
        fake.now += timedelta(days=2)
    assert corp.extract("moments", days_back=100) == 45


def test_moments_go_on_after_the_one_that_was_read_last(corp):
    fake = corp.fake
    ids = fake.add(10)
    for _ in range(4):
        fake.engage(fake.post_moment("zhangsan"), "zhangsan", "like", ids)
        fake.now += timedelta(hours=1)
    fake.faults = [Fault(500, path="get_moment_comments", nth=3, times=None)]
    with pytest.raises(SourceDownError):
        corp.extract("moments")
    fake.faults.clear()
    fake.calls.clear()
    assert corp.extract("moments") == 20
    assert sum("get_moment_comments" in path for path in fake.calls) == 2
