"""HubSpot CRM, API 2026-09: contacts, companies, deals, tickets, activities and e-mail consent.

The first time a plain list is read; then what has changed is searched for. No query of the search
gives more than 10,000 results, and its pages are offsets, which shift. So each page is a query of
its own, for what has changed since the last night and has a higher id than the page before. What
changes behind our back meanwhile has changed since we began, and is found the next night; so is
what the search's index shows late, by the overlap. Archived records are a list of their own, of 90
days. Merged ones vanish without being archived; the record that stays names them.

Only a service key (or a private app's token) is taken: refreshing an OAuth token gives a refresh
token anew, and there is no place to keep it.

Not verified against the real service: that the `after` of the plain list goes by id, so that what
is archived meanwhile hides nothing; that a restored record, one with a new association and one with
a new subscription status count as changed; how many addresses one call for subscription statuses
takes, and whether a refused one among them fails the others. Permanent (GDPR) deletions are told
nowhere.
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any, Literal

import httpx
import msgspec

from pipelines.extract.client import (
    Answer,
    ApiClient,
    Call,
    Log,
    Verdict,
    by_status,
    json_object,
    retry_after,
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
from pipelines.rules.source_types.hubspot import HubspotSecrets, HubspotSource

SYSTEM = "hubspot"
VERSION = "2026-09"
LIST_PAGE, SEARCH_PAGE, STATUS_BATCH = 100, 200, 100
LOCKED_SECONDS = 2.0
# An input of a batch without an answer; the others have theirs.
NO_ANSWER = ("OBJECT_NOT_FOUND", "VALIDATION_ERROR")
SUBSCRIPTIONS = "subscriptions"

MAPPINGS = load_mappings(SYSTEM)
LINKS = {
    "contacts": "contact_source_id",
    "companies": "account_source_id",
    "deals": "deal_source_id",
    "tickets": "case_source_id",
}
RELATED = {
    "crm_deals": ("contacts", "companies"),
    "crm_cases": ("contacts", "companies"),
    "crm_activities": tuple(LINKS),
}
NOT_APPLICABLE = "N/A"  # stands in number properties, too
BIRTHDAY = re.compile(r"(19|20)\d\d-\d\d-\d\d")
CHINESE = re.compile(r"[\u3400-\u9fff·]+")
CASE_TYPES = {
    "PRODUCT_ISSUE": "complaint",
    "BILLING_ISSUE": "complaint",
    "FEATURE_REQUEST": "request",
    "GENERAL_INQUIRY": "question",
}
DIRECTIONS = {
    "INBOUND": "inbound",
    "INCOMING_EMAIL": "inbound",
    "OUTBOUND": "outbound",
    "EMAIL": "outbound",
}
DONE = ("COMPLETED", "SENT")
CHANNELS = {"SMS": "sms"}  # the contract has no word for WhatsApp and LinkedIn: followup
LEGAL_BASES = {
    "CONSENT_WITH_NOTICE": "consent",
    "PERFORMANCE_OF_CONTRACT": "contract",
    "LEGITIMATE_INTEREST_CLIENT": "legitimate_interest",
    "LEGITIMATE_INTEREST_OTHER": "legitimate_interest",
    "LEGITIMATE_INTEREST_PQL": "legitimate_interest",
}
STATUSES = {"UNSUBSCRIBED": "withdrawn", "SUBSCRIBED": "granted"}  # the first one decides
SINCE_EVER = "1970-01-01T00:00:00Z"


class _Next(msgspec.Struct):
    after: str | int


class _Paging(msgspec.Struct):
    next: _Next | None = None


class _List(msgspec.Struct):
    results: list[msgspec.Raw]
    paging: _Paging | None = None

    @property
    def after(self) -> str | None:
        """Where the next page begins; None on the last one."""
        return str(self.paging.next.after) if self.paging and self.paging.next else None


class _Batch(msgspec.Struct):
    status: Literal["COMPLETE"]
    results: list[msgspec.Raw]


class _Properties(msgspec.Struct):
    lastmodifieddate: str | None = None  # of contacts
    hs_lastmodifieddate: str | None = None  # of all else
    email: str | None = None


class _Stamp(msgspec.Struct):
    """What must be known of a record to file it."""

    id: str
    properties: _Properties = msgspec.field(default_factory=_Properties)
    updatedAt: str | None = None  # noqa: N815 - as it is received
    archivedAt: str | None = None  # noqa: N815

    @property
    def email(self) -> str:
        """The address, as subscriptions are known by it."""
        return (self.properties.email or "").lower()

    @property
    def modified(self) -> datetime | None:
        """When it changed last."""
        told = self.properties.lastmodifieddate or self.properties.hs_lastmodifieddate
        return parse_time(told or self.updatedAt)


class _Tied(msgspec.Struct, rename={"record": "from"}):
    """Whose associations an answer holds."""

    record: _Stamp


class _Subscriber(msgspec.Struct, rename={"email": "subscriberIdString"}):
    email: str


class Connector:
    """Reads one account of HubSpot."""

    system = SYSTEM
    name = "HubSpot"
    overlap = timedelta(minutes=10)

    def __init__(
        self,
        source: HubspotSource,
        secrets: HubspotSecrets,
        log: Log,
        sleep: Callable[[float], None],
    ) -> None:
        self.source, self.secrets = source, secrets
        self.seconds_between_calls = source.seconds_between_calls
        self.client = ApiClient(self, source.name, log, sleep)
        self.api = str(source.api_url or "https://api.hubapi.com").rstrip("/")

    # -- as a System ---------------------------------------------------------------------------

    def log_in(self, send: Callable[[Call], httpx.Response]) -> str:
        """The key itself: there is nothing to ask for."""
        return self.secrets.access_token.get_secret_value()

    def authorized(self, call: Call, token: str) -> Call:
        """A bearer token."""
        return call.with_header("Authorization", f"Bearer {token}")

    def classify(self, response: httpx.Response) -> Answer:
        """The status, and the limit or the category of error that the body names."""
        answer = by_status(response)
        status, headers = response.status_code, response.headers
        if status < 300 and status != 207:
            return answer
        body = json_object(response)
        if status == 207:
            return _partly_answered(body)
        told = str(body.get("policyName") or body.get("category") or answer.told)
        if status == 429:
            if told == "DAILY" or headers.get("X-HubSpot-RateLimit-Daily-Remaining") == "0":
                return Answer(Verdict.quota, told)
            return Answer(Verdict.retry, told, answer.wait_seconds or _interval(headers))
        if status == 423:
            return Answer(Verdict.retry, told, LOCKED_SECONDS)
        if status == 477:  # the account moves to another data centre, for up to a day
            return Answer(Verdict.retry, told, retry_after(response))
        return Answer(answer.verdict, told, answer.wait_seconds)

    # -- as a Connector ------------------------------------------------------------------------

    def streams(self) -> tuple[Stream, ...]:
        """The configured ones; subscriptions only if the company says what they are about."""
        wanted = set(self.source.streams or STREAMS)
        if not self.source.fields.get(SUBSCRIPTIONS):
            wanted.discard(SUBSCRIPTIONS)
        return tuple(STREAMS[name] for name in STREAMS if name in wanted)

    def pages(self, stream: Stream, ask: Ask) -> Iterator[Page]:
        """All records the first time, then the changed ones; and the archived ones after them."""
        place = ask.resume or {"at": "changes" if ask.since else "list"}
        if place["at"] == "list":
            yield from self._all(stream, place.get("after"))
            place = {"at": "archived"}
        elif place["at"] == "changes" and ask.since:
            yield from self._changes(stream, ask.since, place.get("after", "0"))
            place = {"at": "archived"}
        if place["at"] == "archived" and stream.name != SUBSCRIPTIONS:
            yield from self._archived(stream, ask.since, place.get("after"))

    def _all(self, stream: Stream, after: str | None) -> Iterator[Page]:
        asked = {"properties": ",".join(self._properties(stream))}
        if related := RELATED.get(stream.tables[0]):
            asked["associations"] = ",".join(related)
        for page in self._lists(stream, asked, after):
            records = self._records(stream, page.results, has_associations=True)
            yield Page(records, _place("list", page.after, "archived"))

    def _changes(self, stream: Stream, since: datetime, after: str) -> Iterator[Page]:
        modified = "lastmodifieddate" if _is_of_contacts(stream) else "hs_lastmodifieddate"
        changed = _filter(modified, "GTE", str(round(since.timestamp() * 1000)))
        while True:
            query = {
                "filterGroups": [{"filters": [changed, _filter("hs_object_id", "GT", after)]}],
                "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
                "properties": self._properties(stream),
                "limit": SEARCH_PAGE,
            }
            call = Call("POST", f"{self._url(stream)}/search", json=query)
            page = self.client.ask(call, _List)
            if page is None or not page.results:
                return
            after = _stamp(page.results[-1]).id
            more = after if page.after else None
            yield Page(self._records(stream, page.results), _place("changes", more, "archived"))
            if more is None:
                return

    def _archived(
        self, stream: Stream, since: datetime | None, after: str | None
    ) -> Iterator[Page]:
        """The whole list each time, for it cannot be asked by time; the older ones are known."""
        asked = {"archived": "true", "properties": "hs_object_id"}
        for page in self._lists(stream, asked, after):
            gone = [_tombstone(raw) for raw in page.results]
            new = [one for one in gone if not (since and one.modified and one.modified < since)]
            yield Page(new, _place("archived", page.after, "end"))

    def _lists(self, stream: Stream, asked: dict[str, str], after: str | None) -> Iterator[_List]:
        while True:
            params = {"limit": LIST_PAGE, **asked, **({"after": after} if after else {})}
            page = self.client.ask(Call("GET", self._url(stream), params=params), _List)
            if page is None:
                return
            yield page
            if page.after is None:
                return
            after = page.after

    def _records(
        self, stream: Stream, found: list[msgspec.Raw], *, has_associations: bool = False
    ) -> list[Record]:
        """What was found, with what must be asked for beside it."""
        stamps = [_stamp(raw) for raw in found]
        related = RELATED.get(stream.tables[0])
        more: dict[str, bytes] = {}
        if stream.name == SUBSCRIPTIONS:
            more = self._statuses(stamps)
        elif related and not has_associations:
            more = self._associations(stream, [stamp.id for stamp in stamps], related)
        return [
            _record(stamp, raw, more.get(stamp.id, b""))
            for stamp, raw in zip(stamps, found, strict=True)
            if stamp.id in more or stream.name != SUBSCRIPTIONS
        ]

    def _associations(
        self, stream: Stream, ids: list[str], related: tuple[str, ...]
    ) -> dict[str, bytes]:
        ties: dict[str, list[bytes]] = {id: [] for id in ids}
        for kind in related:
            path = f"/crm/associations/{VERSION}/{stream.name}/{kind}/batch/read"
            call = Call("POST", self.api + path, json={"inputs": [{"id": id} for id in ids]})
            for raw in self._batch(call):
                id = msgspec.json.decode(raw, type=_Tied).record.id
                ties[id].append(b'"%b":%b' % (kind.encode(), bytes(raw)))
        return {id: b'"associations":{%b}' % b",".join(found) for id, found in ties.items()}

    def _statuses(self, stamps: list[_Stamp]) -> dict[str, bytes]:
        """Subscription statuses by contact; of those whose address HubSpot knows any of."""
        ids = {stamp.email: stamp.id for stamp in stamps if stamp.email}
        found = {}
        for start in range(0, len(ids), STATUS_BATCH):
            path = f"/communication-preferences/{VERSION}/statuses/batch/read"
            inputs = {"inputs": list(ids)[start : start + STATUS_BATCH]}
            call = Call("POST", self.api + path, params={"channel": "EMAIL"}, json=inputs)
            for raw in self._batch(call):
                email = msgspec.json.decode(raw, type=_Subscriber).email.lower()
                if email in ids:
                    found[ids[email]] = b'"subscriptions":%b' % bytes(raw)
        return found

    def _batch(self, call: Call) -> list[msgspec.Raw]:
        batch = self.client.ask(call, _Batch)
        return batch.results if batch else []

    def _url(self, stream: Stream) -> str:
        objects = "contacts" if _is_of_contacts(stream) else stream.name
        return f"{self.api}/crm/objects/{VERSION}/{objects}"

    def _properties(self, stream: Stream) -> list[str]:
        own = self.source.fields.get(stream.name) if stream.name != SUBSCRIPTIONS else None
        return MAPPINGS[stream.name].source_fields(own)


def parse(stream: str, record: dict[str, Any], own: Fields | None = None) -> Rows:
    """The landing rows of a record as HubSpot sends it."""
    told = {k: v for k, v in record["properties"].items() if v != NOT_APPLICABLE}
    if stream == SUBSCRIPTIONS:
        yield from (("consents", statement) for statement in _consents(record, own or {}))
        return
    mapping = MAPPINGS[stream]
    table = mapping.tables[0]
    row = mapping.row(told, own) | _associated(record)
    match table:
        case "crm_contacts":
            _complete_contact(row)
        case "crm_accounts":
            row.setdefault("name", row.get("domain"))
        case "crm_deals":
            row["closed_at"] = told.get("closedate") if told.get("hs_is_closed") == "true" else None
        case "crm_cases":
            row["case_type"] = _case_type(str(row.get("category", "")))
        case "crm_activities":
            _complete_activity(row, told)
    if "country_code" in row:
        row["country_code"] = country_code(row["country_code"])
    for column in row:
        if column.endswith("_at") or column == "expected_close":
            row[column] = from_epoch(row[column])
    yield table, row
    for loser in str(told.get("hs_merged_object_ids") or "").split(";"):
        if loser.strip() not in ("", record["id"]):
            yield table, _merged(table, loser.strip(), record["id"])


def _complete_contact(row: Row) -> None:
    first, last = row.get("first_name"), row.get("last_name")
    is_chinese = all(CHINESE.fullmatch(name or "") for name in (first, last))
    names = [last, first] if is_chinese else [first, last]
    row.setdefault("full_name", ("" if is_chinese else " ").join(filter(None, names)) or None)
    if more := row.get("email_secondary"):
        row["email_secondary"] = more.split(";")[0]
    born = row.get("birth_date")
    if born and not (BIRTHDAY.fullmatch(born) and parse_time(born)):  # HubSpot's is free text
        row["extra"] = {**row.get("extra", {}), "birth_date": row.pop("birth_date")}


def _complete_activity(row: Row, told: dict[str, Any]) -> None:
    row["direction"] = DIRECTIONS.get(row.get("direction", ""))
    row["is_completed"] = row["status"] in DONE if row.get("status") else None
    if "duration_s" in row:
        row["duration_s"] = _seconds(row["duration_s"])
    channel = CHANNELS.get(str(told.get("hs_communication_channel_type")))
    row["activity_type"] = channel or row["activity_type"]


def _seconds(milliseconds: str) -> str:
    """Whole seconds; what is no number stays, for land to say so."""
    try:
        return str(int(float(milliseconds) // 1000))
    except (ValueError, OverflowError):
        return milliseconds


def _case_type(categories: str) -> str:
    """What a ticket is about; several categories may be ticked, parted by semicolons."""
    known = [CASE_TYPES[one] for one in categories.split(";") if one in CASE_TYPES]
    return known[0] if known else "other"


def _associated(record: dict[str, Any]) -> Row:
    """The one contact, company, deal and ticket that the contract has room for."""
    ties = record.get("associations") or {}
    found = {LINKS[kind]: _main_one(answer) for kind, answer in ties.items() if kind in LINKS}
    return {column: id for column, id in found.items() if id}


def _main_one(answer: dict[str, Any]) -> str | None:
    """The id of the primary one, else of the first; from a list's answer or a batch read's."""
    ties = [(str(tie["id"]), _is_primary(tie.get("type"))) for tie in answer.get("results", ())]
    for tie in answer.get("to", ()):
        labels = [label.get("label") for label in tie.get("associationTypes", ())]
        ties.append((str(tie["toObjectId"]), "Primary" in labels))
    return next((id for id, is_primary in ties if is_primary), ties[0][0] if ties else None)


def _is_primary(kind: Any) -> bool:
    """A list names each label of a tie: deal_to_company is the primary one, others say more."""
    return "_to_" in str(kind) and not str(kind).endswith("_unlabeled")


def _merged(table: str, loser: str, winner: str) -> Row:
    """A record that is now part of another; only contacts keep a tie to it."""
    if table == "crm_contacts":
        return {"source_record_id": loser, "kind": "person", "merged_into_id": winner}
    return {"source_record_id": loser, "op": "delete"}


def _consents(record: dict[str, Any], purposes: Fields) -> Iterator[Row]:
    """One statement per purpose; whoever refused one of its subscription types has refused it."""
    email = record["properties"]["email"]
    key = hashlib.blake2b(email.lower().encode(), digest_size=8).hexdigest()
    for purpose, types in purposes.items():
        ids = [id.strip() for id in types.split(",")]
        statuses = record["subscriptions"]["statuses"]
        about = [told for told in statuses if str(told["subscriptionId"]) in ids]
        about.sort(key=lambda told: str(told.get("timestamp")), reverse=True)
        for told in sorted(about, key=_weight)[:1]:
            yield {
                # Of an address, not of a contact: it outlives the contact's next address.
                "source_record_id": f"{purpose}-{key}",
                "subject_key_type": "email",
                "subject_key": email,
                "contact_source_id": record["id"],
                "purpose": purpose,
                "channel": "email",
                "status": STATUSES.get(told["status"], "unknown"),
                "legal_basis": LEGAL_BASES.get(told.get("legalBasis") or ""),
                "captured_via": told.get("source"),
                "effective_at": from_epoch(told.get("timestamp")) or SINCE_EVER,
            }


def _weight(told: dict[str, Any]) -> int:
    """A refusal comes before a grant, and a grant before what is neither."""
    words = list(STATUSES)
    return words.index(told["status"]) if told["status"] in STATUSES else len(words)


def _partly_answered(body: dict[str, Any]) -> Answer:
    """What a batch means, part of whose inputs failed."""
    categories = {str(error.get("category")) for error in body.get("errors") or ()}
    if passing := sorted(categories - set(NO_ANSWER)):
        return Answer(Verdict.retry, passing[0])
    return Answer(Verdict.ok)


def _interval(headers: httpx.Headers) -> float | None:
    """Seconds of the limit that was hit; a search tells none."""
    told = headers.get("X-HubSpot-RateLimit-Interval-Milliseconds", "")
    return int(told) / 1000 if told.isdigit() else None


def _place(at: str, after: str | None, then: str) -> dict[str, Any]:
    return {"at": at, "after": after} if after else {"at": then}


def _filter(name: str, operator: str, value: str) -> dict[str, str]:
    return {"propertyName": name, "operator": operator, "value": value}


def _is_of_contacts(stream: Stream) -> bool:
    return stream.name in ("contacts", SUBSCRIPTIONS)


def _stamp(raw: bytes | msgspec.Raw) -> _Stamp:
    return msgspec.json.decode(raw, type=_Stamp)


def _record(stamp: _Stamp, raw: msgspec.Raw, more: bytes) -> Record:
    """A record as received; behind it what was asked for beside it, as received, too."""
    body = bytes(raw)
    return Record(stamp.id, body[:-1] + b"," + more + b"}" if more else body, stamp.modified)


def _tombstone(raw: msgspec.Raw) -> Record:
    stamp = _stamp(raw)
    return Record(stamp.id, b"", parse_time(stamp.archivedAt), "delete")


STREAMS = {
    name: Stream(name, mapping.tables, always=("id", "properties", "updatedAt"))
    for name, mapping in MAPPINGS.items()
}
