"""A stand-in for Fxiaoke's Open API v2: tokens in the body, and one list for every object.

Unverified against the real service: that it cuts a page to 100 records without a word, what it says
of an object or operator that it does not know, and that voided records come in the list.
"""

import bisect
import operator
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from pipelines.fakes.fake import Fake, as_json

CREDENTIALS = {
    "app_id": "FSAID_13204e5",
    "app_secret": "secret-of-the-stand-in",
    "permanent_code": "code-of-the-stand-in",
}
CORP_ID = "FSCID_5E2A7D10B4C93F68"
OPEN_USER_ID = "FSUID_D8A6A93A28FD0001"
OBJECTS = (
    "ContactObj", "AccountObj", "ActiveRecordObj", "TelesalesRecordObj", "CasesObj",
    "SalesOrderObj", "SalesOrderProductObj", "RefundObj", "MemberObj", "MemberIntegralDetailObj",
    "MemberGrowthValueDetailObj",
)  # fmt: skip
FIRST_ID = 0x64F0C2A1_7B3E9D00_01A00000  # ids are 24 hexadecimal digits, later ones greater
MOST_RECORDS, MOST_OFFSET = 100, 10_000
OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "EQ": operator.eq,
    "N": operator.ne,
    "GT": operator.gt,
    "GTE": operator.ge,
    "LT": operator.lt,
    "LTE": operator.le,
}
Row = dict[str, Any]


class FxiaokeFake(Fake):
    """One company."""

    login_path = "/cgi/corpAccessToken/get/V2"

    def __init__(self) -> None:
        self.records: dict[str, dict[str, Row]] = {name: {} for name in OBJECTS}
        self.most_records = MOST_RECORDS
        self.calls_left: int | None = None  # of the day
        self.extra_fields: set[str] = set()  # sent though nobody asked
        self.dropped_fields: set[str] = set()
        self._ids: dict[str, list[str]] = {name: [] for name in OBJECTS}
        self._made = 0
        super().__init__()

    # -- what the company does -----------------------------------------------------------------

    def add(self, count: int, of: str = "ContactObj", **fields: Any) -> list[str]:
        """Add records of an object; returns their ids."""
        first, self._made = FIRST_ID + self._made, self._made + count
        ids = [f"{number:024x}" for number in range(first, first + count)]
        for id in ids:
            self.put({"_id": id, "name": f"王{id[-6:]}", **fields}, of)
        return ids

    def put(self, record: Row, of: str = "ContactObj", at: datetime | None = None) -> None:
        """Add or replace a record as it is, changed now unless it says when."""
        now = _milliseconds(at or self.now)
        state = {
            "owner": ["FSUID_1000"],
            "record_type": "default__c",
            "life_status": "normal",
            "is_deleted": False,
            "create_time": now,
            "last_modified_time": now,
        }
        if record["_id"] not in self.records[of]:
            bisect.insort(self._ids[of], record["_id"])
        self.records[of][record["_id"]] = state | record

    def change(self, ids: Iterable[str], of: str = "ContactObj", **fields: Any) -> None:
        """Change records now."""
        for id in ids:
            changed = {"last_modified_time": _milliseconds(self.now), **fields}
            self.put({**self.records[of][id], **changed}, of)

    def remove(self, ids: Iterable[str], of: str = "ContactObj") -> None:
        """Void records now; they stay in the list."""
        self.change(ids, of, life_status="invalid", is_deleted=True)

    def restore(self, ids: Iterable[str], of: str = "ContactObj") -> None:
        """Bring voided records back now."""
        self.change(ids, of, life_status="normal", is_deleted=False)

    def purge(self, ids: Iterable[str], of: str = "ContactObj") -> None:
        """Delete records for good; nothing tells of it."""
        for id in ids:
            del self.records[of][id]
        self._ids[of] = sorted(self.records[of])

    # -- what it answers -----------------------------------------------------------------------

    def routes(self) -> Iterable[BaseRoute]:
        """The endpoints, as far as they are asked."""
        return [
            Route(self.login_path, self._token, methods=["POST"]),
            Route("/cgi/crm/v2/data/query", self._query, methods=["POST"]),
        ]

    async def _token(self, request: Request) -> Response:
        told = await request.json()
        given = (told.get("appId"), told.get("appSecret"), told.get("permanentCode"))
        if self.refuses_login or given != tuple(CREDENTIALS.values()):
            return _error(10006, "the parameter appSecret is missing or illegal")
        return _answer({"corpAccessToken": self.new_token(), "corpId": CORP_ID, "expiresIn": 7200})

    async def _query(self, request: Request) -> Response:
        told = await request.json()
        if not told.get("corpAccessToken"):
            return _error(20017, "corpAccessToken为必填项，不能为空")
        if told.get("corpId") != CORP_ID or not self.is_token_good(told["corpAccessToken"]):
            return _error(20016, "the cropId,cropAccessToken or authorization is error")
        if told.get("currentOpenUserId") != OPEN_USER_ID:
            return _error(20012, "openUserId not found")
        if self.calls_left is not None:
            self.calls_left -= 1
            if self.calls_left < 0:
                return _error(30002, "当天访问频次超限")
        return self._list(told.get("data") or {})

    def _list(self, data: Row) -> Response:
        name, query = data.get("dataObjectApiName"), data.get("search_query_info") or {}
        limit, offset = query.get("limit", 10), query.get("offset", 0)
        filters = query.get("filters") or []
        if name not in self.records or any(f["operator"] not in OPERATORS for f in filters):
            return _error(32000, "参数错误")
        if offset > MOST_OFFSET:
            return _error(10013, "offset out of range 10000")
        if offset % limit:
            return _error(32000, "offset must be a multiple of limit")
        limit = min(limit, self.most_records)
        asked = {*query.get("fieldProjection", ()), *self.extra_fields} - self.dropped_fields
        found = self._found(name, filters, query.get("orders") or [])
        shown = [_projected(row, asked) for row in islice(found, offset, offset + limit)]
        total = len(list(found)) if data.get("find_explicit_total_num", True) else 0
        listed = {"dataList": shown, "offset": offset, "limit": limit, "total": total}
        return _answer({"data": listed})

    def _found(self, name: str, filters: list[Row], orders: list[Row]) -> Iterator[Row]:
        """The records that fit, in the order asked for; by id without looking at all of them."""
        rows, ids = self.records[name], self._ids[name]
        after = [f["field_values"][0] for f in filters if _is_cursor(f)]
        start = bisect.bisect_right(ids, max(after)) if after else 0
        fitting = (rows[id] for id in islice(ids, start, None) if _fits(rows[id], filters))
        if [(order["fieldName"], order["isAsc"]) for order in orders] == [("_id", True)]:
            return fitting
        chosen = list(fitting)
        for order in reversed(orders):
            chosen.sort(key=lambda row: row[order["fieldName"]], reverse=not order["isAsc"])
        return iter(chosen)


def _is_cursor(filter: Row) -> bool:
    return bool(filter["field_name"] == "_id" and filter["operator"] == "GT")


def _fits(row: Row, filters: list[Row]) -> bool:
    for told in filters:
        value, asked = row.get(told["field_name"]), told["field_values"][0]
        if value is None or not OPERATORS[told["operator"]](value, type(value)(asked)):
            return False
    return True


def _projected(row: Row, asked: set[str]) -> Row:
    """The fields asked for, with the labels beside them; what is empty is not sent."""
    return {
        name: value
        for name, value in row.items()
        if value is not None and (name in asked or name.rpartition("__")[0] in asked)
    }


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _answer(content: Row) -> Response:
    told = {"traceId": "E-O.standin", "errorDescription": "success", "errorMessage": "OK"}
    return as_json({**told, "errorCode": 0, **content})


def _error(code: int, message: str) -> Response:
    return as_json({"traceId": "E-O.standin", "errorMessage": message, "errorCode": code})
