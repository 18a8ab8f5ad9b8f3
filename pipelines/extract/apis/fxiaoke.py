"""Fxiaoke (ShareCRM), Open API v2: contacts, accounts, follow-ups, cases, orders, members, points.

Every object has one list, asked for by POST. An offset shifts when records change and ends at
10,000, so a list is read as the vendor's manual says: within fixed times of change in the order of
`_id`, each page from after the last id. What changes while we read leaves those times and comes the
next night. Answers are 200 whatever they say; `errorCode` tells.

From the vendor's manual and other people's code, and not verified with an account: the codes that
are not marked as seen; that voided records (is_deleted, life_status invalid) come in the list; that
labels (x__r) come with the fields asked for; that fields which an object does not have are passed
over; the fields marked (?) in the YAML. How much one page may hold is told differently in different
places, so a short page is no end. What is deleted for good without having been voided for a night
is found by `compare` only.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import httpx
import msgspec
import yaml

from pipelines.errors import QuotaSpentError, SourceDownError
from pipelines.extract.client import (
    Answer,
    ApiClient,
    Call,
    CallRefusedError,
    Log,
    Verdict,
    by_status,
    json_object,
    refused_login,
)
from pipelines.extract.connector import Ask, Page, Record, Stream
from pipelines.extract.mapping import (
    Fields,
    Row,
    Rows,
    country_code,
    from_epoch,
    load_mappings,
    parse_time,
)
from pipelines.rules.source_types.fxiaoke import FxiaokeSecrets, FxiaokeSource

SYSTEM = "fxiaoke"
API = "https://open.fxiaoke.com"
MAPPINGS = load_mappings(SYSTEM)
_MORE = yaml.safe_load(Path(__file__).with_name("fxiaoke.yml").read_text(encoding="utf-8"))
OBJECTS: dict[str, str] = {name: entry["object"] for name, entry in _MORE["streams"].items()}
VALUES: dict[str, dict[str, str]] = _MORE["values"]

# What an errorCode means; those not listed say that the call or a permission is wrong.
CODES = {
    20016: Verdict.reauth,  # corpAccessToken unknown or expired; seen
    20005: Verdict.reauth,  # accessToken unknown or expired; manual
    11014: Verdict.reauth,  # corpAccessToken not valid; manual
    -1: Verdict.retry,  # busy; manual
    -2: Verdict.retry,  # system error; manual
    50009: Verdict.retry,  # timed out inside; manual
    14001: Verdict.retry,  # too many calls; manual, which of the limits it does not say
    30004: Verdict.retry,  # too many calls at once; manual
    30002: Verdict.quota,  # the day's calls are spent, until midnight; manual
    30003: Verdict.quota,  # no calls were bought; manual
}
TOO_FAST = (14001, 30004)
WINDOW_SECONDS = 20.0  # the limit is 100 calls in so long

# How a follow-up names what it is about, and the field that says the same of one object.
RELATED = {
    "AccountObj": "account_id",
    "ContactObj": "contact_id",
    "NewOpportunityObj": "new_opportunity_id",
    "CasesObj": "case_id",
}
# Labels, names and details that the service makes beside a field; of employees they tell too much.
DERIVED = re.compile(r"__(r|l|o|v|p|e|relation_ids)$")
HOME_TIME = timezone(timedelta(hours=8))  # a date is the midnight that begins it here


class _Data(msgspec.Struct):
    dataList: list[msgspec.Raw]  # noqa: N815 - the vendor's name


class _List(msgspec.Struct):
    data: _Data


class _Stamp(msgspec.Struct):
    """What must be known of a record to file it."""

    id: str = msgspec.field(name="_id")
    last_modified_time: Any = None
    is_deleted: Any = False
    life_status: Any = None


class Connector:
    """Reads one company's CRM, as one of its employees sees it."""

    system = SYSTEM
    name = "Fxiaoke"
    overlap = timedelta(minutes=5)

    def __init__(
        self,
        source: FxiaokeSource,
        secrets: FxiaokeSecrets,
        log: Log,
        sleep: Callable[[float], None],
    ) -> None:
        self.source, self.secrets = source, secrets
        self.seconds_between_calls = source.seconds_between_calls
        self.api = str(source.api_url or API).rstrip("/")
        self.corp_id = ""
        self.client = ApiClient(self, source.name, log, sleep)

    # -- as a System ---------------------------------------------------------------------------

    def log_in(self, send: Callable[[Call], httpx.Response]) -> str:
        """A fresh access token; the company's id comes with it."""
        secret = self.secrets
        response = send(
            Call(
                "POST",
                f"{self.api}/cgi/corpAccessToken/get/V2",
                json={
                    "appId": secret.app_id,
                    "appSecret": secret.app_secret.get_secret_value(),
                    "permanentCode": secret.permanent_code.get_secret_value(),
                },
            )
        )
        told = json_object(response)
        if token := told.get("corpAccessToken"):
            self.corp_id = str(told.get("corpId", ""))
            return str(token)
        answer = self.classify(response)
        if not told or answer.verdict in (Verdict.retry, Verdict.quota):
            failure = QuotaSpentError if answer.verdict is Verdict.quota else SourceDownError
            raise failure(
                f"Source {self.source.name}: {self.name} gives no token for now: "
                f"{answer.told or 'no JSON'}.",
                "Run the step again later; more than 10 logins a minute are refused.",
            )
        raise refused_login(self.source.name, self.name, answer.told or "no token")

    def authorized(self, call: Call, token: str) -> Call:
        """Who calls stands in the body, beside what is asked for."""
        caller = {
            "corpAccessToken": token,
            "corpId": self.corp_id,
            "currentOpenUserId": self.source.open_user_id,
        }
        return replace(call, json={**(call.json or {}), **caller})

    def classify(self, response: httpx.Response) -> Answer:
        """The status says little: the code in the body decides."""
        answer = by_status(response)
        code = json_object(response).get("errorCode", 0)
        if answer.verdict is not Verdict.ok or code in (0, "0"):
            return answer
        number = int(code) if str(code).lstrip("-").isdigit() else None
        wait = WINDOW_SECONDS if number in TOO_FAST else None
        verdict = CODES.get(number, Verdict.fatal) if number is not None else Verdict.fatal
        return Answer(verdict, f"errorCode {number}", wait)

    # -- as a Connector ------------------------------------------------------------------------

    def streams(self) -> tuple[Stream, ...]:
        """The objects that are configured."""
        source = self.source
        wanted = source.streams or [name for name in STREAMS if name != "persons"]
        persons = {"accounts": "persons"} if source.accounts_are == "persons" else {}
        return tuple(
            replace(STREAMS[persons.get(name, name)], scan=name in source.compare)
            for name in STREAMS
            if name in wanted
        )

    def pages(self, stream: Stream, ask: Ask) -> Iterator[Page]:
        """Page after page in the order of ids; a page that holds nothing is the end."""
        last: str = ask.resume or ""
        while raws := self._ask(stream, ask, last):
            records = [_record(raw) for raw in raws]
            ids = [last, *(record.id for record in records)]
            if sorted(set(ids)) != ids:  # to go on from the last id would leave others out
                raise SourceDownError(
                    f"Source {self.source.name}: {self.name} does not list {OBJECTS[stream.name]} "
                    "in the order of ids.",
                    "What was read is kept. Run the step again; if it stays so, the API changed.",
                )
            last = ids[-1]
            yield Page(records, last)

    def _ask(self, stream: Stream, ask: Ask, last: str) -> list[msgspec.Raw]:
        name = OBJECTS[stream.name]
        query = {
            "limit": self.source.page_size,
            "offset": 0,
            "filters": _filters(stream, ask, last),
            "orders": [{"fieldName": "_id", "isAsc": True}],
            "fieldProjection": MAPPINGS[stream.name].source_fields(
                self.source.fields.get(stream.name, {})
            ),
        }
        data = {
            "dataObjectApiName": name,
            "find_explicit_total_num": False,  # to count takes the service longer than to list
            "search_query_info": query,
        }
        call = Call("POST", f"{self.api}/cgi/crm/v2/data/query", json={"data": data})
        try:
            page = self.client.ask(call, _List)
        except CallRefusedError as error:
            raise CallRefusedError(
                f"Source {self.source.name}: {self.name} refuses to list {name}: {error.told}.",
                f"If the company has no {name}, leave {stream.name} out of `streams`; else see "
                "what the employee of open_user_id may read.",
                error.told,
            ) from None
        return page.data.dataList if page else []


def parse(stream: str, record: dict[str, Any], own: Fields | None = None) -> Rows:
    """The landing rows of a record as Fxiaoke sends it."""
    mapping = MAPPINGS[stream]
    if "related_object_data" in record:
        record = {**_related(record), **record}
    row = mapping.row(record, own)
    for column, field in {**mapping.fields, **(own or {})}.items():
        if column in row:
            row[column] = _shown(column, field, record, row[column])
    if extra := {k: v for k, v in row.pop("extra", {}).items() if not DERIVED.search(k)}:
        row["extra"] = extra
    if "country_code" in row:
        row["country_code"] = country_code(row["country_code"])
    if stream in ("orders", "refunds"):
        state = record.get("life_status")
        row["status"] = VALUES["life_status"].get(str(state)) or row.get("status") or state
    elif stream == "activities":
        row["activity_type"] = _value("activity_type", row, "followup")
    elif stream == "cases":
        row["case_type"] = _value("case_type", row, "other")
    elif stream == "points":
        row["entry_type"] = _value("entry_type", row, _by_sign(row))
    elif stream == "growth":
        change = {"change_growth_value": record.get("change_growth_value")}
        row["extra"] = change | extra
    yield mapping.tables[0], row


def _related(record: dict[str, Any]) -> dict[str, str]:
    """The first account, contact, opportunity and case that a follow-up is about."""
    related = record["related_object_data"]
    named = [one for one in related if isinstance(one, dict)] if isinstance(related, list) else []
    return {
        RELATED[one["describe_api_name"]]: str(one["id"])
        for one in reversed(named)
        if one.get("describe_api_name") in RELATED and one.get("id")
    }


def _shown(column: str, field: str, record: dict[str, Any], value: Any) -> Any:
    """A value as its column takes it: ids as they are, codes by their label, times as ISO 8601."""
    if column.endswith("_id"):  # an employee stands in a list, even if there can be only one
        return next(iter(value), None) if isinstance(value, list) else value
    if column == "currency":
        return value
    label = record.get(f"{field}__r")
    if isinstance(label, str) and label:
        return label
    if field.endswith("_id"):
        return None  # a name is wanted, and an id is none
    if column == "birth_date":
        return _day(value)
    return from_epoch(value) if column.endswith("_at") else value


def _day(value: Any) -> Any:
    moment = parse_time(from_epoch(value))
    return moment.astimezone(HOME_TIME).date().isoformat() if moment else value


def _value(column: str, row: Row, default: str) -> str:
    """The landing contract's word for what a company calls it."""
    text = str(row.get(column, "")).lower()
    return next((value for word, value in VALUES[column].items() if word in text), default)


def _by_sign(row: Row) -> str:
    points = str(row.get("points_delta") or "").strip()
    if not points:
        return "adjust"
    return "redeem" if points.startswith("-") else "earn"


def _filters(stream: Stream, ask: Ask, last: str) -> list[dict[str, Any]]:
    told: list[tuple[str, str, str]] = []
    if ask.since:
        told.append(("last_modified_time", "GTE", _milliseconds(ask.since)))
    if not stream.scan:  # what changes meanwhile must not be missed where missing means deleted
        told.append(("last_modified_time", "LTE", _milliseconds(ask.until)))
    if last:
        told.append(("_id", "GT", last))
    return [
        {"field_name": field, "operator": operator, "field_values": [value]}
        for field, operator, value in told
    ]


def _milliseconds(moment: datetime) -> str:
    return str(int(moment.timestamp() * 1000))


def _record(raw: msgspec.Raw) -> Record:
    """A record, or the tombstone of one that was voided; what it held is nobody's business then."""
    stamp = msgspec.json.decode(raw, type=_Stamp)
    modified = parse_time(from_epoch(stamp.last_modified_time))
    if stamp.life_status == "invalid" or stamp.is_deleted in (True, "true", "1"):
        return Record(stamp.id, b"", modified, "delete")
    return Record(stamp.id, bytes(raw), modified)


STREAMS = {
    name: Stream(name, mapping.tables, always=("_id", "last_modified_time"))
    for name, mapping in MAPPINGS.items()
}
