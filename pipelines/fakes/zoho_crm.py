"""A stand-in for Zoho CRM v8: lists by page token, deleted records, counts and bulk read.

Unverified against the real service: the body of an expired page token, and whether
If-Modified-Since is inclusive (here it is).
"""

import base64
import bisect
import csv
import io
import json
import zipfile
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from pipelines.fakes.fake import Fake, Handler, as_json

CREDENTIALS = {"client_id": "1000.DEMO", "client_secret": "demo", "refresh_token": "1000.demo"}
MODULES = ("Contacts", "Leads", "Accounts", "Deals", "Cases", "Tasks", "Calls", "Events")
FIRST_ID = 4_876_876_000_000_000_001
MAX_PAGE, MAX_UNPAGED, MAX_FIELDS, MAX_UPDATES = 200, 2_000, 50, 100
Row = dict[str, Any]


class ZohoCrmFake(Fake):
    """One organisation."""

    login_path = "/oauth/v2/token"

    def __init__(self) -> None:
        self.records: dict[str, dict[str, Row]] = {module: {} for module in MODULES}
        self.deleted: dict[str, dict[str, Row]] = {module: {} for module in MODULES}
        self.bulk_rows = 200_000
        self.credits_left: int | None = None
        self.page_token_age = 0  # older page tokens have expired
        self.extra_fields: set[str] = set()  # sent though nobody asked
        self.dropped_fields: set[str] = set()
        self.updates: Counter[str] = Counter()  # by record id; each moves its Modified_Time
        self.refused: dict[str, str] = {}  # by record id, the field that an error is told of
        self._jobs: list[Row] = []
        self._order: dict[str, list[tuple[str, str]]] = {}
        super().__init__()

    # -- what the company does -----------------------------------------------------------------

    def add(self, count: int, module: str = "Contacts", **fields: Any) -> list[str]:
        """Add records; returns their ids, of 19 digits."""
        first = FIRST_ID + sum(len(r) + len(self.deleted[m]) for m, r in self.records.items())
        ids = [str(number) for number in range(first, first + count)]
        for id in ids:
            self.put(module, {"id": id, "Last_Name": f"Wang {id[-6:]}", **fields})
        return ids

    def put(self, module: str, record: Row, at: datetime | None = None) -> None:
        """Add or replace a record as it is, changed now unless it says when."""
        now = (at or self.now).isoformat()
        stamps = {"Created_Time": now, "Modified_Time": now}
        self.records[module][record["id"]] = stamps | record
        self._order.pop(module, None)

    def change(self, ids: Iterable[str], module: str = "Contacts", **fields: Any) -> None:
        """Change records now."""
        for id in ids:
            record = self.records[module][id]
            self.put(module, {**record, **fields, "Modified_Time": self.now.isoformat()})

    def remove(self, ids: Iterable[str], module: str = "Contacts") -> None:
        """Delete records now."""
        for id in ids:
            self.deleted[module][id] = {
                "deleted_by": {"name": "Administrator", "id": "1"},
                "id": id,
                "display_name": self.records[module][id].get("Last_Name"),
                "type": "recycle",
                "deleted_time": self.now.isoformat(),
                "record": self.records[module].pop(id),
            }
        self._order.pop(module, None)

    def restore(self, ids: Iterable[str], module: str = "Contacts") -> None:
        """Take records out of the recycle bin now."""
        for id in ids:
            record = self.deleted[module].pop(id)["record"]
            self.put(module, {**record, "Modified_Time": self.now.isoformat()})

    # -- what it answers -----------------------------------------------------------------------

    def routes(self) -> Iterable[BaseRoute]:
        """Zoho's endpoints, as far as they are used."""
        return [
            Route(self.login_path, self._token, methods=["POST"]),
            Route("/crm/v8/{module}", self._guarded(self._list), methods=["GET"]),
            Route("/crm/v8/{module}", self._guarded(self._update), methods=["PUT"]),
            Route("/crm/v8/{module}/deleted", self._guarded(self._list_deleted)),
            Route("/crm/v8/{module}/actions/count", self._guarded(self._count)),
            Route("/crm/bulk/v8/read", self._guarded(self._bulk_start), methods=["POST"]),
            Route("/crm/bulk/v8/read/{job}", self._guarded(self._bulk_state)),
            Route("/crm/bulk/v8/read/{job}/result", self._guarded(self._bulk_result)),
        ]

    async def _token(self, request: Request) -> Response:
        form = await request.form()
        right = all(form.get(name) == value for name, value in CREDENTIALS.items())
        if self.refuses_login or not right:
            return as_json({"error": "invalid_code" if right else "invalid_client"})
        return as_json({"access_token": self.new_token(), "expires_in": 3600})

    def _guarded(self, handler: Handler) -> Handler:
        async def answer(request: Request) -> Response:
            scheme, _, token = request.headers.get("Authorization", "").partition(" ")
            if scheme != "Zoho-oauthtoken" or not self.is_token_good(token):
                return _error(401, "INVALID_TOKEN", "invalid oauth token")
            if self.credits_left is not None:
                self.credits_left -= 1
                if self.credits_left < 0:
                    return _error(429, "API_LIMIT_EXCEEDED", "daily limit reached")
            module = request.path_params.get("module")
            if module and module not in self.records:
                return _error(400, "INVALID_MODULE", "the module name given seems to be invalid")
            return await handler(request)

        return answer

    async def _list(self, request: Request) -> Response:
        query, module = request.query_params, request.path_params["module"]
        if not query.get("fields"):
            return _error(400, "REQUIRED_PARAM_MISSING", "", {"param_name": "fields"})
        if query["fields"].count(",") >= MAX_FIELDS:
            return _error(400, "LIMIT_EXCEEDED", "", {"param_name": "fields"})
        if ids := query.get("ids"):
            return self._listed(module, ids.split(","), query["fields"].split(","))
        size, page = int(query.get("per_page", MAX_PAGE)), int(query.get("page", 1))
        if page * size > MAX_UNPAGED:
            return _error(400, "DISCRETE_PAGINATION_LIMIT_EXCEEDED", "use page_token")
        order = self._in_order(module)
        start = (page - 1) * size
        if since := request.headers.get("If-Modified-Since"):
            start += bisect.bisect_left(order, (_utc(since), ""))
        if token := query.get("page_token"):
            age, *after = json.loads(base64.urlsafe_b64decode(token))
            if age < self.page_token_age:
                return _error(400, "INVALID_DATA", "expired", {"param_name": "page_token"})
            start = bisect.bisect_right(order, tuple(after))
        keys = order[start : start + size]
        if not keys:
            return Response(status_code=304 if since else 204)
        names = ["id", *query["fields"].split(",")]
        if "What_Id" in names:
            names.append("$se_module")
        rows = [self.records[module][id] for _, id in keys]
        more = start + size < len(order)
        info: Row = {"per_page": size, "count": len(rows), "more_records": more, "page": page}
        if more:
            token_text = json.dumps([self.page_token_age, *keys[-1]]).encode()
            info["next_page_token"] = base64.urlsafe_b64encode(token_text).decode()
        names = [*dict.fromkeys([*names, *sorted(self.extra_fields)])]
        names = [name for name in names if name not in self.dropped_fields]
        data = [{name: row.get(name) for name in names} for row in rows]
        return as_json({"data": data, "info": info})

    def _listed(self, module: str, ids: list[str], fields: list[str]) -> Response:
        if len(ids) > MAX_UPDATES:
            return _error(400, "LIMIT_EXCEEDED", "", {"param_name": "ids"})
        found = [self.records[module][id] for id in ids if id in self.records[module]]
        rows = [{name: row.get(name) for name in ("id", *fields)} for row in found]
        return as_json({"data": rows, "info": {}}) if rows else Response(status_code=204)

    async def _update(self, request: Request) -> Response:
        told, module = await request.json(), request.path_params["module"]
        if len(told["data"]) > MAX_UPDATES:
            return _error(400, "LIMIT_EXCEEDED", "")
        results = [self._updated(module, dict(record)) for record in told["data"]]
        ok = {result["status"] for result in results} == {"success"}
        return as_json({"data": results}, 200 if ok else 207)

    def _updated(self, module: str, record: Row) -> Row:
        id = record.pop("id")
        if id not in self.records[module]:
            return {"code": "INVALID_DATA", "status": "error", "details": {"api_name": "id"}}
        if field := self.refused.get(id):
            return {"code": "INVALID_DATA", "status": "error", "details": {"api_name": field}}
        self.updates[id] += 1
        self.change([id], module, **record)
        return {"code": "SUCCESS", "status": "success", "details": {"id": id}}

    async def _list_deleted(self, request: Request) -> Response:
        query, module = request.query_params, request.path_params["module"]
        since = request.headers.get("If-Modified-Since", "")
        rows = [
            {name: value for name, value in row.items() if name != "record"}
            for row in self.deleted[module].values()
            if not since or row["deleted_time"] >= _utc(since)
        ]
        rows.sort(key=lambda row: (row["deleted_time"], row["id"]), reverse=True)
        page, size = int(query.get("page", 1)), int(query.get("per_page", MAX_PAGE))
        shown = rows[(page - 1) * size : page * size]
        if not shown:
            return Response(status_code=304 if since else 204)
        return as_json({"data": shown, "info": {"more_records": page * size < len(rows)}})

    async def _count(self, request: Request) -> Response:
        return as_json({"count": len(self.records[request.path_params["module"]])})

    async def _bulk_start(self, request: Request) -> Response:
        query = (await request.json())["query"]
        self._jobs.append(query)
        details = {"id": str(len(self._jobs)), "state": "ADDED"}
        return as_json({"data": [{"status": "success", "details": details}]}, 201)

    async def _bulk_state(self, request: Request) -> Response:
        job = request.path_params["job"]
        query = self._jobs[int(job) - 1]
        total = len(self.records[query["module"]["api_name"]])
        result = {
            "count": min(self.bulk_rows, total - (query["page"] - 1) * self.bulk_rows),
            "more_records": query["page"] * self.bulk_rows < total,
            "download_url": f"/crm/bulk/v8/read/{job}/result",
        }
        return as_json({"data": [{"id": job, "state": "COMPLETED", "result": result}]})

    async def _bulk_result(self, request: Request) -> Response:
        query = self._jobs[int(request.path_params["job"]) - 1]
        rows = list(self.records[query["module"]["api_name"]].values())
        start = (query["page"] - 1) * self.bulk_rows
        text = io.StringIO(newline="")
        names = [name for name in query["fields"] if name != "id"]
        writer = csv.writer(text)
        writer.writerow(["Id", *names])
        for row in rows[start : start + self.bulk_rows]:
            writer.writerow([row["id"], *(_flat(row.get(name)) for name in names)])
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"{request.path_params['job']}.csv", text.getvalue())
        return Response(content.getvalue(), media_type="application/zip")

    def _in_order(self, module: str) -> list[tuple[str, str]]:
        """Ids by time of change, oldest first."""
        if module not in self._order:
            self._order[module] = sorted(
                (_utc(row["Modified_Time"]), id) for id, row in self.records[module].items()
            )
        return self._order[module]


def _utc(text: str) -> str:
    return text.replace("Z", "+00:00")


def _flat(value: Any) -> str:
    """A value as the CSV of a bulk read has it: a lookup is its id."""
    if isinstance(value, dict):
        return str(value.get("id", ""))
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ",".join(str(item.get("name")) for item in value)
    return "" if value is None else str(value)


def _error(status: int, code: str, message: str, details: Row | None = None) -> Response:
    content = {"code": code, "details": details or {}, "message": message, "status": "error"}
    return as_json(content, status)
