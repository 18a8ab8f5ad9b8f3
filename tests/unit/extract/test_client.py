from dataclasses import dataclass, field

import httpx
import msgspec
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pipelines.errors import AccessRefusedError, QuotaSpentError, SourceDownError
from pipelines.extract import client
from pipelines.extract.client import (
    ApiClient,
    Call,
    CallRefusedError,
    Verdict,
    by_status,
    retry_after,
)
from pipelines.fakes.fake import Fake, Fault, as_json
from pipelines.fakes.serving import serving


class Echo(Fake):
    """Answers a token's holder with a number."""

    def routes(self):
        return [Route("/token", self._token, methods=["POST"]), Route("/number", self._number)]

    async def _token(self, request: Request) -> Response:
        return as_json({"token": self.new_token()})

    async def _number(self, request: Request) -> Response:
        if not self.is_token_good(request.headers.get("Authorization", "")):
            return Response(status_code=401)
        return as_json({"number": 7})


@dataclass
class EchoSystem:
    url: str
    name: str = "Echo"
    seconds_between_calls: float = 0.0
    logins: list[int] = field(default_factory=list)

    def log_in(self, send):
        response = send(Call("POST", f"{self.url}/token"))
        self.logins.append(response.status_code)
        return response.json()["token"]

    def authorized(self, call, token):
        return call.with_header("Authorization", token)

    def classify(self, response):
        return by_status(response)


class Number(msgspec.Struct):
    number: int


@pytest.fixture
def echo():
    fake = Echo()
    with serving(fake) as fake.url:
        yield fake


@pytest.fixture
def asked(echo):
    """A client, what it logged and how long it slept."""
    log, sleeps = [], []
    made = ApiClient(EchoSystem(echo.url), "crm", log.append, sleeps.append)
    made.log, made.sleeps = log, sleeps
    yield made
    made.close()


def ask(made, echo):
    return made.ask(Call("GET", f"{echo.url}/number", params={"secret": "s3cr3t"}), Number)


def test_an_answer_is_decoded_into_the_asked_type(asked, echo):
    assert ask(asked, echo) == Number(7)
    assert asked.system.logins == [200]


def test_a_token_is_used_until_it_dies(asked, echo):
    echo.token_calls = 3
    for _ in range(7):
        ask(asked, echo)
    assert len(asked.system.logins) == 3


def test_a_fresh_token_that_is_refused_too_is_a_refused_login_not_a_loop(asked, echo):
    echo.faults = [Fault(401, path="/number", times=None)]
    with pytest.raises(AccessRefusedError, match="Source crm: Echo refuses the login: HTTP 401"):
        ask(asked, echo)
    assert echo.calls.count("/number") == 2


def test_a_login_service_that_is_down_is_tried_again(asked, echo):
    echo.faults = [Fault(503, path="/token", times=2)]
    assert ask(asked, echo) == Number(7)
    assert len(asked.sleeps) == 2


def test_a_wait_of_hours_is_not_waited_for(asked, echo):
    echo.faults = [Fault(429, headers={"Retry-After": "7200"}, path="/number")]
    with pytest.raises(QuotaSpentError, match="takes no more calls for now: HTTP 429"):
        ask(asked, echo)
    assert asked.sleeps == []


def test_tries_and_waits_are_bounded(asked, echo):
    echo.faults = [Fault(502, path="/number", times=None)]
    with pytest.raises(SourceDownError, match="HTTP 502"):
        ask(asked, echo)
    assert echo.calls.count("/number") == client.TRIES
    assert len(asked.sleeps) == client.TRIES - 1
    assert sum(asked.sleeps) <= 600


@pytest.mark.parametrize("fault", [{"status": 502}, {"status": 200, "body": b"{"}])
def test_what_must_not_be_done_twice_unseen_is_tried_once(asked, echo, fault):
    echo.faults = [Fault(path="/number", times=None, **fault)]
    call = Call("GET", f"{echo.url}/number", is_repeatable=False)
    with pytest.raises(SourceDownError, match="after 1 try"):
        asked.ask(call, Number)
    assert echo.calls.count("/number") == 1
    assert asked.sleeps == []


def test_a_call_that_is_wrong_is_not_repeated(asked, echo):
    echo.faults = [Fault(400, path="/number")]
    with pytest.raises(CallRefusedError) as refused:
        ask(asked, echo)
    assert (refused.value.told, refused.value.heals, asked.sleeps) == ("HTTP 400", False, [])


@pytest.mark.parametrize("body", [b'{"number": "seven"}', b"\xff\xfe", b'{"number": 7'])
def test_an_answer_of_another_shape_is_asked_for_again(asked, echo, body):
    echo.faults = [Fault(200, body, path="/number")]
    assert ask(asked, echo) == Number(7)
    assert len(asked.sleeps) == 1


def test_nobody_there_is_a_source_that_is_down(asked):
    call = Call("GET", "http://127.0.0.1:1/number")
    asked.system.url = "http://127.0.0.1:1"
    with pytest.raises(SourceDownError, match="ConnectError"):
        asked.ask(call, Number)


def test_the_log_has_the_path_and_the_outcome_and_no_parameter_or_token(asked, echo):
    ask(asked, echo)
    login, number = asked.log
    assert login["path"] == "/token"
    assert {"method": "GET", "path": "/number", "status": 200, "verdict": "ok"}.items() <= (
        number.items()
    )
    assert "s3cr3t" not in str(asked.log)
    assert "token-1" not in str(asked.log)


def test_calls_keep_their_distance(asked, echo):
    asked.system.seconds_between_calls = 30.0
    for _ in range(3):
        ask(asked, echo)
    assert len(asked.sleeps) == 3  # the login, and three numbers
    assert all(29 < pause <= 30 for pause in asked.sleeps)


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (200, Verdict.ok), (201, Verdict.ok), (204, Verdict.empty), (304, Verdict.empty),
        (302, Verdict.fatal), (400, Verdict.fatal), (401, Verdict.reauth), (403, Verdict.fatal),
        (404, Verdict.fatal), (408, Verdict.retry), (429, Verdict.retry), (500, Verdict.retry),
        (503, Verdict.retry),
    ],
)  # fmt: skip
def test_a_status_alone_means(status, verdict):
    assert by_status(httpx.Response(status)).verdict is verdict


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "12"}, 12.0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "Tue, 30 Jun 2026 12:00:09 GMT"}, None),
        (
            {
                "Retry-After": "Tue, 30 Jun 2026 12:00:09 GMT",
                "Date": "Tue, 30 Jun 2026 12:00:00 GMT",
            },
            9.0,
        ),
        (
            {
                "Retry-After": "Tue, 30 Jun 2026 11:00:00 GMT",
                "Date": "Tue, 30 Jun 2026 12:00:00 GMT",
            },
            0.0,
        ),
    ],
)
def test_the_wait_that_is_asked_for(headers, seconds):
    assert retry_after(httpx.Response(429, headers=headers)) == seconds
