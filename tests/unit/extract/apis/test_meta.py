"""Meta: what its answers mean, whose posts are read when, cursors, metrics and the token."""

import json
import logging
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest
from factories import AS_OF
from pydantic import ValidationError

from pipelines.errors import AccessRefusedError, SourceDownError
from pipelines.extract import parts
from pipelines.extract.apis import meta
from pipelines.extract.apis.meta import Connector, parse
from pipelines.extract.client import CallRefusedError, Verdict
from pipelines.extract.connector import Ask
from pipelines.extract.parts import extract_stream, find_parts
from pipelines.extract.systems import SYSTEMS
from pipelines.fakes.fake import Fault
from pipelines.fakes.meta import CREDENTIALS, INSTAGRAM, PAGE, MetaFake
from pipelines.fakes.serving import serving
from pipelines.landing import FileFacts, land_rows
from pipelines.raw_parts import read_part
from pipelines.rules.source_types.meta import MetaSecrets, MetaSource

Row = dict[str, Any]


class Brand:
    """The stand-in of a page and its Instagram account, extracted and landed."""

    def __init__(self, fake: MetaFake, url: str, home: Path, catalogue: Any) -> None:
        self.fake, self.url, self.raw, self.catalogue = fake, url, home / "meta", catalogue
        self.log: list[Row] = []
        self.day = 0

    def connector(self, secrets: Row | None = None, **config: Any) -> Connector:
        accounts = {"page_id": PAGE, "instagram_id": INSTAGRAM}
        source = MetaSource.model_validate(
            {"name": "brand", "type": "meta", "api_url": self.url, **accounts, **config}
        )
        given = MetaSecrets.model_validate(CREDENTIALS if secrets is None else secrets)
        return Connector(source, given, self.log.append, lambda seconds: None)

    def extract(self, stream: str, **config: Any) -> int:
        connector = self.connector(**config)
        [chosen] = [known for known in connector.streams() if known.name == stream]
        as_of: date = AS_OF + timedelta(days=self.day)
        try:
            return extract_stream(
                connector, chosen, self.raw, as_of, self.fake.now, lambda told: None
            ).records
        finally:
            connector.client.close()

    def next(self, days: float = 1) -> None:
        self.day += 1
        self.fake.now += timedelta(days=days)

    def landed(self, stream: str) -> dict[str, Row]:
        """The landing rows by id, the newest last; nothing may be quarantined."""
        rows = []
        for part in find_parts(self.raw, stream):
            for table, frame, _ in read_part(part, "brand", {}):
                facts = FileFacts("brand", part.path.name, AS_OF)
                landed = land_rows(frame, self.catalogue["landing", table], facts)
                assert landed.quarantined.is_empty()
                rows += landed.rows.rows(named=True)
        return {row["source_record_id"]: row for row in rows}


@pytest.fixture
def brand(tmp_path, catalogue, monkeypatch):
    monkeypatch.setitem(SYSTEMS, "meta", meta)
    fake = MetaFake()
    with serving(fake) as url:
        yield Brand(fake, url, tmp_path, catalogue)


def utc(*when: int) -> datetime:
    return datetime(*when)  # type: ignore[arg-type]  # noqa: DTZ001 - landed times are UTC


# -- what an answer means ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "error", "minutes", "verdict", "wait"),
    [
        (200, None, None, Verdict.ok, None),
        (400, {"code": 80001}, 4, Verdict.retry, 240.0),
        (400, {"code": 80001}, 57, Verdict.retry, 3420.0),
        (403, {"code": 4}, None, Verdict.retry, None),
        (400, {"code": 17}, 0, Verdict.retry, None),
        (403, {"code": 32}, 1, Verdict.retry, 60.0),
        (400, {"code": 613}, None, Verdict.retry, None),
        (400, {"code": 2}, None, Verdict.retry, None),
        (500, {"code": 1}, None, Verdict.retry, None),
        (400, {"code": 9, "is_transient": True}, None, Verdict.retry, None),
        (400, {"code": 190, "error_subcode": 463}, None, Verdict.reauth, None),
        (400, {"code": 100}, None, Verdict.fatal, None),
        (400, {"code": 100, "error_subcode": 33}, None, Verdict.fatal, None),
        (403, {"code": 200}, None, Verdict.fatal, None),
        (400, {"code": 10}, None, Verdict.fatal, None),
        (404, None, None, Verdict.fatal, None),
        (503, None, None, Verdict.retry, None),
    ],
)
def test_an_answer_means_what_its_error_code_says(status, error, minutes, verdict, wait):
    body = {"data": []} if error is None else {"error": {"message": "Ann said no", **error}}
    headers = {}
    if minutes is not None:
        limits = [{"type": "pages", "estimated_time_to_regain_access": minutes}]
        idle = [{"type": "instagram", "estimated_time_to_regain_access": 0}]
        headers["X-Business-Use-Case-Usage"] = json.dumps({"1": idle, "2": limits})
    response = httpx.Response(status, json=body, headers=headers)
    answer = Connector.classify(None, response)  # type: ignore[arg-type]
    assert (answer.verdict, answer.wait_seconds) == (verdict, wait)
    assert "Ann" not in answer.told


@pytest.mark.parametrize("header", ["", "no json", "[]", '{"1": 5}', '{"1": [{}]}'])
def test_a_strange_usage_header_is_no_fault(header):
    error = {"error": {"code": 80001}}
    response = httpx.Response(400, json=error, headers={"X-Business-Use-Case-Usage": header})
    assert Connector.classify(None, response).wait_seconds is None  # type: ignore[arg-type]


def test_a_dead_token_is_a_refused_login(brand):
    brand.fake.refuses_login = True
    with pytest.raises(AccessRefusedError, match="190/463"):
        brand.extract("post_comments")


def test_the_proof_of_the_apps_secret_goes_along_if_there_is_one(brand):
    brand.fake.comment(brand.fake.post())
    assert brand.extract("post_comments") == 1
    wrong = brand.connector({**CREDENTIALS, "app_secret": "another"})
    with pytest.raises(CallRefusedError):
        next(wrong.pages(meta.STREAMS["post_comments"], Ask(None, brand.fake.now)))
    without = brand.connector({"access_token": CREDENTIALS["access_token"]})
    assert next(without.pages(meta.STREAMS["post_comments"], Ask(None, brand.fake.now)))
    for connector in (wrong, without):
        connector.client.close()


def test_neither_token_nor_proof_reaches_any_log(brand, caplog):
    brand.fake.comment(brand.fake.post(), 250)
    connector = brand.connector()
    with caplog.at_level(logging.DEBUG):
        brand.extract("post_comments")
    stored = b"".join(path.read_bytes() for path in brand.raw.rglob("*.parquet"))
    told = f"{caplog.text}{brand.log}".encode() + stored
    for secret in (*CREDENTIALS.values(), connector._proof["appsecret_proof"], "access_token="):
        assert secret.encode() not in told
    connector.client.close()


def test_a_source_needs_an_account_and_reads_only_the_streams_of_those_it_has(brand):
    with pytest.raises(ValidationError, match="page_id, instagram_id or both"):
        MetaSource.model_validate({"name": "brand", "type": "meta"})
    connector = brand.connector(page_id=None)
    assert [stream.name for stream in connector.streams()] == ["media_comments", "media_totals"]
    connector.client.close()


# -- comments and reactions --------------------------------------------------------------------


def test_comments_and_replies_become_engagements(brand):
    post = brand.fake.post()
    brand.fake.now += timedelta(hours=3)
    [first] = brand.fake.comment(post, message="好看 😍")
    [reply] = brand.fake.comment(post, parent={"id": first, "message": "x"}, message="谢谢")
    brand.extract("post_comments")

    rows = brand.landed("post_comments")
    expected = {
        "platform": "facebook", "own_account_id": PAGE, "grain": "event", "post_id": post,
        "engagement_type": "comment", "actor_platform_id": "7103", "actor_name": "Wang Fang",
        "text": "好看 😍", "metric_value": 1.0, "engaged_at": utc(2026, 6, 30, 15),
    }  # fmt: skip
    assert {name: rows[first][name] for name in expected} == expected
    assert (rows[first]["parent_id"], rows[reply]["parent_id"]) == (None, first)
    assert rows[first]["extra"] is None


def test_a_person_who_is_not_shown_leaves_a_comment_without_an_actor():
    record = {"_account": PAGE, "_post": "p", "_posted": "t", "id": "c", "message": "hi",
              "created_time": "2026-06-30T15:00:00+0000"}  # fmt: skip
    [(_, row)] = parse("post_comments", record)
    assert "actor_platform_id" not in row
    assert "extra" not in row


def test_reactions_count_as_of_their_post_and_change_with_the_person(brand):
    post = brand.fake.post()
    brand.fake.now += timedelta(hours=3)
    [like, love] = [brand.fake.react(post, kind=kind)[0] for kind in ("LIKE", "LOVE")]
    assert brand.extract("post_reactions") == 2
    rows = brand.landed("post_reactions")
    assert rows[f"{post}-{like}"]["engagement_type"] == "like"
    assert rows[f"{post}-{love}"]["engagement_type"] == "reaction"
    assert rows[f"{post}-{like}"]["engaged_at"] == utc(2026, 6, 30, 12)
    assert rows[f"{post}-{love}"]["actor_platform_id"] == love
    brand.next()
    brand.fake.change([like], type="ANGRY")
    assert brand.extract("post_reactions") == 1
    assert brand.landed("post_reactions")[f"{post}-{like}"]["engagement_type"] == "reaction"


def test_comments_on_media_come_with_all_replies_to_them(brand):
    medium = brand.fake.publish_media()
    top = brand.fake.comment_media(medium, text="美")
    replies = [brand.fake.comment_media(medium, top, text="谢") for _ in range(120)]
    brand.extract("media_comments")
    rows = brand.landed("media_comments")
    assert set(rows) == {top, *replies}
    assert (rows[top]["platform"], rows[top]["own_account_id"]) == ("instagram", INSTAGRAM)
    assert (rows[top]["actor_platform_id"], rows[top]["actor_handle"]) == ("900", "fang.w")
    assert {rows[reply]["parent_id"] for reply in replies} == {top}
    assert {row["post_id"] for row in rows.values()} == {medium}
    assert {row["extra"] for row in rows.values()} == {None}


def test_what_was_received_is_kept_byte_for_byte(brand):
    [id] = brand.fake.comment(brand.fake.post(), message='a "quote" \\ 王')
    brand.extract("post_comments")
    [part] = find_parts(brand.raw)
    body = pl.read_parquet(part.path)["record"][0]
    headers = {"Authorization": f"Bearer {CREDENTIALS['access_token']}"}
    [post] = [row for (owner, _), row in brand.fake.lists.items() if owner == PAGE]
    url = f"{brand.url}/v25.0/{next(iter(post))}/comments?fields=id,created_time,from,message"
    assert body.split(b'+0000",', 1)[1] in httpx.get(url, headers=headers).content
    assert id.encode() in body


# -- which posts, and where to go on -----------------------------------------------------------


def test_old_posts_are_read_once_and_young_ones_each_night(brand):
    old = brand.fake.post(brand.fake.now - timedelta(days=400))
    young = brand.fake.post(brand.fake.now - timedelta(days=20))
    for post in (old, young):
        brand.fake.comment(post)
    assert brand.extract("post_comments") == 2
    brand.next()
    for post in (old, young):
        brand.fake.comment(post)
    brand.fake.calls.clear()
    assert brand.extract("post_comments") == 1
    assert brand.fake.calls == [f"/v25.0/{PAGE}/published_posts", f"/v25.0/{young}/comments"]


def test_posts_of_a_long_outage_are_caught_up_with(brand):
    brand.fake.comment(brand.fake.post())
    assert brand.extract("post_comments") == 1
    for _ in range(10):
        brand.next(days=8)
        brand.fake.comment(brand.fake.post())
    assert brand.extract("post_comments") == 10


def test_media_older_than_the_window_are_not_listed_to_the_end(brand):
    for day in range(300, 0, -1):
        brand.fake.publish_media(brand.fake.now - timedelta(days=day), like_count=day)
    assert brand.extract("media_totals") == 300
    brand.next()
    brand.fake.change([next(reversed(brand.fake.lists[INSTAGRAM, "media"]))], like_count=5)
    brand.fake.calls.clear()
    assert brand.extract("media_totals") == 1
    assert len(brand.fake.calls) == 2  # one with young media, one without


def test_a_cursor_that_died_with_its_comment_costs_one_more_reading_of_the_post(brand):
    ids = brand.fake.comment(brand.fake.post(), 350)

    def delete_where_the_cursor_points(path):
        if brand.fake.calls.count(path) == 2 and "comments" in path:
            brand.fake.remove(ids[99:100])

    brand.fake.before_call = delete_where_the_cursor_points
    assert brand.extract("post_comments") == 350
    assert set(brand.landed("post_comments")) == set(ids)


def test_a_cursor_that_is_refused_again_and_again_ends_the_run(brand):
    brand.fake.comment(brand.fake.post(), 350)
    body = json.dumps({"error": {"code": 100, "message": "(#100) Invalid cursor"}}).encode()
    brand.fake.faults = [Fault(400, body, path="/comments", nth=2, times=None)]
    with pytest.raises(CallRefusedError, match="100"):
        brand.extract("post_comments")


def test_a_pass_that_broke_off_goes_on_within_the_post(brand, monkeypatch):
    monkeypatch.setattr(parts, "PART_RECORDS", 100)
    first, second = brand.fake.post(), brand.fake.post()
    ids = brand.fake.comment(first, 120) + brand.fake.comment(second, 330)
    brand.fake.faults = [Fault(500, path="/comments", nth=5, times=None)]
    with pytest.raises(SourceDownError):
        brand.extract("post_comments")
    brand.fake.faults.clear()
    brand.fake.calls.clear()
    brand.extract("post_comments")
    assert [path for path in brand.fake.calls if "comments" in path] == [
        f"/v25.0/{second}/comments"
    ] * 2
    assert set(brand.landed("post_comments")) == set(ids)


def test_a_post_that_is_deleted_while_others_are_read_is_passed_over(brand):
    gone, kept = brand.fake.post(), brand.fake.post()
    brand.fake.comment(gone)
    ids = brand.fake.comment(kept)
    brand.fake.gone = {gone}
    assert brand.extract("post_comments") == 1
    assert set(brand.landed("post_comments")) == set(ids)
    assert brand.extract("post_totals") == 1


def test_a_missing_permission_is_told(brand):
    brand.fake.post()
    body = json.dumps({"error": {"code": 10, "message": "needs pages_read_user_content"}}).encode()
    brand.fake.faults = [Fault(403, body, path="/comments")]
    with pytest.raises(CallRefusedError, match="refuses the call: 10"):
        brand.extract("post_comments")


# -- totals ------------------------------------------------------------------------------------


def test_a_metric_that_meta_no_longer_knows_is_left_out_and_noted(brand):
    post = brand.fake.post()
    brand.fake.post()
    brand.fake.calls.clear()
    metrics = ("post_impressions", "post_media_view")
    assert brand.extract("post_totals", post_metrics=metrics) == 2
    noted = [entry for entry in brand.log if "metric" in entry]
    assert [entry["metric"] for entry in noted] == ["post_impressions"]
    assert sum("insights" in path for path in brand.fake.calls) == 3
    row = brand.landed("post_totals")[f"{post}-post_media_view-lifetime"]
    expected = {"grain": "post", "post_id": post, "engagement_type": "view", "metric_value": 7.0,
                "own_account_id": PAGE, "engaged_at": utc(2026, 6, 30, 12)}  # fmt: skip
    assert {name: row[name] for name in expected} == expected
    assert json.loads(row["extra"]) == {"name": "post_media_view"}


def test_another_refusal_of_insights_is_not_taken_for_an_unknown_metric(brand):
    connector = brand.connector({**CREDENTIALS, "app_secret": "another"})
    with pytest.raises(CallRefusedError, match="refuses the call: 100"):
        next(connector.pages(meta.STREAMS["account_totals"], Ask(None, brand.fake.now)))
    connector.client.close()


def test_each_day_of_each_page_metric_is_a_total(brand):
    assert brand.extract("account_totals") == 3 * 90
    rows = brand.landed("account_totals")
    row = rows[f"{PAGE}-page_follows-2026-06-30T00:00:00+0000"]
    told = (row["grain"], row["engagement_type"], row["engaged_at"], row["own_account_id"])
    assert told == ("account", "follow", utc(2026, 6, 30), PAGE)
    assert rows[f"{PAGE}-page_media_view-2026-06-30T00:00:00+0000"]["engagement_type"] == "view"
    brand.next()
    assert brand.extract("account_totals") == 3
    brand.next(days=200)
    assert brand.extract("account_totals") == 3 * 200


def test_likes_and_comments_of_media_are_totals(brand):
    medium = brand.fake.publish_media(like_count=41, comments_count=3)
    brand.extract("media_totals")
    rows = brand.landed("media_totals")
    assert {id: (row["engagement_type"], row["metric_value"]) for id, row in rows.items()} == {
        f"{medium}-like": ("like", 41.0),
        f"{medium}-comment": ("comment", 3.0),
    }
    assert {row["post_id"] for row in rows.values()} == {medium}


def test_a_metric_by_kind_counts_all_kinds():
    record = {"_account": PAGE, "name": "page_actions_post_reactions_total",
              "value": {"like": 3, "love": 2}, "end_time": "2026-06-30T07:00:00+0000"}  # fmt: skip
    [(_, row)] = parse("account_totals", record)
    assert (row["engagement_type"], row["metric_value"]) == ("reaction", 5)


def test_own_fields_are_asked_for_too(brand):
    own = {"post_comments": {"language": "locale.code"}}
    brand.fake.comment(brand.fake.post(), locale={"code": "zh"})
    connector = brand.connector(fields=own)
    [page] = connector.pages(meta.STREAMS["post_comments"], Ask(None, brand.fake.now))
    [(_, row)] = parse("post_comments", json.loads(page.records[0].body), own["post_comments"])
    assert row["language"] == "zh"
    assert connector._fields("post_comments") == (
        "created_time,from{id,name},id,locale{code},message,parent{id}"
    )
    connector.client.close()
