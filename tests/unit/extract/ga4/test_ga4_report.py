from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from factories import AS_OF
from ga4_nights import Nights

from pipelines.errors import AccessRefusedError, QuotaSpentError, SourceDownError
from pipelines.extract.client import CallRefusedError, Verdict
from pipelines.extract.ga4 import report as ga4_report
from pipelines.extract.ga4.nights import check_ga4
from pipelines.fakes.fake import Fault
from pipelines.fakes.ga4 import PROPERTY_ID, Ga4Fake, error_body, key_file
from pipelines.fakes.serving import serving
from pipelines.rules.source_types.ga4 import Ga4Secrets

REPORT = ":runReport"


class _Stage:
    """Serves the stand-in of the test at hand, so that not each test needs a server of its own."""

    fake: Ga4Fake

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.fake(scope, receive, send)


@pytest.fixture(scope="module")
def stage() -> Iterator[tuple[_Stage, str]]:
    stage = _Stage()
    with serving(stage) as url:
        yield stage, url


@pytest.fixture
def fake(stage) -> Ga4Fake:
    stage[0].fake = Ga4Fake()
    return stage[0].fake


@pytest.fixture
def nights(stage, fake, lake, catalogue) -> Nights:
    url = stage[1]
    nights = Nights(
        lake.raw / "web", catalogue, key_file(), property_id=PROPERTY_ID, history_days=4,
        api_url=url, login_url=f"{url}/token",
    )  # fmt: skip
    nights.fake, nights.now = fake, fake.now
    return nights


def days_asked(fake: Ga4Fake) -> list[str]:
    asked = [body["dateRanges"][0]["startDate"] for body in fake.asked]
    fake.asked.clear()
    return asked


# --- What a report becomes -------------------------------------------------------------------


def test_totals_land_as_the_contract_has_them(fake, nights):
    fake.count(AS_OF, "purchase", 3, country="CN", seconds=12, revenue="1234.5")
    fake.count(AS_OF, "page_view", 7, country="(not set)", source="(direct)", medium="(none)")
    fake.count(AS_OF, "scroll", 1, source="(not set)", medium="(data not available)")
    assert nights.extract().records == 3
    view, purchase, scroll = nights.rows()
    wanted = {
        "grain": "daily",
        "event_name": "purchase",
        "event_at": datetime(2026, 6, 30, 10),  # noqa: DTZ001 - noon in Berlin, landed in UTC
        "event_count": 3,
        "country": "CN",
        "utm_source": "google",
        "utm_medium": "organic",
        "engagement_time_ms": 12_000,
        "value": Decimal("1234.5"),
        "currency": "EUR",
        "user_id": None,
        "extra": None,
    }
    assert {name: purchase[name] for name in wanted} == wanted
    assert (view["country"], view["utm_source"], view["value"], view["currency"]) == (
        None, "(direct)", None, None,
    )  # fmt: skip
    assert (scroll["utm_source"], scroll["utm_medium"]) == (None, None)


@pytest.mark.parametrize(
    ("revenue", "landed"), [("1.2E7", 12_000_000), ("0.0", None), ("1e300", None), ("?", None)]
)
def test_revenue_is_read_however_it_is_written(fake, nights, revenue, landed):
    fake.count(AS_OF, "purchase", revenue=revenue)
    nights.extract()
    [row] = nights.rows()
    assert row["value"] == landed


@pytest.mark.parametrize("zone", ["Pacific/Auckland", "America/Los_Angeles", "UTC", "Mars/Base"])
def test_a_total_is_of_its_day_where_the_property_is(fake, nights, zone):
    fake.time_zone = zone
    fake.count(AS_OF, "page_view")
    nights.extract()
    [row] = nights.rows()
    noon = datetime(2026, 6, 30, 12)  # noqa: DTZ001 - landed times are UTC
    assert abs(row["event_at"] - noon) <= timedelta(hours=12)


# --- Which days are asked for ----------------------------------------------------------------


def test_the_first_night_asks_for_the_history_and_each_other_for_the_last_four_days(fake, nights):
    nights.source = nights.source.model_copy(update={"history_days": 10})
    nights.extract()
    assert days_asked(fake) == [f"2026-06-{day}" for day in range(21, 31)]
    nights.next()
    nights.extract()
    assert days_asked(fake) == ["2026-06-28", "2026-06-29", "2026-06-30", "2026-07-01"]


def test_nights_that_were_missed_are_made_up_for(fake, nights):
    nights.extract()
    days_asked(fake)
    nights.next(5)
    nights.source = nights.source.model_copy(update={"history_days": 30})
    nights.extract()
    asked = days_asked(fake)
    assert asked[-8:] == [f"2026-06-{day}" for day in (28, 29, 30)] + [
        f"2026-07-0{day}" for day in range(1, 6)
    ]


def test_a_day_without_events_is_asked_for_no_more_once_it_is_settled(fake, nights):
    for _ in range(6):
        nights.extract()
        nights.next()
    days_asked(fake)
    nights.extract()
    assert len(days_asked(fake)) == 4
    assert nights.landed().height == 0


def test_a_day_that_is_read_again_replaces_what_was_known_of_it(fake, nights):
    fake.count(AS_OF, "page_view", 7, source="(data not available)")
    fake.count(AS_OF, "scroll", 5)
    fake.count(AS_OF, "click", 2)
    nights.extract()
    fake.count(AS_OF, "page_view", 0, source="(data not available)")
    fake.count(AS_OF, "page_view", 7, source="newsletter", medium="email")
    fake.count(AS_OF, "scroll", 6)
    nights.next()
    assert nights.extract().records == 3  # one gone, one new, one changed
    found = [(r["event_name"], r["event_count"], r["utm_source"]) for r in nights.rows()]
    assert found == [
        ("click", 2, "google"),
        ("page_view", 7, "newsletter"),
        ("scroll", 6, "google"),
    ]
    fake.count(AS_OF, "page_view", 7, source="(data not available)")  # back again
    nights.next()
    assert nights.extract().records == 1
    assert len(nights.rows()) == 4


def test_the_same_night_again_brings_nothing(fake, nights):
    fake.fill(AS_OF, days=4, groups=4)
    assert nights.extract().records == 16
    assert nights.extract().records == 0
    assert len(nights.rows()) == 16


# --- Pages -----------------------------------------------------------------------------------


@pytest.fixture
def small_pages(monkeypatch) -> None:
    monkeypatch.setattr(ga4_report, "PAGE_SIZE", 10)


@pytest.mark.parametrize("groups", [0, 1, 9, 10, 11, 20, 25])
def test_a_report_of_several_pages_is_whole(fake, nights, small_pages, groups):
    fake.fill(AS_OF, days=1, groups=groups)
    assert nights.extract().records == groups
    assert len({row["utm_source"] for row in nights.rows()}) == groups


class _Restless(Ga4Fake):
    """A property in which something happens between one page and the next."""

    happenings: list[Any]

    def _page(self, body: Any, metrics: list[str], offset: int, limit: int) -> Any:
        page = super()._page(body, metrics, offset, limit)
        if self.happenings and offset == 0 and page.get("rowCount", 0) > limit:
            self.happenings.pop()()
        return page


@pytest.fixture
def restless(stage, nights) -> tuple[_Restless, Nights]:
    fake = _Restless()
    fake.happenings = []
    fake.fill(AS_OF, days=1, groups=25)
    stage[0].fake = nights.fake = fake
    return fake, nights


@pytest.mark.parametrize("answer", [{"rowCount": 30}, {"rowCount": 30, "rows": []}])
def test_a_report_that_holds_less_than_it_says_is_a_source_that_is_down(
    fake, nights, answer, monkeypatch
):
    fake.fill(AS_OF, days=4, groups=2)
    page = fake._page
    monkeypatch.setattr(fake, "_page", lambda *asked: {**page(*asked), **answer})
    with pytest.raises(SourceDownError, match="change while they are read"):
        nights.extract()


@pytest.mark.parametrize("also_comes", [False, True])
def test_a_group_that_goes_between_two_pages_makes_no_other_one_be_missed(
    restless, small_pages, also_comes
):
    fake, nights = restless

    def shift() -> None:
        fake.count(AS_OF, "page_view", 0, source="partner-000003")
        if also_comes:
            fake.count(AS_OF, "zoom")

    fake.happenings = [shift]
    nights.extract()
    assert {row["utm_source"] for row in nights.rows()} >= {
        f"partner-{number:06d}" for number in range(25) if number != 3
    }
    assert len(nights.rows()) == (25 if also_comes else 24)


def test_a_report_that_never_stands_still_is_a_source_that_is_down(restless, small_pages):
    fake, nights = restless
    fake.happenings = [
        lambda n=n: fake.count(AS_OF, "page_view", 0, source=f"partner-00000{n}") for n in range(9)
    ]
    with pytest.raises(SourceDownError, match="change while they are read"):
        nights.extract()


# --- Logins ----------------------------------------------------------------------------------


def test_a_token_that_dies_is_renewed(fake, nights):
    fake.token_calls = 1
    fake.fill(AS_OF, days=4, groups=2)
    assert nights.extract().records == 8


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"client_email": None}, "key file"),
        ({"private_key": None}, "key file"),
        ({"private_key": "-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----"}, "key file"),
        ({"private_key": "hidden"}, "key file"),
        ({"client_email": "other@demo.iam.gserviceaccount.com"}, "invalid_grant"),
        ({"private_key_id": "old"}, "invalid_request"),
        ({"private_key_id": None}, "invalid_request"),
    ],
)
def test_a_wrong_key_is_told_in_a_sentence_that_does_not_hold_it(nights, change, told):
    nights.secrets = Ga4Secrets.model_validate({**key_file(), **change})
    with pytest.raises(AccessRefusedError, match=told) as caught:
        nights.extract()
    assert "hidden" not in str(caught.value)
    assert "BEGIN" not in str(caught.value)


def test_a_service_account_that_may_not_see_the_property_is_told_so(nights):
    nights.source = nights.source.model_copy(update={"property_id": "1"})
    with pytest.raises(CallRefusedError, match="PERMISSION_DENIED") as caught:
        nights.extract()
    assert not caught.value.heals


def test_no_secret_gets_into_the_log_or_the_parts(fake, nights):
    fake.fill(AS_OF, days=1, groups=2)
    nights.extract()
    kept = str(nights.log) + str(nights.told)
    kept += "".join(p.read_bytes().decode("latin1") for p in nights.raw.rglob("*.parquet"))
    for secret in ("token-1", "BEGIN PRIVATE KEY", "assertion", "gserviceaccount"):
        assert secret not in kept


# --- What goes wrong -------------------------------------------------------------------------


def _answer(status: int, content: Any) -> httpx.Response:
    return httpx.Response(status, json=content)


def _error(status: int, code: str, message: str = "") -> httpx.Response:
    return httpx.Response(status, content=error_body(status, code, message))


CONCURRENT = "Exhausted concurrent requests quota. Please wait for a request to complete"
HOURLY = "Exhausted property tokens per hour. These quota tokens will return in under an hour."


@pytest.mark.parametrize(
    ("response", "verdict", "told"),
    [
        (_answer(200, {}), Verdict.ok, ""),
        (_error(401, "UNAUTHENTICATED"), Verdict.reauth, "UNAUTHENTICATED"),
        (_error(403, "PERMISSION_DENIED"), Verdict.fatal, "PERMISSION_DENIED"),
        (_error(400, "INVALID_ARGUMENT", "name"), Verdict.fatal, "INVALID_ARGUMENT"),
        (_error(404, "NOT_FOUND"), Verdict.fatal, "NOT_FOUND"),
        (_error(429, "RESOURCE_EXHAUSTED", HOURLY), Verdict.quota, "RESOURCE_EXHAUSTED"),
        (_error(403, "RESOURCE_EXHAUSTED", HOURLY), Verdict.quota, "RESOURCE_EXHAUSTED"),
        (_error(429, "RESOURCE_EXHAUSTED", CONCURRENT), Verdict.retry, "RESOURCE_EXHAUSTED"),
        (_error(503, "UNAVAILABLE"), Verdict.retry, "UNAVAILABLE"),
        (_error(500, "INTERNAL"), Verdict.retry, "INTERNAL"),
        (httpx.Response(502, content=b"<html>"), Verdict.retry, "HTTP 502"),
        (_answer(429, {"error": "odd"}), Verdict.retry, "HTTP 429"),
    ],
)
def test_an_answer_is_judged_by_its_status_and_its_body(nights, response, verdict, told):
    api = ga4_report.DataApi(
        nights.source, nights.secrets, nights.now, nights.log.append, nights.sleeps.append
    )
    answer = api.classify(response)
    api.close()
    assert (answer.verdict, answer.told) == (verdict, told)


def test_the_days_tokens_spent_end_the_night_at_once_and_the_next_goes_on(fake, nights):
    fake.fill(AS_OF, days=4, groups=2)
    fake.tokens_left = 12
    with pytest.raises(QuotaSpentError, match="RESOURCE_EXHAUSTED"):
        nights.extract()
    assert nights.sleeps == []
    assert len(nights.rows()) == 4  # two days are kept
    fake.tokens_left = 200_000
    days_asked(fake)
    nights.extract()
    assert "2026-06-30" in days_asked(fake)
    assert len(nights.rows()) == 8
    assert nights.told[-1] == "199,985 of the property's tokens are left today"


def test_two_server_errors_are_tried_again_and_a_third_is_not(fake, nights):
    fake.count(AS_OF, "page_view")
    fake.faults = [Fault(503, error_body(503, "UNAVAILABLE", ""), path=REPORT, times=2)]
    assert nights.extract().records == 1
    fake.faults = [Fault(503, error_body(503, "UNAVAILABLE", ""), path=REPORT, times=None)]
    fake.calls.clear()
    with pytest.raises(QuotaSpentError, match="UNAVAILABLE") as caught:
        nights.extract()
    assert len(fake.data_calls()) == 3
    assert not caught.value.heals  # nor will Airflow try again


def test_no_run_comes_near_the_ten_server_errors_that_close_a_property(fake, nights):
    nights.source = nights.source.model_copy(update={"history_days": 30})
    fake.faults = [
        Fault(500, error_body(500, "INTERNAL", ""), path=REPORT, nth=nth) for nth in range(1, 40)
    ]
    for fault in fake.faults[1::2]:
        fault.times = 0  # every second call is answered
    with pytest.raises(QuotaSpentError):
        nights.extract()
    assert sum(entry.get("status") == 500 for entry in nights.log) == 8


def test_calls_side_by_side_with_others_wait_for_them(fake, nights):
    body = error_body(429, "RESOURCE_EXHAUSTED", CONCURRENT)
    fake.faults = [Fault(429, body, path=REPORT)]
    nights.extract()
    assert nights.sleeps == [30.0]


def test_an_answer_that_is_cut_off_is_asked_for_again(fake, nights):
    fake.fill(AS_OF, days=1, groups=5)
    fake.faults = [Fault(path=REPORT, nth=3, cut=200)]
    assert nights.extract().records == 5


def test_small_groups_that_google_hides_are_told_of(fake, nights):
    fake.hides_small_groups = True
    fake.count(AS_OF, "page_view")
    nights.extract()
    assert f"{AS_OF}: Google hides small groups, or lumps rare ones together" in nights.told


def test_a_source_can_be_tried_without_a_night(fake, nights):
    fake.fill(date(2026, 6, 29), days=1, groups=25)
    assert check_ga4(nights.source, nights.secrets, nights.now) == "25 totals for yesterday"
    assert not nights.raw.exists()
