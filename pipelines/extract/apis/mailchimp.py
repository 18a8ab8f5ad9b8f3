"""Mailchimp, Marketing API 3.0: members with what they consented to, and how campaigns fared.

Lists are paged by number only, and numbers shift when an entry leaves its place. So each page
begins with the last entry of the page before; if it has gone from there, it is looked for a page
further up, and then from the beginning. Members come in the order of change, so that pages begin
after a time, unless too many changed within one second.

Left out: automations and what is still being sent, reports of spam, and which opens are by machines
(Mailchimp does not tell). A permanently deleted member leaves no trace; with `find_deleted` all
members are read each night, and who is missing is found.

Unverified, for want of an account: that equal times keep their order from call to call; whether
since_ and before_ are inclusive (a second more is asked for on both sides); whether `since` of
email-activity leaves out single events (here it is done again); that each member has a contact_id;
that each change of a member that matters here moves its last_changed.
"""

import base64
import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from typing import Any, cast

import httpx
import msgspec

from pipelines.errors import SourceDownError
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
from pipelines.extract.connector import Ask, CannotResumeError, Page, Record, Stream
from pipelines.extract.mapping import (
    NOTHING,
    Fields,
    Rows,
    country_code,
    load_mappings,
    parse_time,
)
from pipelines.rules.source_types.mailchimp import MailchimpSecrets, MailchimpSource

SYSTEM = "mailchimp"
SECOND = timedelta(seconds=1)  # as finely as Mailchimp tells times
MOST_RESTARTS = 10

MAPPINGS = load_mappings(SYSTEM)
# What a member's status says of marketing by e-mail. Whoever only bought, or has confirmed nothing
# yet, granted nothing; whoever is archived may have unsubscribed before: Mailchimp hides it.
SUBSCRIPTIONS = {"subscribed": "granted", "unsubscribed": "withdrawn", "pending": "pending"}
# Mailchimp's own wordings of marketing permissions; a company may write others.
EMAIL, ADS, POST = "email", "customized online advertising", "direct mail"
# Reports of a campaign: path, what Mailchimp calls the list in its answer, fields of its entries.
REPORTS = {
    "sent": ("sent-to", "sent_to", ("email_id", "email_address", "absplit_group")),
    "activity": ("email-activity", "emails", ("email_id", "email_address", "activity")),
    "unsubscribed": ("unsubscribed", "unsubscribes", ("email_id", "email_address", "timestamp")),
}
ALWAYS = {
    "members": ("contact_id", "last_changed", "status"),
    "sent": ("campaign", "email_id"),
    "activity": ("campaign", "email_id", "action", "timestamp"),
    "unsubscribed": ("campaign", "email_id", "timestamp"),
}


class _Answer(msgspec.Struct):
    entries: list[msgspec.Raw]


class _Entry(msgspec.Struct):
    """What must be known of an entry of any list."""

    id: str = ""
    contact_id: str = ""
    email_id: str = ""
    last_changed: str | None = None
    timestamp: str | None = None
    send_time: str | None = None

    @property
    def key(self) -> str:
        """What names the entry in its list; a member keeps its contact_id with a new address."""
        return self.contact_id or self.email_id or self.id


class _Place(msgspec.Struct, frozen=True):
    """Where a page begins: `offset` entries, the last of them `last`, after those of `since`."""

    leg: str
    since: str | None = None
    offset: int = 0
    last: str = ""


@dataclass(frozen=True)
class _Leg:
    """A list to read to its end."""

    key: str
    path: str
    name: str
    params: dict[str, Any] = field(default_factory=dict)
    since: str | None = None
    campaign: msgspec.Raw = field(default_factory=msgspec.Raw)


class Connector:
    """Reads one Mailchimp account."""

    system = SYSTEM
    name = "Mailchimp"
    seconds_between_calls = 0.0  # ten connections at a time are allowed, and we keep one
    # A campaign by time zones takes a day to go out, and what is reported of it comes late.
    overlap = timedelta(days=2)

    def __init__(
        self,
        source: MailchimpSource,
        secrets: MailchimpSecrets,
        log: Log,
        sleep: Callable[[float], None],
    ) -> None:
        self.source, self.secrets = source, secrets
        self.client = ApiClient(self, source.name, log, sleep)
        data_centre = secrets.api_key.get_secret_value().rsplit("-", 1)[-1]
        host = str(source.api_url or f"https://{data_centre}.api.mailchimp.com")
        self.api = f"{host.rstrip('/')}/3.0"

    # -- as a System ---------------------------------------------------------------------------

    def log_in(self, send: Callable[[Call], httpx.Response]) -> str:
        """The key itself: there is nothing to log in to."""
        return self.secrets.api_key.get_secret_value()

    def authorized(self, call: Call, token: str) -> Call:
        """Basic authentication; Mailchimp takes any user name."""
        pair = base64.b64encode(f"key:{token}".encode()).decode()
        return call.with_header("Authorization", f"Basic {pair}")

    def classify(self, response: httpx.Response) -> Answer:
        """The status, and the title of the problem: its detail may name a person."""
        answer = by_status(response)
        if response.status_code < 400:
            return answer
        title = json_object(response).get("title")
        if isinstance(title, str):
            return replace(answer, told=title)
        if response.status_code == 403:  # not from Mailchimp but from the edge before it
            return Answer(Verdict.retry, "HTTP 403 at the edge", retry_after(response))
        return answer

    # -- as a Connector ------------------------------------------------------------------------

    def streams(self) -> tuple[Stream, ...]:
        """Members and reports, as far as they are configured."""
        members = replace(STREAMS["members"], scan=self.source.find_deleted)
        return tuple(
            stream
            for name, stream in (STREAMS | {"members": members}).items()
            if not self.source.streams or name in self.source.streams
        )

    def pages(self, stream: Stream, ask: Ask) -> Iterator[Page]:
        """One list after the other, each to its end."""
        of_members = stream.name == "members"
        legs = self._audiences(stream, ask) if of_members else self._reports(stream, ask)
        keys = [leg.key for leg in legs]
        place = msgspec.convert(ask.resume, _Place) if ask.resume else None
        if place and place.leg not in keys:
            raise CannotResumeError
        for leg in legs[keys.index(place.leg) if place else 0 :]:
            for entries, after in self._read(leg, place):
                told = [record for raw in entries for record in _records(stream, leg, raw)]
                # What is older was read before; the parts do not look so far back.
                fresh = [one for one in told if of_members or _is_since(one, ask.since)]
                yield Page(fresh, msgspec.to_builtins(after))
            place = None

    def _audiences(self, stream: Stream, ask: Ask) -> list[_Leg]:
        """The members of each list; who is archived is told only if asked for."""
        fields = MAPPINGS["members"].source_fields(self.source.fields.get("members"))
        params = {"fields": _of("members", fields), **_sorted_by("last_changed")}
        if not stream.scan:  # who must see all must also see who changes meanwhile
            params["before_last_changed"] = _iso(ask.until + SECOND)
        since = _iso(ask.since) if ask.since and not stream.scan else None
        scan = "/all" if stream.scan else ""  # a pass of one kind cannot end one of the other
        lists = self.source.lists or self._all(_Leg("", "/lists", "lists", {"fields": "lists.id"}))
        return [
            _Leg(f"{list_id}/{key}{scan}", f"/lists/{list_id}/members", "members", asked, since)
            for list_id in lists
            for key, asked in (("current", params), ("archived", {**params, "status": "archived"}))
        ]

    def _reports(self, stream: Stream, ask: Ask) -> list[_Leg]:
        """The stream's report of each campaign in which there may be something new."""
        path, name, fields = REPORTS[stream.name]
        own = [path.split(".")[0] for path in self.source.fields.get(stream.name, {}).values()]
        params = {"fields": _of(name, (*fields, *own))}
        if ask.since and stream.name == "activity":
            params["since"] = _iso(ask.since - SECOND)
        # Who was sent a campaign stands once it is sent; the other reports grow.
        days = timedelta(days=0 if stream.name == "sent" else self.source.report_days)
        campaigns = self._campaigns(ask.since and ask.since - days, ask.until)
        return [
            _Leg(id, f"/reports/{id}/{path}", name, params, campaign=campaign)
            for id, campaign in campaigns.items()
        ]

    def _campaigns(self, since: datetime | None, until: datetime) -> dict[str, msgspec.Raw]:
        """The campaigns sent in a time, with what does not change any more."""
        first = self.source.campaigns_from
        begin = datetime.combine(first, time(), UTC) if first else None
        since = max((moment for moment in (since, begin) if moment), default=None)
        fields = ("id", "send_time", "settings.title", "settings.subject_line")
        params = {
            "fields": _of("campaigns", fields),
            "status": "sent",
            "before_send_time": _iso(until + SECOND),
            **_sorted_by("send_time"),
            **({"since_send_time": _iso(since - SECOND)} if since else {}),
        }
        found: dict[str, msgspec.Raw] = {}
        for only in [{"list_id": list_id} for list_id in self.source.lists] or [{}]:
            found |= self._all(_Leg("", "/campaigns", "campaigns", params | only))
        return found

    # -- paging --------------------------------------------------------------------------------

    def _all(self, leg: _Leg) -> dict[str, msgspec.Raw]:
        return {_entry(raw).key: raw for entries, _ in self._read(leg) for raw in entries}

    def _read(
        self, leg: _Leg, place: _Place | None = None
    ) -> Iterator[tuple[list[msgspec.Raw], _Place]]:
        """The entries of a list, page by page, each page with the place after it."""
        place, back, restarts = place or _Place(leg.key, leg.since), 0, 0
        while True:
            first = max(place.offset - 1 - back, 0) if place.last else place.offset
            entries = self._ask(leg, place.since, first)
            keys = [_entry(raw).key for raw in entries]
            if place.last and place.last not in keys:
                if back:
                    place, back, restarts = _Place(leg.key, place.since), 0, restarts + 1
                    self._refuse_restless(leg, restarts)
                else:
                    back = self.source.page_size - 1
                continue
            back = 0
            if fresh := entries[keys.index(place.last) + 1 :] if place.last else entries:
                place = _after(place, first + len(entries), fresh)
                yield fresh, place
            if len(entries) < self.source.page_size:
                return

    def _ask(self, leg: _Leg, since: str | None, first: int) -> list[msgspec.Raw]:
        place = {"count": self.source.page_size, "offset": first}
        changed = {"since_last_changed": since} if since else {}
        call = Call("GET", f"{self.api}{leg.path}", {**leg.params, **place, **changed})
        answer = self.client.ask(call, ANSWERS[leg.name])
        return answer.entries if answer else []

    def _refuse_restless(self, leg: _Leg, restarts: int) -> None:
        if restarts > MOST_RESTARTS:
            raise SourceDownError(
                f"Source {self.source.name}: {leg.name} of Mailchimp did not keep their places "
                f"from page to page, {restarts} times.",
                "What was read is kept. Run the step again when nothing is imported or deleted.",
            )


def parse(stream: str, record: dict[str, Any], own: Fields | None = None) -> Rows:
    """The landing rows of a member, or of one event in a campaign's report."""
    if stream == "members":
        yield "crm_contacts", _contact(record, own)
        yield from (("consents", statement) for statement in _consents(record))
        return
    row = MAPPINGS[stream].row(record, own)
    if not row.get("campaign_name"):
        row["campaign_name"] = record["campaign"].get("settings", {}).get("subject_line")
    if stream == "activity":
        bounce = f"bounce_{record.get('type') or 'soft'}"
        row["event_type"] = bounce if record["action"] == "bounce" else record["action"]
    yield "campaign_events", row


def _contact(record: dict[str, Any], own: Fields | None) -> dict[str, Any]:
    """The person; merge fields that nothing maps are kept one by one."""
    told = record.get("merge_fields")
    merged = told if isinstance(told, dict) else {}
    if not isinstance(merged.get("ADDRESS"), dict):  # an empty one is an empty text
        merged = {tag: value for tag, value in merged.items() if tag != "ADDRESS"}
    mapping = MAPPINGS["members"]
    row = mapping.row({**record, "merge_fields": merged}, own)
    paths = [path.split(".") for path in {**mapping.fields, **(own or {})}.values()]
    mapped = {path[1] for path in paths if path[0] == "merge_fields" and len(path) > 1}
    more = {tag: v for tag, v in merged.items() if tag not in mapped and v not in NOTHING}
    return row | {
        "country_code": country_code(row.get("country_code")),
        "tags": [tag.get("name") for tag in row.get("tags") or ()],
        "source_tier": row.get("source_tier") or ("VIP" if record.get("vip") else None),
        "source_created_at": row.get("source_created_at") or record.get("timestamp_opt"),
        "extra": row.get("extra", {}) | more,
    }


def _consents(record: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What the member allowed, one statement for each way of reaching out that is spoken of.

    A grant holds from the opt-in on. Whatever else is said dates from the last change: no older
    grant, wherever it was given, outlives it.
    """
    status, changed = str(record.get("status")), record.get("last_changed")
    opted_in = record.get("timestamp_opt") or record.get("timestamp_signup") or changed
    permissions = {
        str(told.get("text")).strip().lower(): told.get("enabled") is True
        for told in record.get("marketing_permissions") or ()
    }
    if address := record.get("email_address"):
        key = {"subject_key_type": "email", "subject_key": address}
        told = _by_email(status, permissions)
        # Who only bought has said nothing, and takes back nothing that was granted elsewhere.
        when = opted_in if told == "granted" or status == "transactional" else changed
        yield _statement(record, "email", told, when) | key
        if ADS in permissions:
            given = "granted" if status == "subscribed" else "unknown"
            told = given if permissions[ADS] else "denied"
            when = opted_in if told == "granted" else changed
            purpose = {"purpose": "ads_matching", "channel": "any"}
            yield _statement(record, "ads", told, when) | key | purpose
    number, sms = record.get("sms_phone_number"), record.get("sms_subscription_status")
    if number and sms:
        key = {"subject_key_type": "phone", "subject_key": number}
        archived = status == "archived" and sms != "unsubscribed"
        told = "unknown" if archived else SUBSCRIPTIONS.get(sms, "unknown")
        when = None if archived else record.get("sms_subscription_last_updated")
        yield _statement(record, "sms", told, when or changed) | key


def _by_email(status: str, permissions: dict[str, bool]) -> str:
    """Where a list asks for permissions, being subscribed is not enough.

    The permission for e-mail decides; where none goes by Mailchimp's name, any other wording may be
    about e-mail, and all of them must be given.
    """
    told = SUBSCRIPTIONS.get(status, "unknown")
    needed = [EMAIL] if EMAIL in permissions else permissions.keys() - {ADS, POST}
    return "denied" if told == "granted" and not all(permissions[p] for p in needed) else told


def _statement(
    record: dict[str, Any], channel: str, status: str, effective_at: Any
) -> dict[str, Any]:
    return {
        "source_record_id": f"{record['contact_id']}-{channel}",
        "contact_source_id": record["contact_id"],
        "purpose": "marketing",
        "channel": channel,
        "status": status,
        "legal_basis": "consent",
        "captured_via": record.get("source"),
        "effective_at": effective_at,
    }


def _records(stream: Stream, leg: _Leg, raw: msgspec.Raw) -> Iterator[Record]:
    """The records in an entry: a member, the entry with its campaign, or each event in it."""
    entry = _entry(raw)
    if stream.name == "members":
        yield Record(entry.key, bytes(raw), parse_time(entry.last_changed))
        return
    told = msgspec.json.decode(raw, type=dict[str, msgspec.Raw]) | {"campaign": leg.campaign}
    if stream.name == "activity":
        yield from _events(f"{leg.key}-{entry.key}", told)
        return
    when = entry.timestamp or _entry(leg.campaign).send_time
    id = f"{leg.key}-{entry.key}-{stream.name}"
    yield Record(id, msgspec.json.encode(told), parse_time(when))


def _events(prefix: str, told: dict[str, msgspec.Raw]) -> Iterator[Record]:
    """Each open, click and bounce; they have no ids, so what they say names them.

    Equal ones within a second are numbered: no `since` parts them.
    """
    times: dict[bytes, int] = {}
    for raw in msgspec.json.decode(told.pop("activity", b"[]"), type=list[msgspec.Raw]):
        event = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
        naming = ("action", "type", "timestamp", "url")
        said = b"|".join(bytes(event.get(name, b"")) for name in naming)
        times[said] = times.get(said, 0) + 1
        digest = hashlib.blake2b(said + b"|%d" % times[said], digest_size=8).hexdigest()
        body = msgspec.json.encode(told | event)
        yield Record(f"{prefix}-{digest}", body, parse_time(_entry(raw).timestamp))


def _is_since(record: Record, since: datetime | None) -> bool:
    return not since or not record.modified or record.modified >= since


def _after(place: _Place, offset: int, entries: list[msgspec.Raw]) -> _Place:
    """The place after a page: by time, unless most of the page would come again."""
    onward = _Place(place.leg, place.since, offset, _entry(entries[-1]).key)
    changes = [when for raw in entries if (when := parse_time(_entry(raw).last_changed))]
    if not changes or changes != sorted(changes):
        return onward
    again = changes[-1] - SECOND
    repeated = sum(when >= again for when in changes)
    return onward if 2 * repeated > len(entries) else _Place(place.leg, _iso(again))


def _entry(raw: msgspec.Raw) -> _Entry:
    return msgspec.json.decode(raw, type=_Entry)


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")


def _of(name: str, fields: Iterable[str]) -> str:
    return ",".join(f"{name}.{path}" for path in dict.fromkeys(fields))


def _sorted_by(name: str) -> dict[str, str]:
    return {"sort_field": name, "sort_dir": "ASC"}


def _answer_with(name: str) -> type[_Answer]:
    """The shape of an answer: what Mailchimp calls the list in it differs."""
    entries = [("entries", list[msgspec.Raw])]
    shape = msgspec.defstruct(name, entries, bases=(_Answer,), rename={"entries": name})
    return cast(type[_Answer], shape)


ANSWERS = {
    name: _answer_with(name)
    for name in ("lists", "members", "campaigns", *(name for _, name, _ in REPORTS.values()))
}
STREAMS = {
    name: Stream(name, mapping.tables, always=ALWAYS[name]) for name, mapping in MAPPINGS.items()
}
