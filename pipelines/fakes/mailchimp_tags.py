"""The part of the stand-in for Mailchimp that is written to: tags, as static segments.

Unverified against the real service: that who is tagged already is named neither among the added nor
among the errors.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from pipelines.fakes.fake import Handler, as_json

MOST_CHANGES = 500
FIRST_ID = 4_001
Row = dict[str, Any]


class Tags:
    """Static segments of the lists; `applied` counts what each call really changed."""

    def __init__(self, members: dict[str, dict[str, Row]]) -> None:
        self._members = members
        self.segments: dict[int, Row] = {}
        self.applied: Counter[tuple[str, str]] = Counter()  # by operation and address
        self.refused: set[str] = set()  # addresses that an error is told of

    def tagged(self, name: str) -> set[str]:
        """The addresses that have a tag."""
        return {
            address
            for segment in self.segments.values()
            if segment["name"] == name
            for address in segment["addresses"]
        }

    def put(self, list_id: str, name: str, addresses: Iterable[str]) -> int:
        """Make a tag, as a person does; returns its id."""
        id = FIRST_ID + len(self.segments)
        self.segments[id] = {
            "list_id": list_id,
            "name": name,
            "addresses": dict.fromkeys(addresses),
        }
        return id

    def routes(self, guarded: Callable[[Handler], Handler]) -> list[BaseRoute]:
        """The endpoints."""
        segments = "/3.0/lists/{list_id}/segments"
        return [
            Route(segments, guarded(self._list), methods=["GET"]),
            Route(segments, guarded(self._make), methods=["POST"]),
            Route(f"{segments}/{{segment:int}}", guarded(self._change), methods=["POST"]),
            Route(f"{segments}/{{segment:int}}/members", guarded(self._tagged), methods=["GET"]),
        ]

    async def _list(self, request: Request) -> Response:
        rows = [
            {"id": id, "name": segment["name"]}
            for id, segment in self.segments.items()
            if segment["list_id"] == request.path_params["list_id"]
        ]
        return as_json({"segments": rows[: int(request.query_params.get("count", 10))]})

    async def _make(self, request: Request) -> Response:
        told = await request.json()
        id = self.put(request.path_params["list_id"], told["name"], told["static_segment"])
        return as_json({"id": id, "name": told["name"], "member_count": 0})

    async def _tagged(self, request: Request) -> Response:
        addresses = list(self.segments[request.path_params["segment"]]["addresses"])
        start = int(request.query_params.get("offset", 0))
        count = int(request.query_params.get("count", 10))
        shown = [{"email_address": address} for address in addresses[start : start + count]]
        return as_json({"members": shown})

    async def _change(self, request: Request) -> Response:
        told, list_id = await request.json(), request.path_params["list_id"]
        wanted = {name: told.get(name, []) for name in ("members_to_add", "members_to_remove")}
        if max(map(len, wanted.values())) > MOST_CHANGES:
            return as_json({"title": "Invalid Resource", "status": 400}, 400)
        known = {m["email_address"].lower(): m["email_address"]
                 for m in self._members[list_id].values()}  # fmt: skip
        has = self.segments[request.path_params["segment"]]["addresses"]
        changed: dict[str, list[str]] = {}
        for operation, asked in wanted.items():
            theirs = [known[a.lower()] for a in asked if a.lower() in known]
            is_add = operation == "members_to_add"
            changed[operation] = [
                a for a in theirs if a not in self.refused and (a not in has) == is_add
            ]
            for address in changed[operation]:
                self.applied[operation, address] += 1
                if is_add:
                    has[address] = None
                else:
                    del has[address]
        refused = [a for asked in wanted.values() for a in asked if a in self.refused]
        errors = [{"email_addresses": refused, "error": f"{refused} may not"}] if refused else []
        return as_json(
            {
                "members_added": [{"email_address": a} for a in changed["members_to_add"]],
                "members_removed": [{"email_address": a} for a in changed["members_to_remove"]],
                "errors": errors,
                "error_count": len(errors),
            }
        )
