"""One HTTP client for every API: logs in, paces, retries what may heal, and says what will not.

What differs between vendors is a `System`: how it logs in, where a token goes, and what its answers
mean. Many report an error inside a 200, so an answer's meaning is never its status alone.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any, Protocol, TypeVar, cast

import httpx
import msgspec
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_exponential_jitter,
)

from pipelines.errors import AccessRefusedError, C360Error, QuotaSpentError, SourceDownError
from pipelines.wording import count_of

# httpx tells its log whole addresses, and those of some vendors hold a token or a secret.
logging.getLogger("httpx").setLevel(logging.WARNING)

TRIES = 6
LONGEST_WAIT_SECONDS = 300.0  # who asks for more has closed for the night
TIMEOUT = httpx.Timeout(120, connect=15)
BACKOFF = wait_exponential_jitter(initial=1, max=60)

Page = TypeVar("Page")
Log = Callable[[dict[str, Any]], None]


class Verdict(StrEnum):
    """What an answer means."""

    ok = "ok"
    empty = "empty"
    retry = "retry"
    reauth = "reauth"
    quota = "quota"
    fatal = "fatal"


@dataclass(frozen=True)
class Answer:
    """A verdict, the vendor's code for it (never a record's content), and the wait it asks for."""

    verdict: Verdict
    told: str = ""
    wait_seconds: float | None = None


@dataclass(frozen=True)
class Call:
    """One request, before a token is put where the vendor wants it.

    `is_repeatable`: False for what must not be done twice unseen; then one try is all there is.
    """

    method: str
    url: str
    params: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    json: dict[str, Any] | None = None
    data: dict[str, Any] | None = None
    is_repeatable: bool = True

    def with_header(self, name: str, value: str) -> "Call":
        """The same call with one more header."""
        return replace(self, headers={**self.headers, name: value})


class System(Protocol):
    """What is particular to one vendor's API."""

    name: str
    seconds_between_calls: float

    def log_in(self, send: Callable[[Call], httpx.Response]) -> str:
        """Get a fresh token.

        Raises:
            AccessRefusedError: the credentials are refused.
        """

    def authorized(self, call: Call, token: str) -> Call:
        """Put the token where the vendor wants it."""

    def classify(self, response: httpx.Response) -> Answer:
        """Say what an answer means."""


class _AgainError(Exception):
    """This attempt failed in a way that may heal."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.told)
        self.answer = answer


class CallRefusedError(C360Error):
    """The call itself is refused; `told` is the vendor's code."""

    heals = False

    def __init__(self, message: str, hint: str, told: str) -> None:
        super().__init__(message, hint)
        self.told = told


class ApiClient:
    """Asks one system on behalf of one configured source."""

    def __init__(
        self,
        system: System,
        source: str,
        log: Log,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.system = system
        self.source = source
        self._log = log
        self._sleep = sleep
        self.tries = TRIES
        self._token: str | None = None
        self._last_call = float("-inf")
        self._http = httpx.Client(timeout=TIMEOUT, headers={"User-Agent": "customer-360"})

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def ask(self, call: Call, page: type[Page]) -> Page | None:
        """The answer to a call, decoded; None where the vendor says there is nothing.

        `page` is a msgspec type, or bytes for an answer that is no JSON.

        Raises:
            SourceDownError: no usable answer after all tries.
            QuotaSpentError: the vendor will not answer for hours.
            AccessRefusedError: the login or a permission is refused.
            CallRefusedError: the call itself is refused.
        """
        tries = self.tries if call.is_repeatable else 1
        retrying = Retrying(
            stop=stop_after_attempt(tries),
            wait=_wait,
            retry=retry_if_exception_type(_AgainError),
            sleep=self._sleep,
            reraise=True,
        )
        try:
            return retrying(self._ask_once, call, page)
        except _AgainError as error:
            raise SourceDownError(
                f"Source {self.source}: {self.system.name} gave no usable answer after "
                f"{count_of(tries, 'try', 'tries')}: {error.answer.told}.",
                "Nothing that was read is lost: the next try goes on from there. See whether the "
                f"service is up (c360 sources check {self.source}), then run the step again.",
            ) from None

    def _ask_once(self, call: Call, page: type[Page]) -> Page | None:
        answer, response = self._send_with_token(call)
        if answer.verdict is Verdict.reauth:
            self._token = None
            answer, response = self._send_with_token(call)
        match answer.verdict:
            case Verdict.empty:
                return None
            case Verdict.ok:
                return _decode(response, page)
        raise self._failure(answer)

    def _send_with_token(self, call: Call) -> tuple[Answer, httpx.Response]:
        if self._token is None:
            self._token = self.system.log_in(self._send_login)
        return self._send(self.system.authorized(call, self._token), self.system.classify)

    def _send_login(self, call: Call) -> httpx.Response:
        """Send a call for a token; only the status is judged here, the rest by the system."""
        answer, response = self._send(call, by_status)
        if answer.verdict in (Verdict.retry, Verdict.quota):
            raise self._failure(answer)
        return response

    def _send(
        self, call: Call, classify: Callable[[httpx.Response], Answer]
    ) -> tuple[Answer, httpx.Response]:
        self._pace()
        began = time.monotonic()
        entry = {"method": call.method, "path": httpx.URL(call.url).path}
        try:
            response = self._http.request(
                call.method, call.url, params=call.params or None, headers=call.headers,
                json=call.json, data=call.data,
            )  # fmt: skip
        except httpx.RequestError as error:
            self._log({**entry, "error": type(error).__name__})
            told = f"{type(error).__name__} at {httpx.URL(call.url).host}"
            raise _AgainError(Answer(Verdict.retry, told)) from None
        answer = classify(response)
        self._log(
            {
                **entry,
                "status": response.status_code,
                "verdict": answer.verdict.value,
                "told": answer.told,
                "bytes": len(response.content),
                "ms": round((time.monotonic() - began) * 1000),
            }
        )
        return answer, response

    def _pace(self) -> None:
        wait = self._last_call + self.system.seconds_between_calls - time.monotonic()
        if wait > 0:
            self._sleep(wait)
        self._last_call = time.monotonic()

    def _failure(self, answer: Answer) -> Exception:
        where = f"Source {self.source}: {self.system.name}"
        if answer.verdict is Verdict.retry and (answer.wait_seconds or 0) <= LONGEST_WAIT_SECONDS:
            return _AgainError(answer)
        if answer.verdict in (Verdict.retry, Verdict.quota):
            return QuotaSpentError(
                f"{where} takes no more calls for now: {answer.told}.",
                "The quota is spent. What was read is kept; the next night goes on from there. "
                "If it happens again, raise the quota or read fewer streams.",
            )
        if answer.verdict is Verdict.reauth:
            return refused_login(self.source, self.system.name, answer.told)
        return CallRefusedError(
            f"{where} refuses the call: {answer.told}.",
            f"Check the source's entry in sources.yml and the login's permissions: "
            f"c360 sources check {self.source}.",
            answer.told,
        )


def refused_login(source: str, system: str, told: str) -> AccessRefusedError:
    """The error of a login or permission that a person has to mend."""
    return AccessRefusedError(
        f"Source {source}: {system} refuses the login: {told}.",
        f"Renew it in the Airflow Connection {source}, or in C360_SOURCE_{source.upper()}; "
        f"c360 sources check {source} tries it.",
    )


def by_status(response: httpx.Response) -> Answer:
    """What a status means where the vendor has nothing more to say."""
    status = response.status_code
    told = f"HTTP {status}"
    if status in (204, 304):
        return Answer(Verdict.empty, told)
    if status < 300:
        return Answer(Verdict.ok)
    if status == 401:
        return Answer(Verdict.reauth, told)
    if status in (408, 425, 429) or status >= 500:
        return Answer(Verdict.retry, told, retry_after(response))
    return Answer(Verdict.fatal, told)


def json_object(response: httpx.Response) -> dict[str, Any]:
    """The JSON object in an answer; empty where there is none."""
    try:
        content = msgspec.json.decode(response.content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return content if isinstance(content, dict) else {}


def retry_after(response: httpx.Response) -> float | None:
    """Seconds the vendor asks to wait, told as a number or as a date; None if it does not say.

    A date counts from the answer's own Date header, so that our clock does not matter.
    """
    asked = response.headers.get("Retry-After", "").strip()
    if asked.isdigit():
        return float(asked)
    try:
        until, now = (_instant(text) for text in (asked, response.headers["Date"]))
    except (ValueError, KeyError):
        return None
    return max(0.0, (until - now).total_seconds())


def _instant(text: str) -> datetime:
    moment = parsedate_to_datetime(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _wait(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, _AgainError) and error.answer.wait_seconds is not None:
        return error.answer.wait_seconds
    return BACKOFF(state)


def _decode(response: httpx.Response, page: type[Page]) -> Page:
    """A page cut off on its way, or an error page in its place, may be whole the next time."""
    if page is bytes:
        return cast(Page, response.content)
    try:
        return msgspec.json.decode(response.content, type=page)
    except (msgspec.DecodeError, UnicodeDecodeError):
        kind = response.headers.get("Content-Type", "no content type").split(";")[0]
        told = f"{len(response.content)} bytes of {kind} that are not the JSON expected"
        raise _AgainError(Answer(Verdict.retry, told)) from None
