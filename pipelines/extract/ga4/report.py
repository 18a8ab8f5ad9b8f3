"""Daily totals of a Google Analytics 4 property, from the Data API (v1beta).

A report has no ids and no times of change, so a day is asked for again as long as Google changes
it, and replaces what was known of it. The property pays for each call in tokens (200,000 a day),
and is closed to us for an hour after ten server errors: after two retries we leave it in peace.

Not verified with a property of our own: the words of the 429 for too many calls at once, which is
the only 429 that heals within the night ("Exhausted concurrent requests quota.", as others met it).
"""

import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import httpx
import jwt
import msgspec
import polars as pl

from pipelines.errors import SourceDownError
from pipelines.extract.client import (
    Answer,
    ApiClient,
    Call,
    Log,
    Verdict,
    by_status,
    json_object,
    refused_login,
)
from pipelines.extract.ga4.days import CHANGES_FOR_DAYS, COLUMNS, ID, Days, quoted
from pipelines.extract.mapping import country_code
from pipelines.rules.source_types.ga4 import Ga4Secrets, Ga4Source

API_URL, LOGIN_URL = "https://analyticsdata.googleapis.com", "https://oauth2.googleapis.com/token"
SCOPE = "https://www.googleapis.com/auth/analytics.readonly"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
TOKEN_SECONDS = 3600
PAGE_SIZE = 250_000
DIMENSIONS = ("eventName", "countryId", "sessionSource", "sessionMedium")
METRICS = ("eventCount", "userEngagementDuration", "purchaseRevenue")
SECONDS = "try_cast(userEngagementDuration as double)"
REVENUE = "try_cast(purchaseRevenue as double)"
UNKNOWN = ("", "(not set)", "(data not available)")
RETRIES, ERRORS_A_RUN = 2, 8
READINGS = 3  # of a report that changes while its pages are read
TOO_MANY_AT_ONCE = "concurrent requests"
SECONDS_FOR_OTHERS = 30.0


class _Value(msgspec.Struct):
    value: str = ""


class _Row(msgspec.Struct, rename="camel"):
    dimension_values: list[_Value]
    metric_values: list[_Value]


class _Metadata(msgspec.Struct, rename="camel"):
    currency_code: str | None = None
    time_zone: str = "UTC"
    data_loss_from_other_row: bool = False
    subject_to_thresholding: bool = False


class _Left(msgspec.Struct):
    remaining: int | None = None


class _Quota(msgspec.Struct, rename="camel"):
    tokens_per_day: _Left = msgspec.field(default_factory=_Left)


class Report(msgspec.Struct, rename="camel"):
    """One page of a report; Google leaves out what is empty."""

    metadata: _Metadata  # always there; without it, it is no report, and no empty day
    rows: list[_Row] = []
    row_count: int = 0
    property_quota: _Quota = msgspec.field(default_factory=_Quota)


class DataApi:
    """Asks one property."""

    name = "Google Analytics"
    seconds_between_calls = 0.0  # what is limited is calls side by side, and tokens

    def __init__(
        self,
        source: Ga4Source,
        secrets: Ga4Secrets,
        started_at: datetime,
        log: Log,
        sleep: Callable[[float], None],
    ) -> None:
        self.source, self.secrets = source, secrets
        self.client = ApiClient(self, source.name, log, sleep)
        self.api = str(source.api_url or API_URL).rstrip("/")
        self.login = str(source.login_url or LOGIN_URL)
        self._started_at, self._began = started_at, time.monotonic()
        self._errors = self._errors_in_a_row = 0

    def close(self) -> None:
        """Close the connections."""
        self.client.close()

    # -- as a System ---------------------------------------------------------------------------

    def log_in(self, send: Callable[[Call], httpx.Response]) -> str:
        """A fresh access token, for a claim signed with the service account's key."""
        try:
            data = {"grant_type": GRANT, "assertion": self._claim()}
        except (ValueError, TypeError, jwt.PyJWTError):
            told = "client_email and private_key are not those of a service account's key file"
            raise refused_login(self.source.name, self.name, told) from None
        answer = json_object(send(Call("POST", self.login, data=data)))
        if token := answer.get("access_token"):
            return str(token)
        raise refused_login(self.source.name, self.name, str(answer.get("error", "no token")))

    def _claim(self) -> str:
        secret = self.secrets
        if not (secret.client_email and secret.private_key):
            raise ValueError
        now = self._started_at + timedelta(seconds=time.monotonic() - self._began)
        claims = {
            "iss": secret.client_email,
            "scope": SCOPE,
            "aud": self.login,
            "iat": int(now.timestamp()),
            "exp": int(now.timestamp()) + TOKEN_SECONDS,
        }
        headers = {"kid": secret.private_key_id} if secret.private_key_id else None
        return jwt.encode(claims, secret.private_key.get_secret_value(), "RS256", headers)

    def authorized(self, call: Call, token: str) -> Call:
        """A bearer token."""
        return call.with_header("Authorization", f"Bearer {token}")

    def classify(self, response: httpx.Response) -> Answer:
        """The status, and the code in the body; server errors are counted, for Google does too."""
        answer = by_status(response)
        self._errors_in_a_row = self._errors_in_a_row + 1 if response.status_code >= 500 else 0
        if response.status_code < 400:
            return answer
        body = json_object(response).get("error")
        error: dict[str, Any] = body if isinstance(body, dict) else {}
        told = str(error.get("status") or answer.told)
        if response.status_code >= 500:
            self._errors += 1
            if self._errors_in_a_row > RETRIES or self._errors >= ERRORS_A_RUN:
                return Answer(Verdict.quota, f"{told}; after ten in an hour it closes to us")
        if told == "RESOURCE_EXHAUSTED":
            if TOO_MANY_AT_ONCE in str(error.get("message", "")):
                return Answer(Verdict.retry, told, SECONDS_FOR_OTHERS)
            return Answer(Verdict.quota, told)
        return Answer(answer.verdict, told, answer.wait_seconds)

    # -- what is asked -------------------------------------------------------------------------

    def read(self, days: Days, oldest: date) -> None:
        """Bring in the days that are not known as they are to stay, the oldest first.

        Raises:
            C360Error: the property cannot be read; the days before are kept.
        """
        left = None
        for number in range((days.as_of - oldest).days + 1):
            day = oldest + timedelta(days=number)
            known = days.known.get(day)
            if known and (known.read_on - day).days >= CHANGES_FOR_DAYS:
                continue
            rows, report = self._whole_report(day)
            path = days.scratch / "report.parquet"
            _frame(rows).write_parquet(path)
            query = _mapping(day, report.metadata, f"read_parquet({quoted(path)})")
            days.replace(day, query, may_lose=self.source.max_vanished_share)
            left = report.property_quota.tokens_per_day.remaining
            if report.metadata.data_loss_from_other_row or report.metadata.subject_to_thresholding:
                days.tell(f"{day}: Google hides small groups, or lumps rare ones together")
        if left is not None:
            days.tell(f"{left:,} of the property's tokens are left today")

    def _whole_report(self, day: date) -> tuple[list[_Row], Report]:
        """All rows of a day; read again if it changed while its pages were read."""
        for _ in range(READINGS):
            report = self.ask(day, 0)
            rows, count = report.rows, report.row_count
            while len(rows) < count:
                # A page begins with the last row of the one before, or rows have moved.
                report = self.ask(day, max(len(rows) - 1, 0))
                joins = len(report.rows) > 1 and rows and _key(report.rows[0]) == _key(rows[-1])
                if not joins or report.row_count != count:
                    break
                rows += report.rows[1:]
            else:
                return rows, report
        raise SourceDownError(
            f"Source {self.source.name}: the totals of {day} change while they are read.",
            "Run the step again.",
        )

    def ask(self, day: date, offset: int, limit: int | None = None) -> Report:
        """One page of a day's totals.

        Raises:
            C360Error: the property does not answer, or refuses.
        """
        call = Call(
            "POST",
            f"{self.api}/v1beta/properties/{self.source.property_id}:runReport",
            json={
                "dateRanges": [{"startDate": day.isoformat(), "endDate": day.isoformat()}],
                "dimensions": [{"name": name} for name in DIMENSIONS],
                "metrics": [{"name": name} for name in METRICS],
                "orderBys": [{"dimension": {"dimensionName": name}} for name in DIMENSIONS],
                "limit": limit or PAGE_SIZE,
                "offset": offset,
                "returnPropertyQuota": True,
            },
        )
        report = self.client.ask(call, Report)
        if report is None:
            raise SourceDownError(
                f"Source {self.source.name}: the property answers with nothing at all.",
                "Run the step again.",
            )
        return report


def _key(row: _Row) -> tuple[str, ...]:
    return tuple(value.value for value in row.dimension_values)


def _frame(rows: list[_Row]) -> pl.DataFrame:
    told = [[*_key(row), *(metric.value for metric in row.metric_values)] for row in rows]
    schema = dict.fromkeys((*DIMENSIONS, *METRICS), pl.String)
    frame = pl.DataFrame(told, schema=schema, orient="row")
    codes = {name: country_code(name) for name in frame["countryId"].unique()}
    return frame.with_columns(
        pl.col("countryId").replace_strict(codes, return_dtype=pl.String).alias("country")
    )


def _mapping(day: date, metadata: _Metadata, rows: str) -> str:
    """The landing columns of a day's rows, as SQL.

    A total is dated at noon of the property, so that it is of that day in any zone nearby.
    """
    noon = datetime.combine(day, clock(12), _zone(metadata.time_zone)).astimezone(UTC)
    told = {
        "grain": "'daily'",
        "event_name": "eventName",
        "event_at": f"timestamp '{noon.replace(tzinfo=None)}'",
        "event_count": "try_cast(eventCount as bigint)",
        "utm_source": _known("sessionSource"),
        "utm_medium": _known("sessionMedium"),
        "country": "country",
        "value": f"case when {REVENUE} <> 0 then try_cast({REVENUE} as decimal(18, 4)) end",
        "currency": f"case when {REVENUE} <> 0 then {quoted(metadata.currency_code or '')} end",
        "engagement_time_ms": f"try_cast({SECONDS} * 1000 as bigint)",
    }
    columns = ", ".join(f"{told.get(name, 'null')} as {name}" for name in COLUMNS)
    key = f"concat_ws(chr(31), '{day}', {', '.join(DIMENSIONS)})"
    return f"select left(md5({key}), 24) as {ID}, {columns} from {rows}"  # noqa: S608


def _known(value: str) -> str:
    return f"case when {value} not in {UNKNOWN} then {value} end"


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")
