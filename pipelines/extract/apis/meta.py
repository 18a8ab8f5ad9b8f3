"""Meta Graph API v25.0: who commented on and reacted to a page's posts and Instagram media; totals.

Nothing tells what has changed, and engagement keeps coming: the posts of the last days are read
again each night, and a record that is the same as before is not stored again. A comment that was
deleted is not told either; one on a post that is read no more would look just like it, so nothing
is taken for deleted. Persons are known by ids that mean something to this page only.

Lists go by cursor; the address of the next page, which holds the token, is never followed. A cursor
dies with the item that it points to: then the post is read from its beginning once more.

Unverified against the real service: the code of a dead cursor (100 is taken for it), and that media
come newest first. Reactions have no time; they count as of the time of their post.
"""

import hashlib
import hmac
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import httpx
import msgspec

from pipelines.extract.client import (
    Answer,
    ApiClient,
    Call,
    CallRefusedError,
    Log,
    Verdict,
    by_status,
    json_object,
)
from pipelines.extract.connector import Ask, Page, Record, Stream
from pipelines.extract.mapping import Fields, Mapping, Rows, load_mappings, parse_time
from pipelines.rules.source_types.meta import MetaSecrets, MetaSource

SYSTEM = "meta"
VERSION = "v25.0"
LONGEST_SPAN = timedelta(days=90)  # of insights
THROTTLED = {4, 17, 32, 341, 613, *range(80_000, 80_015)}
PASSING = {1, 2}  # unknown and service errors, which Meta says to try again
TOKEN_CODES = {102, 190}
REFUSED = "100"  # something asked for that it does not know: a cursor, say
NO_METRIC = "100 metric"
GONE = "100/33"  # no such object any more

MAPPINGS = load_mappings(SYSTEM)
# Stream: whose posts, and the edge of a post with what is asked of it.
EDGES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "post_comments": ("page", "comments", {"filter": "stream", "order": "chronological"}),
    "post_reactions": ("page", "reactions", {}),
    "media_comments": ("instagram", "comments", {}),
}
POSTS = {"page": ("published_posts", "created_time"), "instagram": ("media", "timestamp")}
PER_CALL = {"page": 100, "instagram": 50}
OF_INSTAGRAM = ("media_comments", "media_totals")
# What a metric counts, by a word of its name; all others count views.
METRIC_WORDS = {"follow": "follow", "reaction": "reaction", "like": "like", "comment": "comment",
                "share": "share", "click": "click"}  # fmt: skip


class _Cursors(msgspec.Struct):
    after: str


class _Paging(msgspec.Struct):
    cursors: _Cursors | None = None
    next: str | None = None

    @property
    def after(self) -> str | None:
        """Where the next answer begins; None after the last."""
        if self.next is None:
            return None
        return self.cursors.after if self.cursors else httpx.URL(self.next).params.get("after")


class _List(msgspec.Struct):
    data: list[msgspec.Raw]
    paging: _Paging = msgspec.field(default_factory=_Paging)


class _Item(msgspec.Struct):
    """What must be known of a post, a comment, a reaction or a metric to file it."""

    id: str
    created_time: str | None = None
    timestamp: str | None = None
    replies: _List | None = None

    @property
    def at(self) -> str:
        """When it was written."""
        return self.created_time or self.timestamp or ""


class _Metric(msgspec.Struct):
    name: str
    period: str
    values: list[msgspec.Raw] = []


class _Value(msgspec.Struct):
    end_time: str


class Connector:
    """Reads one page, its Instagram account, or both."""

    system = SYSTEM
    name = "Meta"
    seconds_between_calls = 0.0

    def __init__(
        self, source: MetaSource, secrets: MetaSecrets, log: Log, sleep: Callable[[float], None]
    ) -> None:
        self.source, self._log = source, log
        self.overlap = timedelta(days=source.days_back)  # engagement keeps coming
        self.client = ApiClient(self, source.name, log, sleep)
        self.api = f"{str(source.api_url or 'https://graph.facebook.com').rstrip('/')}/{VERSION}"
        self.accounts = {"page": source.page_id, "instagram": source.instagram_id}
        self.unknown_metrics: set[str] = set()
        self._token = secrets.access_token.get_secret_value()
        self._proof: dict[str, str] = {}
        if secrets.app_secret:
            secret = secrets.app_secret.get_secret_value().encode()
            proof = hmac.digest(secret, self._token.encode(), hashlib.sha256).hex()
            self._proof = {"appsecret_proof": proof}

    # -- as a System ---------------------------------------------------------------------------

    def log_in(self, send: Callable[[Call], httpx.Response]) -> str:
        """The token that was given; it is not renewed."""
        return self._token

    def authorized(self, call: Call, token: str) -> Call:
        """The token in a header, though Meta would take it in the address too."""
        proven = replace(call, params={**call.params, **self._proof})
        return proven.with_header("Authorization", f"Bearer {token}")

    def classify(self, response: httpx.Response) -> Answer:
        """The status, and for errors the code in the body: a limit is a 400 or a 403."""
        error = json_object(response).get("error")
        if not isinstance(error, dict):
            return by_status(response)
        code, subcode = error.get("code"), error.get("error_subcode")
        told = f"{code}/{subcode}" if subcode else f"{code}"
        if told == REFUSED and "metric" in str(error.get("message")):
            told = NO_METRIC
        if code in THROTTLED:
            return Answer(Verdict.retry, told, _regain_seconds(response))
        if code in TOKEN_CODES:
            return Answer(Verdict.reauth, told)
        if code in PASSING or error.get("is_transient") or response.status_code >= 500:
            return Answer(Verdict.retry, told)
        return Answer(Verdict.fatal, told)

    # -- as a Connector ------------------------------------------------------------------------

    def streams(self) -> tuple[Stream, ...]:
        """The streams that are configured, of the accounts that are given."""
        chosen = self.source.streams or STREAMS
        return tuple(
            stream
            for name, stream in STREAMS.items()
            if name in chosen and self.accounts["instagram" if name in OF_INSTAGRAM else "page"]
        )

    def pages(self, stream: Stream, ask: Ask) -> Iterator[Page]:
        """The engagement with the posts of the last days, or the totals."""
        if stream.name == "account_totals":
            return self._account_totals(ask)
        if stream.name == "media_totals":
            return self._media_totals(ask)
        return self._of_posts(stream.name, ask)

    def _of_posts(self, stream: str, ask: Ask) -> Iterator[Page]:
        """What belongs to each post, the oldest post first: an order that stays."""
        account = EDGES[stream][0] if stream in EDGES else "page"
        resume = ask.resume or {"post": ["", ""], "after": None}
        done, after = tuple(resume["post"]), resume["after"]
        posts = {(post.at, post.id): post for post in self._posts(account, ask)}
        for place, post in sorted(posts.items()):
            if place < done or (place == done and after is None):
                continue
            if stream == "post_totals":
                yield Page(self._post_totals(post), {"post": place, "after": None})
            else:
                yield from self._engagement(stream, post, after if place == done else None)

    def _posts(self, account: str, ask: Ask) -> Iterator[_Item]:
        edge, dated = POSTS[account]
        path = f"{self.accounts[account]}/{edge}"
        for posts in self._listed(path, f"id,{dated}", self._begin(ask)):
            yield from (post for post, _ in posts)

    def _engagement(self, stream: str, post: _Item, after: str | None) -> Iterator[Page]:
        account, edge, params = EDGES[stream]
        params = {**params, "fields": self._fields(stream), "limit": PER_CALL[account]}
        is_repeated = False
        while True:
            try:
                answer = self._ask(f"{post.id}/{edge}", **params, after=after)
            except CallRefusedError as error:
                if error.told == GONE:
                    return
                if error.told != REFUSED or after is None or is_repeated:
                    raise
                after, is_repeated = None, True
                continue
            records = [record for raw in answer.data for record in self._records(stream, post, raw)]
            after = answer.paging.after
            yield Page(records, {"post": (post.at, post.id), "after": after})
            if after is None:
                return

    def _records(self, stream: str, post: _Item, raw: msgspec.Raw) -> Iterator[Record]:
        """A comment with the replies to it, or a reaction."""
        item = _item(raw)
        account = self.accounts[EDGES[stream][0]]
        context = {"_account": account, "_post": post.id, "_posted": post.at}
        if stream == "post_reactions":  # who reacts otherwise tomorrow is still one reaction
            yield Record(f"{post.id}-{item.id}", _with(context, raw), parse_time(post.at))
            return
        yield Record(item.id, _with(context, raw), parse_time(item.at))
        replies = item.replies
        while replies:
            for reply in replies.data:
                yield from self._records(stream, post, reply)
            replies = self._more_replies(item.id, replies.paging.after)

    def _more_replies(self, comment: str, after: str | None) -> _List | None:
        if after is None:
            return None
        fields = self._fields("media_comments")
        return self._ask(f"{comment}/replies", fields=fields, limit=50, after=after)

    def _post_totals(self, post: _Item) -> list[Record]:
        context = {"_account": self.source.page_id, "_post": post.id, "_posted": post.at}
        records = []
        for metric in self.source.post_metrics:
            for raw in self._insights(post.id, metric, period="lifetime"):
                told = msgspec.json.decode(raw, type=_Metric)
                id = f"{post.id}-{told.name}-{told.period}"
                records.append(Record(id, _with(context, raw), parse_time(post.at)))
        return records

    def _media_totals(self, ask: Ask) -> Iterator[Page]:
        """Likes and comments of Instagram media, which the list of media itself tells."""
        path = f"{self.source.instagram_id}/media"
        context = {"_account": self.source.instagram_id}
        for media in self._listed(path, self._fields("media_totals"), self._begin(ask)):
            yield Page(
                [Record(item.id, _with(context, raw), parse_time(item.at)) for item, raw in media]
            )

    def _account_totals(self, ask: Ask) -> Iterator[Page]:
        """One record for each metric and day."""
        page = self.source.page_id
        begin = self._begin(ask) or ask.until - LONGEST_SPAN
        while begin < ask.until:
            end = min(begin + LONGEST_SPAN, ask.until)
            span = {"since": int(begin.timestamp()), "until": int(end.timestamp())}
            for metric in self.source.page_metrics:
                for told in self._insights(str(page), metric, period="day", **span):
                    values = msgspec.json.decode(told, type=_Metric).values
                    context = {"_account": page, "name": metric}
                    yield Page([_day(f"{page}-{metric}", context, value) for value in values])
            begin = end

    def _insights(self, of: str, metric: str, **params: Any) -> list[msgspec.Raw]:
        """What Meta says of a metric; nothing of one it no longer knows, which the log tells."""
        if metric in self.unknown_metrics:
            return []
        try:
            return self._ask(f"{of}/insights", metric=metric, **params).data
        except CallRefusedError as error:
            if error.told == NO_METRIC:
                self.unknown_metrics.add(metric)
                self._log({"metric": metric, "told": f"left out: {self.name} does not know it"})
            elif error.told != GONE:
                raise
        return []

    def _begin(self, ask: Ask) -> datetime | None:
        """Posts from here on are read: the last days; after an outage, all since the newest record.

        None the first time: all that there is.
        """
        return min(ask.until - self.overlap, ask.since + self.overlap) if ask.since else None

    def _listed(
        self, path: str, fields: str, begin: datetime | None
    ) -> Iterator[list[tuple[_Item, msgspec.Raw]]]:
        """A list that is newest first, down to where reading begins."""
        since = {"since": int(begin.timestamp())} if begin else {}
        after: str | None = None
        while True:
            answer = self._ask(path, fields=fields, limit=100, after=after, **since)
            items = [(_item(raw), raw) for raw in answer.data]
            young = [(item, raw) for item, raw in items if _is_since(item, begin)]
            yield young
            after = answer.paging.after
            if after is None or (items and not young):
                return

    def _ask(self, path: str, **params: Any) -> _List:
        given = {name: value for name, value in params.items() if value is not None}
        return self.client.ask(Call("GET", f"{self.api}/{path}", given), _List) or _List([])

    def _fields(self, stream: str) -> str:
        fields = _asked(MAPPINGS[stream], self.source.fields.get(stream, {}))
        return f"{fields},replies.limit(50){{{fields}}}" if stream == "media_comments" else fields


def parse(stream: str, record: dict[str, Any], own: Fields | None = None) -> Rows:
    """The landing rows of a record as Meta sends it, with what it belongs to."""
    mapping = MAPPINGS[stream]
    table, row = mapping.tables[0], mapping.row(record, own)
    if stream == "post_reactions":
        row["engagement_type"] = "like" if record.get("type") == "LIKE" else "reaction"
    if stream == "media_totals":
        for kind, count in (("like", "like_count"), ("comment", "comments_count")):
            if record.get(count) is not None:
                id = f"{record['id']}-{kind}"
                told = {"engagement_type": kind, "metric_value": record[count]}
                yield table, {**row, "source_record_id": id, **told}
        return
    if stream in ("post_totals", "account_totals"):
        value = record["values"][-1]["value"] if stream == "post_totals" else record["value"]
        row["engagement_type"] = _counted(record["name"])
        row["metric_value"] = sum(value.values()) if isinstance(value, dict) else value
    yield table, row


def _counted(metric: str) -> str:
    return next((kind for word, kind in METRIC_WORDS.items() if word in metric), "view")


def _asked(mapping: Mapping, own: Fields) -> str:
    """The fields to ask for, of another object no more than is mapped: `id,from{id,name}`."""
    paths = {*{**mapping.fields, **own}.values(), *mapping.also} - {"replies"}
    parts: dict[str, list[str]] = {}
    for path in sorted(path for path in paths if not path.startswith("_")):
        name, _, part = path.partition(".")
        parts.setdefault(name, []).extend([part] if part else [])
    return ",".join(f"{name}{{{','.join(of)}}}" if of else name for name, of in parts.items())


def _regain_seconds(response: httpx.Response) -> float | None:
    """The longest wait that the limits of this business ask for; Meta tells it in minutes."""
    try:
        usage = msgspec.json.decode(response.headers.get("X-Business-Use-Case-Usage", "{}"))
        limits = [limit for limits in usage.values() for limit in limits]
        minutes = max(float(limit["estimated_time_to_regain_access"]) for limit in limits)
    except (msgspec.DecodeError, ValueError, TypeError, AttributeError, KeyError):
        return None
    return minutes * 60 or None


def _item(raw: msgspec.Raw) -> _Item:
    return msgspec.json.decode(raw, type=_Item)


def _is_since(item: _Item, begin: datetime | None) -> bool:
    at = parse_time(item.at)
    return begin is None or at is None or at >= begin


def _day(id: str, context: dict[str, Any], raw: msgspec.Raw) -> Record:
    end = msgspec.json.decode(raw, type=_Value).end_time
    return Record(f"{id}-{end}", _with(context, raw), parse_time(end))


def _with(context: dict[str, Any], raw: msgspec.Raw) -> bytes:
    """A record as received, and before it what it belongs to."""
    return msgspec.json.encode(context)[:-1] + b"," + bytes(raw)[1:]


ALWAYS = {
    "post_comments": ("id", "created_time"),
    "post_reactions": ("id",),
    "media_comments": ("id", "timestamp"),
    "post_totals": ("name", "values"),
    "media_totals": ("id", "timestamp"),
    "account_totals": ("value", "end_time"),
}
STREAMS = {
    name: Stream(name, mapping.tables, always=ALWAYS[name]) for name, mapping in MAPPINGS.items()
}
