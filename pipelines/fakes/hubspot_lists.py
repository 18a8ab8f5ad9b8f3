"""The part of the stand-in for HubSpot that is written to: static lists of contacts."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from pipelines.fakes.fake import Handler, as_json

MEMBERSHIP_PAGE = 250
FIRST_ID = 51
Row = dict[str, Any]


class Lists:
    """Lists of contacts; `applied` counts what each call really changed."""

    def __init__(self, contacts: dict[int, Row]) -> None:
        self._contacts = contacts
        self.lists: dict[str, Row] = {}
        self.applied: Counter[tuple[str, str]] = Counter()  # by operation and record id

    def put(self, name: str, processing_type: str = "MANUAL") -> str:
        """Make a list; returns its id."""
        id = str(FIRST_ID + len(self.lists))
        self.lists[id] = {"name": name, "processingType": processing_type, "members": {}}
        return id

    def members(self, name: str) -> set[str]:
        """The record ids on a list."""
        found = [row for row in self.lists.values() if row["name"] == name]
        return {id for row in found for id in row["members"]}

    def routes(self, guarded: Callable[[Handler], Handler]) -> list[BaseRoute]:
        """The endpoints."""
        lists = "/crm/lists/2026-09"
        memberships = f"{lists}/{{id}}/memberships"
        return [
            Route(lists, guarded(self._make), methods=["POST"]),
            Route(f"{lists}/object-type-id/0-1/name/{{name}}", guarded(self._find)),
            Route(memberships, guarded(self._memberships), methods=["GET"]),
            Route(f"{memberships}/add-and-remove", guarded(self._change), methods=["PUT"]),
        ]

    async def _make(self, request: Request) -> Response:
        told = await request.json()
        if any(row["name"] == told["name"] for row in self.lists.values()):
            return _error(400, "VALIDATION_ERROR")
        return as_json({"list": self._shown(self.put(told["name"], told["processingType"]))})

    async def _find(self, request: Request) -> Response:
        name = request.path_params["name"]
        found = [id for id, row in self.lists.items() if row["name"] == name]
        return (
            as_json({"list": self._shown(found[0])}) if found else _error(404, "OBJECT_NOT_FOUND")
        )

    async def _memberships(self, request: Request) -> Response:
        query = request.query_params
        limit, after = int(query.get("limit", 100)), query.get("after", "")
        if limit > MEMBERSHIP_PAGE:
            return _error(400, "VALIDATION_ERROR")
        ids = sorted(self.lists[request.path_params["id"]]["members"])
        left = [id for id in ids if id > after]
        content: Row = {"results": [{"recordId": id} for id in left[:limit]]}
        if len(left) > limit:
            content["paging"] = {"next": {"after": left[limit - 1]}}
        return as_json(content)

    async def _change(self, request: Request) -> Response:
        told, row = await request.json(), self.lists[request.path_params["id"]]
        if row["processingType"] == "DYNAMIC":
            return _error(400, "VALIDATION_ERROR")
        asked = [*told["recordIdsToAdd"], *told["recordIdsToRemove"]]
        missing = [id for id in asked if int(id) not in self._contacts]
        members = row["members"]
        added = [i for i in told["recordIdsToAdd"] if i not in members and i not in missing]
        removed = [i for i in told["recordIdsToRemove"] if i in members]
        for id in added:
            members[id] = None
            self.applied["add", id] += 1
        for id in removed:
            del members[id]
            self.applied["remove", id] += 1
        return as_json(
            {"recordsIdsAdded": added, "recordIdsRemoved": removed, "recordIdsMissing": missing}
        )

    def _shown(self, id: str) -> Row:
        row = self.lists[id]
        return {"listId": id, "name": row["name"], "processingType": row["processingType"]}


def _error(status: int, category: str) -> Response:
    body = {"status": "error", "message": "", "correlationId": "0", "category": category}
    return as_json(body, status)
