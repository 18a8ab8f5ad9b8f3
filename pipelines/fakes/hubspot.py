"""A stand-in for HubSpot 2026-09: plain and archived lists, search, associations, subscriptions.

Unverified against the real service: that the `after` of a list is the last id, that a merge, a
restore and a new subscription status count as changes, and how many addresses one call for
statuses takes. The search does not show what is in `unindexed`.
"""

import bisect
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from pipelines.fakes.fake import Fake, Handler, as_json
from pipelines.fakes.hubspot_lists import Lists

CREDENTIALS = {"access_token": "pat-eu1-demo-0000"}
SINGULARS = {
    "contacts": "contact",
    "companies": "company",
    "deals": "deal",
    "tickets": "ticket",
    "calls": "call",
    "emails": "email",
    "meetings": "meeting",
    "notes": "note",
    "tasks": "task",
    "communications": "communication",
}
FIRST_ID = 151_000_000_001
LIST_PAGE, SEARCH_PAGE, SEARCH_WINDOW = 100, 200, 10_000
ASSOCIATION_BATCH, STATUS_BATCH = 1_000, 100
Row = dict[str, Any]


class HubspotFake(Fake):
    """One account."""

    login_path = "/oauth/none"  # a fixed key: there is no login

    def __init__(self) -> None:
        self.records: dict[str, dict[int, Row]] = {kind: {} for kind in SINGULARS}
        self.archived: dict[str, dict[int, Row]] = {kind: {} for kind in SINGULARS}
        self.ties: dict[tuple[str, int, str], list[tuple[int, bool]]] = {}
        self.statuses: dict[str, dict[int, Row]] = {}
        self.is_enterprise = True  # only Marketing Hub Enterprise may read statuses in batches
        self.unindexed: set[str] = set()
        self.daily_calls_left: int | None = None
        self.extra_fields: set[str] = set()  # sent though nobody asked
        self.dropped_fields: set[str] = set()
        self.lists = Lists(self.records["contacts"])
        self._next_id = FIRST_ID
        self._orders: dict[tuple[Any, ...], list[int]] = {}
        super().__init__()

    # -- what the company does -----------------------------------------------------------------

    def add(self, count: int, kind: str = "contacts", **properties: Any) -> list[str]:
        """Add records; returns their ids."""
        ids = range(self._next_id, self._next_id + count)
        self._next_id += count
        for id in ids:
            self.put(kind, id, properties)
        return [str(id) for id in ids]

    def put(self, kind: str, id: int, properties: Row, at: datetime | None = None) -> None:
        """Add or replace a record as it is, changed now unless it says when."""
        moment = at or self.now
        before = self.records[kind].get(id)
        created = before["createdAt"] if before else _iso(moment)
        self.records[kind][id] = {
            "id": str(id),
            "properties": {
                **properties,
                "hs_object_id": str(id),
                _created_property(kind): created,
                _modified_property(kind): _iso(moment),
            },
            "createdAt": created,
            "updatedAt": _iso(moment),
            "archived": False,
            "changed": _milliseconds(moment),
        }
        self._orders.clear()

    def change(self, ids: Iterable[str], kind: str = "contacts", **properties: Any) -> None:
        """Change records now."""
        for id in map(int, ids):
            self.put(kind, id, self.records[kind][id]["properties"] | properties)

    def remove(self, ids: Iterable[str], kind: str = "contacts") -> None:
        """Archive records now."""
        for id in map(int, ids):
            row = self.records[kind].pop(id)
            self.archived[kind][id] = row | {"archived": True, "archivedAt": _iso(self.now)}
        self._orders.clear()

    def restore(self, ids: Iterable[str], kind: str = "contacts") -> None:
        """Bring archived records back now."""
        for id in map(int, ids):
            self.put(kind, id, self.archived[kind].pop(id)["properties"])

    def merge(self, winner: str, loser: str, kind: str = "contacts") -> None:
        """Make one record part of another: it vanishes without being archived."""
        lost = self.records[kind].pop(int(loser))["properties"]
        kept = self.records[kind][int(winner)]["properties"]
        told = [kept.get("hs_merged_object_ids"), lost.get("hs_merged_object_ids"), loser]
        self.change([winner], kind, hs_merged_object_ids=";".join(filter(None, told)))

    def tie(self, kind: str, id: str, to: str, ids: Iterable[str], primary: str = "") -> None:
        """Associate a record with others."""
        self.ties[kind, int(id), to] = [(int(other), other == primary) for other in ids]

    def subscribe(self, id: str, type_id: int, status: str = "SUBSCRIBED", **more: Any) -> None:
        """Set a contact's subscription status now; the contact counts as changed."""
        email = self.records["contacts"][int(id)]["properties"]["email"]
        self.statuses.setdefault(email.lower(), {})[type_id] = {
            "channel": "EMAIL",
            "subscriberIdString": email,
            "subscriptionId": type_id,
            "subscriptionName": f"Type {type_id}",
            "status": status,
            "source": "Form",
            "legalBasis": "CONSENT_WITH_NOTICE",
            "businessUnitId": 0,
            "timestamp": _iso(self.now),
            **more,
        }
        self.change([id])

    # -- what it answers -----------------------------------------------------------------------

    def routes(self) -> Iterable[BaseRoute]:
        """HubSpot's endpoints, as far as they are used."""
        objects = "/crm/objects/2026-09/{kind}"
        ties = "/crm/associations/2026-09/{kind}/{to}/batch/read"
        statuses = "/communication-preferences/2026-09/statuses/batch/read"
        return [
            Route(objects, self._guarded(self._list)),
            Route(f"{objects}/search", self._guarded(self._search), methods=["POST"]),
            Route(ties, self._guarded(self._read_ties), methods=["POST"]),
            Route(statuses, self._guarded(self._read_statuses), methods=["POST"]),
            *self.lists.routes(self._guarded),
        ]

    def _guarded(self, handler: Handler) -> Handler:
        async def answer(request: Request) -> Response:
            key = f"Bearer {CREDENTIALS['access_token']}"
            if self.refuses_login or request.headers.get("Authorization") != key:
                return _error(401, "INVALID_AUTHENTICATION")
            if self.daily_calls_left is not None:
                self.daily_calls_left -= 1
                if self.daily_calls_left < 0:
                    return too_many("DAILY")
            if request.path_params.get("kind", "contacts") not in SINGULARS:
                return _error(400, "VALIDATION_ERROR")
            return await handler(request)

        return answer

    async def _list(self, request: Request) -> Response:
        query, kind = request.query_params, request.path_params["kind"]
        limit = int(query.get("limit", 10))
        if limit > LIST_PAGE:
            return _error(400, "VALIDATION_ERROR")
        name = "archived" if query.get("archived") == "true" else "records"
        order = self._in_order(name, kind)
        start = bisect.bisect_right(order, int(query["after"])) if "after" in query else 0
        ids = order[start : start + limit]
        rows = [getattr(self, name)[kind][id] for id in ids]
        results = [self._shown(row, kind, query.get("properties", "").split(",")) for row in rows]
        for result in results:
            ties = self._listed_ties(kind, result["id"], query.get("associations", ""))
            result |= {"associations": ties} if ties else {}
        content: Row = {"results": results}
        if start + limit < len(order):
            content["paging"] = {"next": {"after": str(ids[-1]), "link": "https://api.hubapi.com/"}}
        return as_json(content)

    async def _search(self, request: Request) -> Response:
        """Of the real one's filters and sorts, those that are asked for."""
        query, kind = await request.json(), request.path_params["kind"]
        limit, start = int(query.get("limit", 10)), int(query.get("after") or 0)
        [group], sorts = query["filterGroups"], query["sorts"]
        asked = {(one["propertyName"], one["operator"]): one["value"] for one in group["filters"]}
        known = {("hs_object_id", "GT"), (_modified_property(kind), "GTE")}
        by_id = [{"propertyName": "hs_object_id", "direction": "ASCENDING"}]
        too_far = limit > SEARCH_PAGE or start + limit > SEARCH_WINDOW
        if too_far or sorts != by_id or not set(asked) <= known:
            return _error(400, "VALIDATION_ERROR")
        found = self._changed(kind, int(asked.get((_modified_property(kind), "GTE"), 0)))
        first = bisect.bisect_right(found, int(asked.get(("hs_object_id", "GT"), 0)))
        total, first = len(found) - first, first + start
        rows = [self.records[kind][id] for id in found[first : first + limit]]
        results = [self._shown(row, kind, query.get("properties", ())) for row in rows]
        content: Row = {"total": total, "results": results}
        if first + limit < len(found):
            content["paging"] = {"next": {"after": str(start + limit)}}
        return as_json(content)

    async def _read_ties(self, request: Request) -> Response:
        kind, to = request.path_params["kind"], request.path_params["to"]
        inputs = (await request.json())["inputs"]
        if len(inputs) > ASSOCIATION_BATCH:
            return _error(400, "VALIDATION_ERROR")
        results, without = [], []
        for id in (asked["id"] for asked in inputs):
            ties = self.ties.get((kind, int(id), to))
            if not ties:
                without.append(_input_error("OBJECT_NOT_FOUND", id))
                continue
            tied = [{"toObjectId": other, "associationTypes": _types(main)} for other, main in ties]
            results.append({"from": {"id": id}, "to": tied})
        return _batch(results, without)

    async def _read_statuses(self, request: Request) -> Response:
        emails = (await request.json())["inputs"]
        if not self.is_enterprise:
            return _error(403, "MISSING_SCOPES")
        if request.query_params.get("channel") != "EMAIL" or len(emails) > STATUS_BATCH:
            return _error(400, "VALIDATION_ERROR")
        results = [
            {"subscriberIdString": email, "statuses": [*self.statuses.get(email, {}).values()]}
            for email in emails
            if "@" in email
        ]
        refused = [_input_error("VALIDATION_ERROR", e) for e in emails if "@" not in e]
        return _batch(results, refused)

    def _in_order(self, name: str, kind: str) -> list[int]:
        key = (name, kind)
        if key not in self._orders:
            self._orders[key] = sorted(getattr(self, name)[kind])
        return self._orders[key]

    def _changed(self, kind: str, since: int) -> list[int]:
        """The ids of what has changed since, as far as the index shows it, in order."""
        key = (kind, since, *sorted(self.unindexed))
        if key not in self._orders:
            rows, hidden = self.records[kind], set(map(int, self.unindexed))
            order = self._in_order("records", kind)
            changed = [id for id in order if rows[id]["changed"] >= since and id not in hidden]
            self._orders[key] = changed
        return self._orders[key]

    def _shown(self, row: Row, kind: str, asked: Iterable[str]) -> Row:
        always = ["hs_object_id", _created_property(kind), _modified_property(kind)]
        names = dict.fromkeys([*always, *filter(None, asked), *sorted(self.extra_fields)])
        properties = {name: row["properties"].get(name) for name in names}
        whole = {**row, "properties": properties, "url": f"https://app.hubspot.com/{row['id']}"}
        return {k: v for k, v in whole.items() if k not in {"changed", *self.dropped_fields}}

    def _listed_ties(self, kind: str, id: str, asked: str) -> Row:
        """Ties as a list has them: once for each label, the plain one meaning primary."""
        found: Row = {}
        for to in filter(None, asked.split(",")):
            plain = f"{SINGULARS[kind]}_to_{SINGULARS[to]}"
            for other, is_primary in self.ties.get((kind, int(id), to), ()):
                labels = [plain] if is_primary or to != "companies" else []
                labels += [f"{plain}_unlabeled"] if to == "companies" else []
                results = found.setdefault(to, {"results": []})["results"]
                results += [{"id": str(other), "type": label} for label in labels]
        return found


def too_many(policy: str) -> Response:
    """The answer of a limit that was hit."""
    told = {"status": "error", "errorType": "RATE_LIMIT", "correlationId": "0"}
    headers = {"X-HubSpot-RateLimit-Interval-Milliseconds": "10000"}
    return as_json({**told, "message": "", "policyName": policy}, 429, headers)


def _types(is_primary: bool) -> list[Row]:
    types: list[Row] = [{"category": "HUBSPOT_DEFINED", "typeId": 341, "label": None}]
    primary = {"category": "HUBSPOT_DEFINED", "typeId": 5, "label": "Primary"}
    return [*types, primary] if is_primary else types


def _created_property(kind: str) -> str:
    plain = ("contacts", "companies", "deals", "tickets")
    return "createdate" if kind in plain else "hs_createdate"


def _modified_property(kind: str) -> str:
    return "lastmodifieddate" if kind == "contacts" else "hs_lastmodifieddate"


def _iso(moment: datetime) -> str:
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _batch(results: list[Row], errors: list[Row]) -> Response:
    content: Row = {"status": "COMPLETE", "results": results}
    if errors:
        content |= {"numErrors": len(errors), "errors": errors}
    return as_json(content, 207 if errors else 200)


def _input_error(category: str, asked: str) -> Row:
    return {"status": "error", "category": category, "message": "", "context": {"id": [asked]}}


def _error(status: int, category: str) -> Response:
    body = {"status": "error", "message": "", "correlationId": "0", "category": category}
    return as_json(body, status)
