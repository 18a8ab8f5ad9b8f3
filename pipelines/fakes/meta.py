"""A stand-in for Meta's Graph API: a page and an Instagram account, and who engaged with them.

Unverified against the real service: the code of a cursor whose item was deleted (here 100).
"""

import bisect
import hashlib
import hmac
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from pipelines.fakes.fake import Fake, Handler, as_json

CREDENTIALS = {"access_token": "EAAG-of-the-stand-in", "app_secret": "secret-of-the-app"}
PAGE, INSTAGRAM = "102030405060708", "17841405822304914"
FIRST_ID = 10_158_000_000_000_001
MOST = {"comments": 100, "reactions": 100, "published_posts": 100, "media": 100, "replies": 50}
METRICS = {"page_media_view", "page_total_media_view_unique", "page_follows", "post_media_view"}
Row = dict[str, Any]


class MetaFake(Fake):
    """One page with its Instagram account; lists are kept by what they belong to and their edge."""

    def __init__(self) -> None:
        self.lists: dict[tuple[str, str], dict[str, Row]] = {
            (PAGE, "published_posts"): {},
            (INSTAGRAM, "media"): {},
        }
        self.metrics = set(METRICS)
        self.gone: set[str] = set()  # posts that are listed, and deleted a moment later
        self.extra_fields: set[str] = set()  # sent though nobody asked
        self.dropped_fields: set[str] = set()
        self._removed: dict[str, tuple[tuple[str, str], Row]] = {}
        self._place: dict[str, tuple[str, str]] = {}  # of each item that is in a list
        self._order: dict[tuple[str, str], list[int]] = {}
        self._made = 0
        super().__init__()

    # -- what people do ------------------------------------------------------------------------

    def post(self, at: datetime | None = None) -> str:
        """Publish a post of the page, now unless it says when."""
        return self._put((PAGE, "published_posts"), {"created_time": _time(at or self.now)}, PAGE)

    def publish_media(self, at: datetime | None = None, **fields: Any) -> str:
        """Publish an Instagram medium."""
        stamps = {"timestamp": _time(at or self.now), "like_count": 0, "comments_count": 0}
        return self._put((INSTAGRAM, "media"), stamps | fields)

    def comment(self, post: str, count: int = 1, **fields: Any) -> list[str]:
        """Let persons comment on a post of the page, each one now."""
        who = {"from": {"name": "Wang Fang", "id": "7103"}, "message": "好！"}
        now = {"created_time": _time(self.now)}
        return [self._put((post, "comments"), now | who | fields, post) for _ in range(count)]

    def comment_media(self, media: str, parent: str | None = None, **fields: Any) -> str:
        """Let a person comment on a medium, or answer a comment on it."""
        who = {"from": {"id": "900", "username": "fang.w"}, "username": "fang.w", "text": "👍"}
        now = {"timestamp": _time(self.now)}
        if parent:
            return self._put((parent, "replies"), now | who | {"parent_id": parent} | fields)
        return self._put((media, "comments"), now | who | fields)

    def react(self, post: str, count: int = 1, kind: str = "LIKE") -> list[str]:
        """Let persons react to a post."""
        who = {"name": "Li Na", "type": kind}
        return [self._put((post, "reactions"), dict(who)) for _ in range(count)]

    def change(self, ids: Iterable[str], **fields: Any) -> None:
        """Change items; Meta stamps no time of change."""
        for id in ids:
            self.lists[self._place[id]][id] |= fields

    def remove(self, ids: Iterable[str]) -> None:
        """Delete items."""
        for id in ids:
            place = self._place.pop(id)
            self._removed[id] = place, self.lists[place].pop(id)
            self._order.pop(place, None)

    def restore(self, ids: Iterable[str]) -> None:
        """Show items again that were hidden."""
        for id in ids:
            place, item = self._removed.pop(id)
            self._place[id] = place
            self.lists[place][id] = item
            self._order.pop(place, None)

    def _put(self, place: tuple[str, str], item: Row, prefix: str = "") -> str:
        """Put an item into a list; a page's ids hold what they belong to."""
        number = FIRST_ID + self._made
        self._made += 1
        id = f"{prefix.rsplit('_', 1)[-1]}_{number}" if prefix else str(number)
        self.lists.setdefault(place, {})[id] = {"id": id, **item}
        self._place[id] = place
        if place in self._order:
            self._order[place].append(number)
        return id

    # -- what it answers -----------------------------------------------------------------------

    def routes(self) -> Iterable[BaseRoute]:
        """The Graph's edges, as far as they are read."""
        return [
            Route("/v25.0/{object}/insights", self._guarded(self._insights)),
            Route("/v25.0/{object}/{edge}", self._guarded(self._list)),
        ]

    def _guarded(self, handler: Handler) -> Handler:
        token, secret = (value.encode() for value in CREDENTIALS.values())
        proof = hmac.digest(secret, token, hashlib.sha256).hex()

        async def answer(request: Request) -> Response:
            given = request.headers.get("Authorization", "")
            if self.refuses_login or given != f"Bearer {token.decode()}":
                return _error(190, "Error validating access token", subcode=463)
            if request.query_params.get("appsecret_proof", proof) != proof:
                return _error(100, "Invalid appsecret_proof provided in the API argument")
            if request.path_params["object"] in self.gone:
                return _error(100, "Unsupported get request. Object does not exist", subcode=33)
            return await handler(request)

        return answer

    async def _list(self, request: Request) -> Response:
        query, place = request.query_params, tuple(request.path_params.values())
        owner, edge = place
        items = self.lists.get((owner, edge), {})
        order = self._in_order((owner, edge))
        start, stop = 0, len(order)
        size = min(int(query.get("limit", 25)), MOST[edge])
        newest_first = edge in ("published_posts", "media")
        if after := query.get("after"):
            number = _number(after)
            at = bisect.bisect_left(order, number)
            if at == len(order) or order[at] != number:
                return _error(100, "(#100) Invalid cursor")
            start, stop = (start, at) if newest_first else (at + 1, stop)
        numbers = order[start:stop]
        shown = numbers[::-1][:size] if newest_first else numbers[:size]
        prefix = next(iter(items), "").rpartition("_")[0]
        rows = [items[f"{prefix}_{number}" if prefix else str(number)] for number in shown]
        if (since := query.get("since")) and edge == "published_posts":
            rows = [row for row in rows if _stamp(row) >= int(since)]
        paging: Row = {}
        if rows:
            paging["cursors"] = {"before": rows[0]["id"], "after": rows[-1]["id"]}
        if len(rows) == size and len(numbers) > size:
            token = CREDENTIALS["access_token"]
            paging["next"] = f"{request.url.path}?access_token={token}&after={rows[-1]['id']}"
        data = [self._shown(row, query["fields"]) for row in rows]
        return as_json({"data": data, **({"paging": paging} if paging else {})})

    async def _insights(self, request: Request) -> Response:
        query, of = request.query_params, request.path_params["object"]
        name, period = query["metric"], query["period"]
        if name not in self.metrics:
            return _error(100, "(#100) The value must be a valid insights metric")
        values: list[Row] = [{"value": 7}]
        if period == "day":
            since, until = int(query["since"]), int(query["until"])
            if until - since > 93 * 86_400:
                return _error(100, "There cannot be more than 93 days between since and until")
            days = range(since // 86_400 + 1, until // 86_400 + 1)
            values = [{"value": day % 10, "end_time": _time_of(day * 86_400)} for day in days]
        told = {"name": name, "period": period, "values": values, "title": "A title",
                "description": "What it is", "id": f"{of}/insights/{name}/{period}"}  # fmt: skip
        return as_json({"data": [told]})

    def _shown(self, row: Row, fields: str) -> Row:
        """The fields asked for; of an Instagram comment with the first replies."""
        names = {"id", *(field.split("{")[0].split(".")[0] for field in fields.split(","))}
        names = (names | self.extra_fields) - self.dropped_fields
        shown = {name: row[name] for name in row if name in names}
        if "replies" in names and (replies := self.lists.get((row["id"], "replies"))):
            first = list(replies.values())[: MOST["replies"]]
            shown["replies"] = {"data": first}
            if len(replies) > len(first):
                cursors = {"before": first[0]["id"], "after": first[-1]["id"]}
                shown["replies"]["paging"] = {"cursors": cursors, "next": "https://x/?after=y"}
        return shown

    def _in_order(self, place: tuple[str, str]) -> list[int]:
        if place not in self._order:
            self._order[place] = sorted(_number(id) for id in self.lists.get(place, ()))
        return self._order[place]


def _number(id: str) -> int:
    return int(id.rpartition("_")[2])


def _stamp(row: Row) -> float:
    return datetime.fromisoformat(row.get("created_time") or row["timestamp"]).timestamp()


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S%z")


def _time_of(second: int) -> str:
    return _time(datetime.fromtimestamp(second, UTC))


def _error(code: int, message: str, subcode: int | None = None, status: int = 400) -> Response:
    error: Row = {"message": message, "type": "OAuthException", "code": code}
    if subcode:
        error["error_subcode"] = subcode
    return as_json({"error": {**error, "fbtrace_id": "A1b2C3"}}, status)
