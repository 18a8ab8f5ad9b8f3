"""WeCom (企业微信) customer contact: the contacts of all employees, and who engaged with moments.

WeCom tells no changes: every contact is listed each night, once per employee who follows it. Most
have one follower and are passed on as they come. A contact of several followers is held back until
all of them were heard, in a private file rather than in memory, and becomes one record: what is
said of it as received, and before it what each follower noted, as received, the oldest tie first.
So there is one record a contact, its bytes do not hang on the order of the pages, and a pass that
broke off goes on at its cursor; only those held back are then asked for again.

Every answer is HTTP 200; `errcode` says what it means. The token and, at the login, the secret
stand in the address, where WeCom wants them; our log keeps the path only.

Unverified against the real service: how long a cursor lives, whether the errmsg of 45009 tells the
span of the limit (a minute's is assumed), and what the comments of a moment deleted meanwhile give.
"""

import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
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
from pipelines.extract.mapping import Fields, Rows, from_epoch, load_mappings
from pipelines.rules.source_types.wecom import WecomSecrets, WecomSource

SYSTEM = "wecom"
PER_CALL = 100  # employees asked for at once, and ties of theirs in an answer
LONGEST_SPAN = timedelta(days=30)  # of a list of moments
TOKEN_CODES = (40001, 40014, 41001, 42001)
BUSY_CODES = (-1, 45033)
LIMIT_CODE, MINUTE = 45009, 60.0
LONG_LIMITS = ("hour", "day", "daily", "month", "小时", "天", "日", "月")
GONE = ("errcode 84061", "errcode 60111")  # an employee who left, or has no customers
BY_THE_COMPANY, PUBLISHED = "0", "1"

MAPPINGS = load_mappings(SYSTEM)
GENDERS = {1: "male", 2: "female"}
ADD_WAYS = {1: "qr_code", 2: "mobile_search", 3: "card", 4: "group_chat", 5: "phone_book",
            6: "wechat_contacts", 9: "email_search", 10: "channels", 16: "acquisition_link",
            201: "shared_by_colleague", 202: "assigned_by_admin"}  # fmt: skip
# What columns hold already; the rest of a follower's notes is kept in `extra`.
NOTES_READ = ("remark", "remark_mobiles", "tag_id", "createtime")

Place = dict[str, Any]


class _Tie(msgspec.Struct):
    """A contact and what one of its followers noted of it."""

    external_contact: msgspec.Raw
    follow_info: msgspec.Raw


class _Unlicensed(msgspec.Struct):
    unlicensed_userid_list: list[str] = []


class _Ties(msgspec.Struct):
    external_contact_list: list[_Tie] = []
    next_cursor: str = ""
    fail_info: _Unlicensed = msgspec.field(default_factory=_Unlicensed)


class _Contact(msgspec.Struct):
    external_userid: str


class _Note(msgspec.Struct):
    userid: str
    createtime: int = 0
    tag_id: list[str] = []


class _Engagements(msgspec.Struct):
    like_list: list[msgspec.Raw] = []
    comment_list: list[msgspec.Raw] = []


class _Engagement(msgspec.Struct):
    create_time: int
    external_userid: str = ""


class Connector:
    """Reads the customer contact of one corp."""

    system = SYSTEM
    name = "WeCom"
    seconds_between_calls = 0.0  # 10,000 a minute are allowed; one after another never gets there

    def __init__(
        self,
        source: WecomSource,
        secrets: WecomSecrets,
        log: Log,
        sleep: Callable[[float], None],
    ) -> None:
        self.source, self.secrets = source, secrets
        self.overlap = timedelta(days=source.days_back)  # engagement keeps coming
        self.client = ApiClient(self, source.name, log, sleep)
        host = str(source.api_url or "https://qyapi.weixin.qq.com").rstrip("/")
        self.api = f"{host}/cgi-bin"

    # -- as a System ---------------------------------------------------------------------------

    def log_in(self, send: Callable[[Call], httpx.Response]) -> str:
        """A fresh access token; WeCom says no, and that it is busy, inside a 200."""
        secret = self.secrets.secret.get_secret_value()
        params = {"corpid": self.secrets.corp_id, "corpsecret": secret}
        response = send(Call("GET", f"{self.api}/gettoken", params))
        if token := json_object(response).get("access_token"):
            return str(token)
        answer = self.classify(response)
        if answer.verdict in (Verdict.retry, Verdict.quota):
            raise SourceDownError(
                f"Source {self.source.name}: {self.name} is too busy to log in: {answer.told}.",
                "Run the step again in a few minutes.",
            )
        raise refused_login(self.source.name, self.name, answer.told)

    def authorized(self, call: Call, token: str) -> Call:
        """WeCom takes its token in the address only."""
        return replace(call, params={**call.params, "access_token": token})

    def classify(self, response: httpx.Response) -> Answer:
        """The status, and within a 200 the errcode."""
        answer = by_status(response)
        if answer.verdict is not Verdict.ok:
            return answer
        body = json_object(response)
        code = body.get("errcode")
        told = "no errcode" if code is None else f"errcode {code}"
        if code == 0:
            return answer
        if code is None or code in BUSY_CODES:
            return Answer(Verdict.retry, told)
        if code in TOKEN_CODES:
            return Answer(Verdict.reauth, told)
        if code == LIMIT_CODE:
            is_long = any(word in str(body.get("errmsg")).lower() for word in LONG_LIMITS)
            return Answer(Verdict.quota if is_long else Verdict.retry, told, MINUTE)
        return Answer(Verdict.fatal, told)

    # -- as a Connector ------------------------------------------------------------------------

    def streams(self) -> tuple[Stream, ...]:
        """The streams that are configured."""
        chosen = self.source.streams or STREAMS
        return tuple(stream for name, stream in STREAMS.items() if name in chosen)

    def pages(self, stream: Stream, ask: Ask) -> Iterator[Page]:
        """All contacts; or the engagement with the moments of the last days."""
        return self._contacts(ask) if stream.name == "contacts" else self._engagements(ask)

    def _contacts(self, ask: Ask) -> Iterator[Page]:
        users, shared = self._customers()
        tags = self._tag_names()
        first: Place = {"users": users[:PER_CALL], "cursor": ""}
        start: Place = ask.resume or first
        with closing(_Shelf(shared)) as shelf:
            for ties, after in self._ties(users, start):
                alone = shelf.hold_shared(ties)
                yield Page([_contact(id, [tie], tags, ask) for id, tie in alone], after)
            if shared and start != first:  # what an earlier try held went with it
                for ties, after in self._ties(users, first):
                    shelf.hold_shared(ties)
                    if after == start:
                        break
            after = {"users": [], "cursor": ""}
            for batch in shelf.batches():
                yield Page([_contact(id, ties, tags, ask) for id, ties in batch], after)

    def _customers(self) -> tuple[list[str], set[str]]:
        """The employees who have customers, and the customers whom several of them follow."""
        users, met, shared = [], set[str](), set[str]()
        for user in sorted(self._get("get_follow_user_list").get("follow_user", [])):
            try:
                customers = self._get("list", userid=user).get("external_userid", [])
            except CallRefusedError as error:
                if error.told not in GONE:
                    raise
                continue
            users += [user] if customers else []
            shared |= met.intersection(customers)
            met.update(customers)
        return users, shared

    def _tag_names(self) -> dict[str, str]:
        groups = self._post("get_corp_tag_list", dict).get("tag_group", [])
        return {
            tag["id"]: f"{group['group_name']}:{tag['name']}"
            for group in groups
            for tag in group.get("tag", [])
        }

    def _ties(self, users: list[str], place: Place) -> Iterator[tuple[list[_Tie], Place]]:
        """Who follows whom, from a place on, and the place after each answer.

        A place names its employees, so that it stays true when others come and go.
        """
        batch, cursor = place["users"], place["cursor"]
        while batch:
            try:
                answer = self._post(
                    "batch/get_by_user", _Ties, userid_list=batch, cursor=cursor, limit=PER_CALL
                )
            except CallRefusedError:
                if cursor and cursor == place["cursor"]:
                    raise CannotResumeError from None
                raise
            if unlicensed := len(answer.fail_info.unlicensed_userid_list):
                raise CallRefusedError(  # or their contacts would count as deleted
                    f"Source {self.source.name}: {unlicensed} employees have no WeCom interface "
                    "licence, so their contacts are not listed.",
                    "Buy licences for them, or take them out of the app's scope.",
                    "unlicensed",
                )
            cursor = answer.next_cursor
            if not cursor:
                batch = [user for user in users if user > batch[-1]][:PER_CALL]
            yield answer.external_contact_list, {"users": batch, "cursor": cursor}

    def _engagements(self, ask: Ask) -> Iterator[Page]:
        """A page for each employee who published a moment, in an order that stays."""
        done = tuple(ask.resume or ())
        for at, moment in sorted(self._moments(ask).items()):
            if at < done[:2]:
                continue
            for user in self._publishers(moment):
                place = (*at, user)
                if place > done:
                    yield Page(self._engagements_with(moment["moment_id"], user), place)

    def _moments(self, ask: Ask) -> dict[tuple[int, str], dict[str, Any]]:
        """The moments of the last days; after an outage, all since the newest engagement known."""
        found = {}
        begin = ask.until - self.overlap
        if ask.since:
            begin = min(begin, ask.since + self.overlap)
        while begin < ask.until:
            end = min(begin + LONGEST_SPAN, ask.until)
            span = {"start_time": int(begin.timestamp()), "end_time": int(end.timestamp())}
            for moment in self._listed("get_moment_list", "moment_list", limit=20, **span):
                found[int(moment["create_time"]), moment["moment_id"]] = moment
            begin = end
        return found

    def _publishers(self, moment: dict[str, Any]) -> list[str]:
        """Its creator, or the employees who published it for the company."""
        if str(moment.get("create_type")) != BY_THE_COMPANY:
            return [moment["creator"]]
        id = moment["moment_id"]
        tasks = self._listed("get_moment_task", "task_list", moment_id=id, limit=1_000)
        return sorted(task["userid"] for task in tasks if str(task["publish_status"]) == PUBLISHED)

    def _engagements_with(self, moment: str, user: str) -> list[Record]:
        try:
            told = self._post("get_moment_comments", _Engagements, moment_id=moment, userid=user)
        except CallRefusedError as error:
            if error.told not in GONE:
                raise
            return []
        likes = [_engagement(moment, user, "like", raw) for raw in told.like_list]
        comments = [_engagement(moment, user, "comment", raw) for raw in told.comment_list]
        return [record for record in likes + comments if record]

    def _listed(self, what: str, name: str, **body: Any) -> Iterator[dict[str, Any]]:
        cursor = ""
        while True:
            answer = self._post(what, dict, cursor=cursor, **body)
            yield from answer.get(name, [])
            cursor = answer.get("next_cursor", "")
            if not cursor:
                return

    def _get(self, what: str, **params: Any) -> dict[str, Any]:
        return (
            self.client.ask(Call("GET", f"{self.api}/externalcontact/{what}", params), dict) or {}
        )

    def _post(self, what: str, reply: type[Any], **body: Any) -> Any:
        url = f"{self.api}/externalcontact/{what}"
        return self.client.ask(Call("POST", url, json=body), reply) or reply()


class _Shelf:
    """What is held back of contacts with several followers; gone once it is closed."""

    def __init__(self, shared: Collection[str]) -> None:
        self.shared = shared
        # Without a name SQLite spills to a private file, which is deleted from the start.
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.execute("pragma journal_mode = off")
        self._db.execute(
            "create table tie (contact, since, follower, about, note, "
            "primary key (contact, follower)) without rowid"
        )

    def close(self) -> None:
        """Let go of all of it."""
        self._db.close()

    def hold_shared(self, ties: Iterable[_Tie]) -> list[tuple[str, _Tie]]:
        """Hold back the contacts with several followers; gives the others, with their ids."""
        alone = []
        for tie in ties:
            id = msgspec.json.decode(tie.external_contact, type=_Contact).external_userid
            if id not in self.shared:
                alone.append((id, tie))
                continue
            note = msgspec.json.decode(tie.follow_info, type=_Note)
            values = id, note.createtime, note.userid, bytes(tie.external_contact)
            row = (*values, bytes(tie.follow_info))
            self._db.execute("insert or replace into tie values (?, ?, ?, ?, ?)", row)
        return alone

    def batches(self) -> Iterator[list[tuple[str, list[_Tie]]]]:
        """Each contact held back with all its ties, oldest first; so many contacts at a time."""
        rows = self._db.execute(
            "select contact, about, note from tie order by contact, since, follower"
        )
        batch = []
        for id, group in groupby(rows, key=lambda row: row[0]):
            batch.append((id, [_Tie(msgspec.Raw(row[1]), msgspec.Raw(row[2])) for row in group]))
            if len(batch) == PER_CALL:
                yield batch
                batch = []
        yield batch


def parse(stream: str, record: dict[str, Any], own: Fields | None = None) -> Rows:
    """The landing row of a contact, or of a like or comment."""
    mapping = MAPPINGS[stream]
    if stream == "contacts":
        row = {"gender": GENDERS.get(record.get("gender", 0))} | mapping.row(_read(record), own)
    else:
        at = from_epoch(record.get("create_time"), per_second=1)
        row = {"engaged_at": at} | mapping.row(record, own)
    yield mapping.tables[0], row


def _read(record: dict[str, Any]) -> dict[str, Any]:
    """A contact with its followers' notes brought together; the oldest tie speaks first."""
    notes: list[dict[str, Any]] = record["_follow_info"]
    mobiles = [*dict.fromkeys(m for note in notes for m in note.get("remark_mobiles") or ())]
    remarks = [note["remark"] for note in notes if note.get("remark")]
    ways = [note.get("state") or ADD_WAYS.get(note.get("add_way", 0)) for note in notes]
    noted = {
        "name": [*remarks, record.get("name")][0],
        "mobile": [*mobiles, None][0],
        "second_mobile": [*mobiles, None, None][1],
        "owner": notes[0].get("userid"),
        "since": from_epoch(notes[0].get("createtime"), per_second=1),
        "way": next(filter(None, ways), None),
    }
    followers = [{k: v for k, v in note.items() if k not in NOTES_READ and v} for note in notes]
    return {**record, "_noted": noted, "followers": followers, "more_mobiles": mobiles[2:]}


def _contact(id: str, ties: list[_Tie], tags: dict[str, str], ask: Ask) -> Record:
    """A contact as received, and before it its followers' notes and the names of its tags."""
    notes = [bytes(tie.follow_info) for tie in ties]
    ids = {tag for note in notes for tag in msgspec.json.decode(note, type=_Note).tag_id}
    names = msgspec.json.encode(sorted(tags.get(tag, tag) for tag in ids))
    before = b'{"_follow_info":[' + b",".join(notes) + b'],"_tags":' + names + b","
    return Record(id, before + bytes(ties[0].external_contact)[1:])


def _engagement(moment: str, user: str, kind: str, raw: msgspec.Raw) -> Record | None:
    """A like or comment as received, and before it what it is about; None for a colleague's."""
    told = msgspec.json.decode(raw, type=_Engagement)
    if not told.external_userid:
        return None
    about = msgspec.json.encode({"_moment": moment, "_follower": user, "_kind": kind})
    id = f"{moment}-{user}-{kind}-{told.external_userid}-{told.create_time}"
    at = datetime.fromtimestamp(told.create_time, UTC)
    return Record(id, about[:-1] + b"," + bytes(raw)[1:], at)


STREAMS = {
    "contacts": Stream(
        "contacts", MAPPINGS["contacts"].tables, scan=True, always=("external_userid", "name")
    ),
    "moments": Stream("moments", MAPPINGS["moments"].tables, always=("create_time",)),
}
