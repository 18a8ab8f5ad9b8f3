"""A stand-in for Mailchimp's Marketing API 3.0: lists, members, sent campaigns and their reports.

Unverified against the real service: whether since_ and before_ are inclusive (`is_inclusive`),
whether `since` of email-activity leaves out single events (`since_cuts`), and what a report still
says of a member who was deleted.
"""

import base64
import bisect
import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from pipelines.fakes.fake import Fake, Handler, as_json
from pipelines.fakes.mailchimp_tags import Tags

CREDENTIALS = {"api_key": "demokey0demokey0demokey0-us6"}
LIST_ID = "57afe96172"
MAX_COUNT, DEFAULT_COUNT = 1000, 10
Row = dict[str, Any]


class MailchimpFake(Fake):
    """One account."""

    def __init__(self) -> None:
        self.members: dict[str, dict[str, Row]] = {LIST_ID: {}}  # by list and contact_id
        self.deleted: dict[str, tuple[str, Row]] = {}  # not told to anybody
        self.campaigns: dict[str, Row] = {}
        self.reports: dict[str, dict[str, Row]] = {}  # by campaign and email_id
        self.is_inclusive = True
        self.since_cuts = True  # email-activity since a time has no older events of a recipient
        self.extra_fields: set[str] = set()  # sent though nobody asked
        self.dropped_fields: set[str] = set()
        self.tags = Tags(self.members)
        self._count = 0
        self._order: dict[tuple[str, bool], list[tuple[str, int, str]]] = {}
        super().__init__()

    # -- what the company does -----------------------------------------------------------------

    def add(self, count: int, list_id: str = LIST_ID, **fields: Any) -> list[str]:
        """Add members who are subscribed, unless it says otherwise; returns their contact_ids."""
        ids = []
        for _ in range(count):
            self._count += 1
            id = _md5(f"contact {self._count}")
            address = fields.get("email_address", f"person{self._count}@example.com")
            member = {
                "contact_id": id,
                "web_id": self._count,
                "email_address": address,
                "status": "subscribed",
                "merge_fields": {"FNAME": "", "LNAME": "", "ADDRESS": "", "PHONE": ""},
                "timestamp_signup": "",
                "timestamp_opt": _stamp(self.now),
                "language": "en",
                "vip": False,
                "source": "Import",
                "marketing_permissions": [],
                "tags": [],
                "ip_opt": "198.51.100.7",
                "member_rating": 2,
            }
            self.put(list_id, member | fields)
            ids.append(id)
        return ids

    def put(self, list_id: str, member: Row, at: datetime | None = None) -> None:
        """Add or replace a member as it is, changed now unless it says when."""
        merged = member["merge_fields"]
        member["list_id"] = list_id
        member["id"] = _md5(member["email_address"].lower())
        member["last_changed"] = _stamp(at or self.now)
        member["full_name"] = f"{merged.get('FNAME', '')} {merged.get('LNAME', '')}".strip()
        self.members.setdefault(list_id, {})[member["contact_id"]] = member
        self._order.clear()

    def change(self, ids: Iterable[str], list_id: str = LIST_ID, **fields: Any) -> None:
        """Change members now; fields in capitals are merge fields."""
        merged = {name: value for name, value in fields.items() if name.isupper()}
        plain = {name: value for name, value in fields.items() if name not in merged}
        for id in ids:
            member = self.members[list_id][id]
            merge_fields = {**member["merge_fields"], **merged}
            self.put(list_id, {**member, "merge_fields": merge_fields, **plain})

    def remove(self, ids: Iterable[str], list_id: str = LIST_ID) -> None:
        """Delete members permanently; reports keep no more than that there was somebody."""
        for id in ids:
            member = self.members[list_id].pop(id)
            self.deleted[id] = (list_id, member)
            for report in self.reports.values():
                if entry := report.get(member["id"]):
                    entry["email_address"] = ""
        self._order.clear()

    def restore(self, ids: Iterable[str]) -> None:
        """Let deleted members join again now."""
        for id in ids:
            self.put(*self.deleted.pop(id))

    def send(self, title: str, list_id: str = LIST_ID, at: datetime | None = None) -> str:
        """Send a campaign to the subscribed members of a list; returns its id."""
        id = _md5(f"campaign {len(self.campaigns)}")[:10]
        self.campaigns[id] = {
            "id": id,
            "type": "regular",
            "status": "sent",
            "send_time": _stamp(at or self.now),
            "recipients": {"list_id": list_id},
            "settings": {"title": title, "subject_line": f"Subject of {title}"},
            "report_summary": {"opens": 0},
        }
        self.reports[id] = {
            member["id"]: {
                "email_id": member["id"],
                "email_address": member["email_address"],
                "merge_fields": member["merge_fields"],
                "status": "sent",
                "open_count": 0,
                "activity": [],
                "campaign_id": id,
                "list_id": list_id,
            }
            for member in self.members[list_id].values()
            if member["status"] == "subscribed"
        }
        return id

    def act(self, campaign: str, email_id: str, action: str, **told: Any) -> None:
        """Let a recipient `open`, `click` or `bounce` now."""
        entry = self.reports[campaign][email_id]
        event = {"action": action, "timestamp": _stamp(self.now), "ip": "198.51.100.7", **told}
        entry["activity"].append(event)
        entry["open_count"] += action == "open"
        self.campaigns[campaign]["report_summary"]["opens"] += action == "open"

    def unsubscribe(self, campaign: str, email_id: str, reason: str = "None given") -> None:
        """Let a recipient leave now, by the link in a campaign."""
        entry = self.reports[campaign][email_id]
        entry["unsubscribed"] = {"timestamp": _stamp(self.now), "reason": reason}
        members = self.members[entry["list_id"]]
        ids = [id for id, member in members.items() if member["id"] == email_id]
        self.change(ids, entry["list_id"], status="unsubscribed")

    # -- what it answers -----------------------------------------------------------------------

    def routes(self) -> Iterable[BaseRoute]:
        """Mailchimp's endpoints, as far as they are used."""
        return [
            Route("/3.0/lists", self._guarded(self._lists)),
            Route("/3.0/lists/{list_id}/members", self._guarded(self._members)),
            Route("/3.0/campaigns", self._guarded(self._campaigns)),
            Route("/3.0/reports/{campaign}/sent-to", self._guarded(self._sent_to)),
            Route("/3.0/reports/{campaign}/email-activity", self._guarded(self._activity)),
            Route("/3.0/reports/{campaign}/unsubscribed", self._guarded(self._unsubscribed)),
            *self.tags.routes(self._guarded),
        ]

    def _guarded(self, handler: Handler) -> Handler:
        async def answer(request: Request) -> Response:
            scheme, _, pair = request.headers.get("Authorization", "").partition(" ")
            key = base64.b64decode(pair).decode().partition(":")[2] if scheme == "Basic" else ""
            if self.refuses_login or key != CREDENTIALS["api_key"]:
                return _problem(401, "API Key Invalid", "Your API key may be invalid.")
            if not 0 < int(request.query_params.get("count", DEFAULT_COUNT)) <= MAX_COUNT:
                return _problem(400, "Invalid Resource", "count must be between 1 and 1000")
            asked = request.path_params
            is_known = asked.get("list_id", LIST_ID) in self.members
            if not is_known or asked.get("campaign", "") not in ("", *self.reports):
                return _problem(404, "Resource Not Found", "The requested resource is not there.")
            return await handler(request)

        return answer

    async def _lists(self, request: Request) -> Response:
        return self._page(request, "lists", [{"id": id, "name": id} for id in self.members])

    async def _members(self, request: Request) -> Response:
        query, list_id = request.query_params, request.path_params["list_id"]
        order = self._in_order(list_id, query.get("status") == "archived")
        low, high = self._within(order, query, "last_changed")
        offset, count = _place(query)
        shown = order[low + offset : min(low + offset + count, high)]
        rows = [self.members[list_id][id] for _, _, id in shown]
        return self._answer(request, "members", rows, high - low)

    async def _campaigns(self, request: Request) -> Response:
        query = request.query_params
        rows = sorted(self.campaigns.values(), key=lambda row: str(row["send_time"]))
        if list_id := query.get("list_id"):
            rows = [row for row in rows if row["recipients"]["list_id"] == list_id]
        rows = [row for row in rows if row["status"] == query.get("status", row["status"])]
        low, high = self._within([(row["send_time"],) for row in rows], query, "send_time")
        return self._page(request, "campaigns", rows[low:high])

    async def _sent_to(self, request: Request) -> Response:
        return self._page(request, "sent_to", list(self._report(request).values()))

    async def _activity(self, request: Request) -> Response:
        rows = list(self._report(request).values())
        if since := request.query_params.get("since"):
            rows = [
                {**row, "activity": newer if self.since_cuts else row["activity"]}
                for row in rows
                if (newer := [event for event in row["activity"] if event["timestamp"] >= since])
            ]
        return self._page(request, "emails", rows)

    async def _unsubscribed(self, request: Request) -> Response:
        rows = [
            {**row, **row["unsubscribed"]}
            for row in self._report(request).values()
            if "unsubscribed" in row
        ]
        return self._page(request, "unsubscribes", rows)

    def _report(self, request: Request) -> dict[str, Row]:
        return self.reports[request.path_params["campaign"]]

    def _in_order(self, list_id: str, is_archived: bool) -> list[tuple[str, int, str]]:
        """Members by time of change, oldest first; the archived are a list of their own."""
        if (list_id, is_archived) not in self._order:
            self._order[list_id, is_archived] = sorted(
                (member["last_changed"], member["web_id"], id)
                for id, member in self.members[list_id].items()
                if (member["status"] == "archived") == is_archived
            )
        return self._order[list_id, is_archived]

    def _within(self, order: list[Any], query: Any, name: str) -> tuple[int, int]:
        """Where what changed since and before the times that are asked for begins and ends."""
        since, before = query.get(f"since_{name}"), query.get(f"before_{name}")
        left, right = bisect.bisect_left, bisect.bisect_right
        after = (right, left)[self.is_inclusive]
        until = (left, right)[self.is_inclusive]
        low = after(order, since, key=lambda row: row[0]) if since else 0
        return low, until(order, before, key=lambda row: row[0]) if before else len(order)

    def _page(self, request: Request, name: str, rows: list[Row]) -> Response:
        offset, count = _place(request.query_params)
        return self._answer(request, name, rows[offset : offset + count], len(rows))

    def _answer(self, request: Request, name: str, rows: list[Row], total: int) -> Response:
        paths = request.query_params.get("fields", "").split(",")
        asked = [path.removeprefix(f"{name}.") for path in paths if path.startswith(f"{name}.")]
        shown = [
            {field: value for field, value in row.items() if field not in self.dropped_fields}
            for row in rows
        ]
        if asked:
            asked += sorted(self.extra_fields)
            return as_json({name: [_chosen(row, asked) for row in shown]})
        return as_json({name: shown, "total_items": total, "_links": []})


def _place(query: Any) -> tuple[int, int]:
    return int(query.get("offset", 0)), int(query.get("count", DEFAULT_COUNT))


def _chosen(row: Row, paths: list[str]) -> Row:
    """The fields that are asked for, such as `settings.title`."""
    chosen: Row = {}
    for path in paths:
        name, _, rest = path.partition(".")
        if rest and isinstance(row.get(name), dict):
            chosen[name] = {**chosen.get(name, {}), **_chosen(row[name], [rest])}
        elif name in row:
            chosen[name] = row[name]
    return chosen


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _stamp(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")


def _problem(status: int, title: str, detail: str) -> Response:
    content = {
        "type": "https://mailchimp.com/developer/marketing/docs/errors/",
        "title": title,
        "status": status,
        "detail": detail,
        "instance": "995c5cb0-3280-4a6e-808b-3b096d0bb219",
    }
    response = as_json(content, status)
    response.headers["Content-Type"] = "application/problem+json; charset=utf-8"
    return response
