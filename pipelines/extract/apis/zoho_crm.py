"""Zoho CRM, API v8: contacts, leads, accounts, deals, tasks, calls, events, cases and consent.

A list is asked for in the order of change, page after page by the vendor's own page token; deleted
records are a list of their own. A large first load of what holds no consent goes by bulk read: one
file for 200,000 records instead of 1,000 calls. Zoho tells no Retry-After.
"""

import csv
import io
import zipfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import httpx
import msgspec

from pipelines.errors import SourceDownError
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
from pipelines.extract.connector import Ask, CannotResumeError, Page, Record, Stream
from pipelines.extract.mapping import (
    Fields,
    Rows,
    country_code,
    load_mappings,
    parse_time,
    value_at,
)
from pipelines.extract.parts import PART_RECORDS
from pipelines.rules.source_types.zoho_crm import ZohoCrmSecrets, ZohoCrmSource

SYSTEM = "zoho_crm"
PAGE_SIZE = 200
BULK_POLL_SECONDS, BULK_POLLS = 10.0, 360
TOKEN_CODES = ("INVALID_TOKEN", "AUTHENTICATION_FAILURE")


MAPPINGS = load_mappings(SYSTEM)
# Read by the code below rather than mapped.
CONSENT = "Data_Processing_Basis_Details"
ABOUT = {"Accounts": "account_source_id", "Deals": "deal_source_id", "Cases": "case_source_id"}
CASE_TYPES = {
    "problem": "complaint",
    "complaint": "complaint",
    "question": "question",
    "return": "return",
    "praise": "praise",
    "request": "request",
    "feature request": "request",
}
CONSENT_FLAGS = {
    "Contact_Through_Email": ("marketing", "email"),
    "Contact_Through_Phone": ("marketing", "phone"),
    "Contact_Through_Social": ("marketing", "social"),
    "Contact_Through_Survey": ("survey", "any"),
}
LEGAL_BASES = {
    "Consent": "consent",
    "Contract": "contract",
    "Legitimate Interests": "legitimate_interest",
    "Legal Obligation": "legal_obligation",
}


class _Info(msgspec.Struct):
    more_records: bool = False
    next_page_token: str | None = None


class _List(msgspec.Struct):
    data: list[msgspec.Raw]
    info: _Info = msgspec.field(default_factory=_Info)


class _Stamp(msgspec.Struct):
    """What must be known of a record to file it."""

    id: str
    Modified_Time: str | None = None
    deleted_time: str | None = None


class _Count(msgspec.Struct):
    count: int


class _Result(msgspec.Struct):
    more_records: bool = False


class _Job(msgspec.Struct):
    id: str | None = None
    state: str | None = None
    result: _Result | None = None
    details: dict[str, Any] = {}


class _Jobs(msgspec.Struct):
    data: list[_Job]


class Connector:
    """Reads one organisation of Zoho CRM."""

    system = SYSTEM
    name = "Zoho CRM"
    seconds_between_calls = 0.0  # only calls side by side are limited, and we make one at a time
    overlap = timedelta(minutes=5)

    def __init__(
        self,
        source: ZohoCrmSource,
        secrets: ZohoCrmSecrets,
        log: Log,
        sleep: Callable[[float], None],
    ) -> None:
        self.source, self.secrets, self._sleep = source, secrets, sleep
        self.client = ApiClient(self, source.name, log, sleep)
        domain = {"cn": "com.cn", "au": "com.au"}.get(source.data_center, source.data_center)
        login = (
            "https://accounts.zohocloud.ca" if domain == "ca" else f"https://accounts.zoho.{domain}"
        )
        self.api = str(source.api_url or f"https://www.zohoapis.{domain}").rstrip("/")
        self.login = str(source.login_url or source.api_url or login).rstrip("/")

    # -- as a System ---------------------------------------------------------------------------

    def log_in(self, send: Callable[[Call], httpx.Response]) -> str:
        """A fresh access token; Zoho says no inside a 200."""
        secret = self.secrets
        response = send(
            Call(
                "POST",
                f"{self.login}/oauth/v2/token",
                data={
                    "grant_type": "refresh_token",
                    "client_id": secret.client_id,
                    "client_secret": secret.client_secret.get_secret_value(),
                    "refresh_token": secret.refresh_token.get_secret_value(),
                },
            )
        )
        answer = json_object(response)
        if token := answer.get("access_token"):
            return str(token)
        raise refused_login(self.source.name, self.name, str(answer.get("error", "no token")))

    def authorized(self, call: Call, token: str) -> Call:
        """Zoho's own scheme, not Bearer."""
        return call.with_header("Authorization", f"Zoho-oauthtoken {token}")

    def classify(self, response: httpx.Response) -> Answer:
        """The status, and for errors the code in the body."""
        answer = by_status(response)
        if response.status_code < 400:
            return answer
        body = json_object(response)
        code = str(body.get("code", "")) or answer.told
        details = body.get("details")
        if isinstance(details, dict) and isinstance(details.get("param_name"), str):
            code = f"{code} {details['param_name']}"
        if code in TOKEN_CODES:
            return Answer(Verdict.reauth, code)
        if code == "API_LIMIT_EXCEEDED":  # the day's credits, not the moment's concurrency
            return Answer(Verdict.quota, code)
        return Answer(answer.verdict, code, answer.wait_seconds)

    # -- as a Connector ------------------------------------------------------------------------

    def streams(self) -> tuple[Stream, ...]:
        """The modules that are configured."""
        return tuple(
            STREAMS[name]
            for name in STREAMS
            if not self.source.streams or name in self.source.streams
        )

    def pages(self, stream: Stream, ask: Ask) -> Iterator[Page]:
        """A large first load by bulk read, then the list of changes, then the deleted ones."""
        resume = ask.resume or {"at": self._first_leg(stream, ask)}
        if resume["at"] == "bulk":
            yield from self._bulk(stream)
            resume = self._after_bulk(stream, ask)
        if resume["at"] == "list":
            yield from self._changes(stream, ask, resume)
            resume = {"at": "deleted"}
        yield from self._deleted(stream, ask, resume.get("page", 1))

    def _first_leg(self, stream: Stream, ask: Ask) -> str:
        # No bulk file holds consent, and who is loaded without it would be written to or lost.
        if ask.since is not None or CONSENT in MAPPINGS[stream.name].also:
            return "list"
        return "bulk" if self._count(stream) >= self.source.bulk_from else "list"

    def _count(self, stream: Stream) -> int:
        answer = self.client.ask(Call("GET", f"{self._module(stream)}/actions/count"), _Count)
        return answer.count if answer else 0

    def _after_bulk(self, stream: Stream, ask: Ask) -> dict[str, Any]:
        """A bulk read is no snapshot: what changed since it began is asked for again.

        Its files are cut by number, so what is deleted between two of them hides as many records;
        then all is listed.
        """
        if self._in_bulk < self._count(stream):
            return {"at": "list"}
        return {"at": "list", "since": (ask.until - self.overlap).isoformat()}

    def _changes(self, stream: Stream, ask: Ask, resume: dict[str, Any]) -> Iterator[Page]:
        since, token = resume.get("since"), resume.get("token")
        begin = ask.read_from or ask.since
        changed_since = since or (begin.isoformat() if begin else None)
        while True:
            call = Call(
                "GET",
                self._module(stream),
                params={
                    "fields": ",".join(self._fields(stream.name)),
                    "per_page": PAGE_SIZE,
                    "sort_by": "Modified_Time",
                    "sort_order": "asc",
                    **({"page_token": token} if token else {}),
                    **({"converted": "both"} if stream.name == "leads" else {}),
                },
                headers={"If-Modified-Since": changed_since} if changed_since else {},
            )
            try:
                page = self.client.ask(call, _List)
            except CallRefusedError as error:
                if not token or "page_token" not in error.told:
                    raise
                if not since:
                    raise CannotResumeError from None
                token = None
                continue
            if page is None:
                return
            token = page.info.next_page_token if page.info.more_records else None
            after = {"at": "list", "since": since, "token": token} if token else {"at": "deleted"}
            yield Page([_record(raw) for raw in page.data], after)
            if token is None:
                return

    def _deleted(self, stream: Stream, ask: Ask, number: int) -> Iterator[Page]:
        while True:
            call = Call(
                "GET",
                f"{self._module(stream)}/deleted",
                params={"type": "all", "per_page": PAGE_SIZE, "page": number},
                headers={"If-Modified-Since": ask.since.isoformat()} if ask.since else {},
            )
            page = self.client.ask(call, _List)
            if page is None:
                return
            number += 1
            yield Page([_tombstone(raw) for raw in page.data], {"at": "deleted", "page": number})
            if not page.info.more_records:
                return

    def _bulk(self, stream: Stream) -> Iterator[Page]:
        """All files, from the first one again if they were broken off."""
        self._in_bulk = 0
        number, more = 1, True
        while more:
            job = self._bulk_job(stream, number)
            more = bool(job.result and job.result.more_records)
            number += 1
            waiting: list[Record] = []
            for record in self._bulk_records(job.id or ""):
                self._in_bulk += 1
                waiting.append(record)
                if len(waiting) == PART_RECORDS:
                    yield Page(waiting, {"at": "bulk"})
                    waiting = []
            yield Page(waiting, {"at": "bulk"})

    def _bulk_job(self, stream: Stream, number: int) -> _Job:
        query = {
            "module": {"api_name": stream.name.capitalize()},
            "fields": self._fields(stream.name),
            "page": number,
        }
        url = f"{self.api}/crm/bulk/v8/read"
        made = self.client.ask(Call("POST", url, json={"query": query, "file_type": "csv"}), _Jobs)
        job_id = str(made.data[0].details.get("id", "")) if made and made.data else ""
        for _ in range(BULK_POLLS):
            jobs = self.client.ask(Call("GET", f"{url}/{job_id}"), _Jobs)
            job = jobs.data[0] if jobs and jobs.data else _Job()
            if job.state == "COMPLETED":
                return job
            if job.state == "FAILURE":
                break
            self._sleep(BULK_POLL_SECONDS)
        raise SourceDownError(
            f"Source {self.source.name}: the bulk read of {stream.name} did not end well.",
            "Run the step again; or set bulk_from higher to read page by page.",
        )

    def _bulk_records(self, job_id: str) -> Iterator[Record]:
        call = Call("GET", f"{self.api}/crm/bulk/v8/read/{job_id}/result")
        content = self.client.ask(call, bytes) or b""
        try:
            archive = zipfile.ZipFile(io.BytesIO(content))
            with archive.open(archive.namelist()[0]) as file:
                for row in csv.DictReader(io.TextIOWrapper(file, "utf-8-sig", newline="")):
                    row["id"] = row.pop("Id", None) or row["id"]
                    yield _record(msgspec.json.encode(row))
        except (zipfile.BadZipFile, KeyError, IndexError, UnicodeDecodeError, csv.Error):
            raise SourceDownError(
                f"Source {self.source.name}: the result of a bulk read is not a whole file.",
                "Run the step again.",
            ) from None

    def _module(self, stream: Stream) -> str:
        return f"{self.api}/crm/v8/{stream.name.capitalize()}"

    def _fields(self, stream: str) -> list[str]:
        fields = MAPPINGS[stream].source_fields(self.source.fields.get(stream, {}))
        return fields if self.source.consent else [name for name in fields if name != CONSENT]


def parse(stream: str, record: dict[str, Any], own: Fields | None = None) -> Rows:
    """The landing rows of a record as Zoho sends it."""
    mapping = MAPPINGS[stream]
    row = mapping.row(record, own)
    if "country_code" in row:
        row["country_code"] = country_code(row["country_code"])
    if isinstance(row.get("tags"), list):  # a bulk read has them as text
        row["tags"] = [tag.get("name") for tag in row["tags"]]
    if mapping.tables[0] == "crm_activities":
        row = _activity(stream, record) | row
    if stream == "cases":
        row = _case(row)
    yield mapping.tables[0], row
    yield from (("consents", statement) for statement in _consents(record))


def _activity(stream: str, record: dict[str, Any]) -> dict[str, Any]:
    """Whom it was about besides a contact, and whether it is done."""
    about = ABOUT.get(str(record.get("$se_module")))
    done = record.get("Status") == "Completed" if stream == "tasks" else None
    return {"is_completed": done} | ({about: value_at(record, "What_Id.id")} if about else {})


def _case(row: dict[str, Any]) -> dict[str, Any]:
    """The contract's word for the kind of case; Zoho has no time of closing."""
    told = str(row.get("case_type", "")).strip().lower()
    is_closed = str(row.get("status", "")).lower() == "closed"
    closed_at = row.get("source_updated_at") if is_closed else None
    return {"closed_at": closed_at, **row, "case_type": CASE_TYPES.get(told, "other")}


def _consents(record: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What the person allowed, one statement for each channel."""
    if CONSENT not in record:  # not asked for
        return
    told = record[CONSENT] or {}
    obtained = str(told.get("Data_Processing_Basis", ""))
    for flag, (purpose, channel) in CONSENT_FLAGS.items():
        yield {
            "source_record_id": f"{record['id']}-{flag.rsplit('_', 1)[1].lower()}",
            "subject_key_type": "contact_id",
            "subject_key": record["id"],
            "contact_source_id": record["id"],
            "purpose": purpose,
            "channel": channel,
            "status": _consent_status(obtained, told.get(flag)),
            "legal_basis": LEGAL_BASES.get(str(told.get("Lawful_Reason")), "consent"),
            "captured_via": told.get("Consent_Through"),
            "effective_at": told.get("Consent_Date") or record.get("Modified_Time"),
        }


def _consent_status(basis: str, allowed: bool | None) -> str:
    """Only what was obtained is granted; waiting or silence is not.

    What was granted once and is left open by now is told too, or the grant would stand.
    """
    if allowed is None:
        return "unknown"
    if not allowed:
        return "denied"
    if basis == "Obtained":
        return "granted"
    return "pending" if basis in ("Pending", "Waiting") else "unknown"


def _record(raw: bytes | msgspec.Raw) -> Record:
    stamp = msgspec.json.decode(raw, type=_Stamp)
    return Record(stamp.id, bytes(raw), parse_time(stamp.Modified_Time))


def _tombstone(raw: msgspec.Raw) -> Record:
    """Who deleted a record, and what it was called, is nobody's business any more."""
    stamp = msgspec.json.decode(raw, type=_Stamp)
    return Record(stamp.id, b"", parse_time(stamp.deleted_time), "delete")


STREAMS = {
    name: Stream(name, mapping.tables, ordered=True, always=("id", "Modified_Time"))
    for name, mapping in MAPPINGS.items()
}
