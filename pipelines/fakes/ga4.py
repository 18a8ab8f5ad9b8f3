"""A stand-in for the Google Analytics Data API v1beta: logins of a service account, and reports."""

import json
from collections import defaultdict
from collections.abc import Iterable
from datetime import date, timedelta
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from pipelines.fakes.fake import Fake, as_json

PROPERTY_ID = "123456789"
SERVICE_ACCOUNT = "reader@demo.iam.gserviceaccount.com"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
DIMENSIONS = ("eventName", "countryId", "sessionSource", "sessionMedium")
METRICS = {
    "eventCount": "TYPE_INTEGER",
    "userEngagementDuration": "TYPE_SECONDS",
    "purchaseRevenue": "TYPE_CURRENCY",
}
MAX_LIMIT, DEFAULT_LIMIT = 250_000, 10_000
TOKENS_A_REPORT, TOKENS_A_DAY = 5, 200_000
Group = tuple[str, ...]


@cache
def _key_pair() -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=2048)


def key_file() -> dict[str, str]:
    """The key file of the service account, as Google's console hands it out."""
    pem = _key_pair().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return {
        "type": "service_account",
        "project_id": "demo",
        "private_key_id": "demo-key",
        "private_key": pem.decode(),
        "client_email": SERVICE_ACCOUNT,
        "token_uri": "https://oauth2.googleapis.com/token",
    }


class Ga4Fake(Fake):
    """One property."""

    login_path = "/token"

    def __init__(self) -> None:
        self.totals: dict[date, dict[Group, list[str]]] = defaultdict(dict)
        self.tokens_left = TOKENS_A_DAY
        self.time_zone, self.currency = "Europe/Berlin", "EUR"
        self.hides_small_groups = False
        self.asked: list[dict[str, Any]] = []  # the bodies of all reports asked for
        self._sorted: dict[date, list[Group]] = {}
        super().__init__()

    # -- what visitors do ----------------------------------------------------------------------

    def count(
        self,
        day: date,
        event: str,
        times: int = 1,
        *,
        country: str = "DE",
        source: str = "google",
        medium: str = "organic",
        seconds: int = 0,
        revenue: str = "0",
    ) -> None:
        """Set the total of a group of events of a day; none of them takes the group away."""
        group = (event, country, source, medium)
        if times:
            self.totals[day][group] = [str(times), str(seconds), revenue]
        else:
            self.totals[day].pop(group, None)
        self._sorted.pop(day, None)

    def fill(self, until: date, days: int, groups: int) -> None:
        """Make days with so many groups each."""
        for back in range(days):
            day = until - timedelta(days=back)
            for number in range(groups):
                self.count(day, "page_view", number + 1, source=f"partner-{number:06d}")

    # -- what it answers -----------------------------------------------------------------------

    def routes(self) -> Iterable[BaseRoute]:
        """Google's endpoints, as far as they are read."""
        return [
            Route(self.login_path, self._token, methods=["POST"]),
            Route("/v1beta/properties/{call}", self._report, methods=["POST"]),
        ]

    async def _token(self, request: Request) -> Response:
        form = await request.form()
        try:
            header = jwt.get_unverified_header(str(form.get("assertion")))
            claims = jwt.decode(
                str(form.get("assertion")),
                _key_pair().public_key(),
                algorithms=["RS256"],
                audience=str(request.url),
                options={"verify_exp": False, "verify_iat": False},  # this clock is our own
            )
        except jwt.InvalidTokenError:
            return _refusal("invalid_grant", "Invalid JWT Signature.")
        if header.get("kid") != "demo-key" or form.get("grant_type") != GRANT:
            return _refusal("invalid_request", "Missing parameter")
        if self.refuses_login or claims["iss"] != SERVICE_ACCOUNT:
            return _refusal("invalid_grant", "Invalid grant: account not found")
        if not claims["iat"] - 60 <= self.now.timestamp() <= claims["exp"] <= claims["iat"] + 3600:
            return _refusal("invalid_grant", "Invalid JWT: Token must be a short-lived token")
        if not claims["scope"].endswith("/auth/analytics.readonly"):
            return _refusal("invalid_scope", "Empty or missing scope not allowed.")
        return as_json(
            {"access_token": self.new_token(), "expires_in": 3599, "token_type": "Bearer"}
        )

    async def _report(self, request: Request) -> Response:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or not self.is_token_good(token):
            told = "Request had invalid authentication credentials."
            return error_of(401, "UNAUTHENTICATED", told)
        if request.path_params["call"] != f"{PROPERTY_ID}:runReport":
            told = "User does not have sufficient permissions for this property."
            return error_of(403, "PERMISSION_DENIED", told)
        if self.tokens_left < TOKENS_A_REPORT:
            return error_of(429, "RESOURCE_EXHAUSTED", TOKENS_SPENT)
        body = await request.json()
        self.asked.append(body)
        dimensions = [entry["name"] for entry in body["dimensions"]]
        metrics = [entry["name"] for entry in body["metrics"]]
        limit = int(body.get("limit", DEFAULT_LIMIT))
        if unknown := {*dimensions, *metrics} - {*DIMENSIONS, *METRICS}:
            return error_of(400, "INVALID_ARGUMENT", f"Field {min(unknown)} is not a valid field.")
        if tuple(dimensions) != DIMENSIONS or limit > MAX_LIMIT or len(body["dateRanges"]) != 1:
            return error_of(400, "INVALID_ARGUMENT", "not what this stand-in knows")
        self.tokens_left -= TOKENS_A_REPORT
        return as_json(self._page(body, metrics, int(body.get("offset", 0)), limit))

    def _page(
        self, body: dict[str, Any], metrics: list[str], offset: int, limit: int
    ) -> dict[str, Any]:
        """A page, without what is empty, as Google has it."""
        [span] = body["dateRanges"]
        if span["startDate"] != span["endDate"]:
            raise ValueError("this stand-in knows reports of one day only")
        day = date.fromisoformat(span["startDate"])
        groups = self._in_order(day)
        places = [list(METRICS).index(name) for name in metrics]
        rows = [
            {
                "dimensionValues": [{"value": value} for value in group],
                "metricValues": [{"value": self.totals[day][group][place]} for place in places],
            }
            for group in groups[offset : offset + limit]
        ]
        page = {
            "dimensionHeaders": [{"name": name} for name in DIMENSIONS],
            "metricHeaders": [{"name": name, "type": METRICS[name]} for name in metrics],
            "rows": rows,
            "rowCount": len(groups),
            "metadata": {
                "currencyCode": self.currency,
                "timeZone": self.time_zone,
                **({"subjectToThresholding": True} if self.hides_small_groups else {}),
            },
            "kind": "analyticsData#runReport",
        }
        if body.get("returnPropertyQuota"):
            spent = {"consumed": TOKENS_A_REPORT, "remaining": self.tokens_left}
            page["propertyQuota"] = {"tokensPerDay": spent, "tokensPerHour": spent}
        return {name: value for name, value in page.items() if value}

    def _in_order(self, day: date) -> list[Group]:
        if day not in self._sorted:
            self._sorted[day] = sorted(self.totals.get(day, {}))
        return self._sorted[day]


TOKENS_SPENT = (
    "Exhausted property tokens per day. These quota tokens will return in under 24 hours."
)


def _refusal(code: str, told: str) -> Response:
    return as_json({"error": code, "error_description": told}, 400)


def error_of(status: int, code: str, message: str) -> Response:
    """An error as Google's APIs tell it."""
    return Response(error_body(status, code, message), status, media_type="application/json")


def error_body(status: int, code: str, message: str) -> bytes:
    """The body of such an error."""
    return json.dumps({"error": {"code": status, "message": message, "status": code}}).encode()
