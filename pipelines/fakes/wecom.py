"""A stand-in for WeCom's customer contact: employees, who follows whom, tags and moments.

Unverified against the real service: the order of ties in a page (here by employee), and that a full
last page is followed by an empty one.
"""

import bisect
import json
from collections.abc import Iterable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from pipelines.fakes.fake import Fake, Handler, as_json

CREDENTIALS = {"corp_id": "ww0123456789abcdef", "secret": "secret-of-customer-contact"}
MOST_USERS = MOST_TIES = 100
MOST_MOMENTS, LONGEST_SECONDS = 20, 30 * 86_400
Row = dict[str, Any]


class WecomFake(Fake):
    """One corp with two employees; who follows a contact is `zhangsan` unless it is said."""

    login_path = "/cgi-bin/gettoken"

    def __init__(self) -> None:
        self.employees = ["zhangsan", "lisi"]
        self.contacts: dict[str, Row] = {}
        self.ties: dict[str, dict[str, Row]] = {}  # by employee and contact
        self.moments: dict[str, Row] = {}
        self.engagements: dict[tuple[str, str], Row] = {}  # by moment and employee
        self.tags: dict[str, tuple[str, str]] = {}  # group and name
        self.unlicensed: list[str] = []
        self.cursors_expire = False
        self.dropped_fields: set[str] = set()
        self._removed: dict[str, dict[str, Row]] = {}  # by contact and employee
        self._order: dict[str, list[str]] = {}
        self._made = 0
        super().__init__()

    # -- what the company does -----------------------------------------------------------------

    def add(self, count: int, follower: str = "zhangsan", **about: Any) -> list[str]:
        """Let an employee win contacts now; returns their ids."""
        ids = [f"wmJ7kQAA{self._made + number:024d}" for number in range(1, count + 1)]
        self._made += count
        for id in ids:
            name = f"微信用户{id[-6:]}"
            self.contacts[id] = {
                "external_userid": id,
                "name": name,
                "type": 1,
                "gender": 0,
                **about,
            }
        self.follow(ids, follower)
        return ids

    def follow(self, ids: Iterable[str], follower: str, **note: Any) -> None:
        """Let an employee add contacts now, or note something else of them."""
        held = self.ties.setdefault(follower, {})
        for id in ids:
            first: Row = {"userid": follower, "remark": "", "description": "", "tag_id": []}
            first |= {"createtime": int(self.now.timestamp()), "add_way": 1}
            held[id] = first | held.get(id, {}) | note
        self._order.pop(follower, None)

    def unfollow(self, ids: Iterable[str], follower: str) -> None:
        """Let an employee delete contacts."""
        for id in ids:
            del self.ties[follower][id]
        self._order.pop(follower, None)

    def change(self, ids: Iterable[str], **about: Any) -> None:
        """Change what contacts say of themselves."""
        for id in ids:
            self.contacts[id] |= about

    def remove(self, ids: Iterable[str]) -> None:
        """Let all their followers delete contacts."""
        for id in ids:
            held = {user: ties.pop(id) for user, ties in self.ties.items() if id in ties}
            self._removed[id] = held
        self._order.clear()

    def restore(self, ids: Iterable[str]) -> None:
        """Let their followers add contacts again, as they were."""
        for id in ids:
            for user, tie in self._removed.pop(id).items():
                self.ties[user][id] = tie
        self._order.clear()

    def post_moment(self, creator: str, publishers: Iterable[str] = ()) -> str:
        """Post a moment now: an employee's own, or the company's by those who publish it."""
        id = f"mom{len(self.moments) + 1:06d}"
        by_company = bool(list(publishers))
        self.moments[id] = {
            "moment_id": id,
            "creator": creator,
            "create_time": str(int(self.now.timestamp())),
            "create_type": 0 if by_company else 1,
            "text": {"content": "新品上市"},
        }
        for user in publishers if by_company else [creator]:
            self.engagements[id, user] = {"like_list": [], "comment_list": []}
        return id

    def engage(self, moment: str, user: str, kind: str, ids: Iterable[str]) -> None:
        """Let contacts like or comment on a moment as one employee published it, now."""
        at = int(self.now.timestamp())
        told = [{"external_userid": id, "create_time": at} for id in ids]
        self.engagements[moment, user][f"{kind}_list"] += told

    # -- what it answers -----------------------------------------------------------------------

    def routes(self) -> Iterable[BaseRoute]:
        """WeCom's endpoints, as far as they are read."""
        answers = {
            "get_follow_user_list": self._employees,
            "list": self._customers,
            "batch/get_by_user": self._batch,
            "get_corp_tag_list": self._tag_list,
            "get_moment_list": self._moment_list,
            "get_moment_task": self._moment_task,
            "get_moment_comments": self._moment_comments,
        }
        return [
            Route(self.login_path, self._token),
            *(
                Route(f"/cgi-bin/externalcontact/{path}", self._guarded(answer),
                      methods=["GET", "POST"])
                for path, answer in answers.items()
            ),
        ]  # fmt: skip

    async def _token(self, request: Request) -> Response:
        query = request.query_params
        right = (query.get("corpid"), query.get("corpsecret")) == tuple(CREDENTIALS.values())
        if self.refuses_login or not right:
            return _told(40001, "invalid credential")
        return _told(access_token=self.new_token(), expires_in=7200)

    def _guarded(self, handler: Handler) -> Handler:
        async def answer(request: Request) -> Response:
            token = request.query_params.get("access_token", "")
            if not self.is_token_good(token):
                return _told(42001 if token.startswith("token-") else 40014, "access_token expired")
            return await handler(request)

        return answer

    async def _employees(self, request: Request) -> Response:
        return _told(follow_user=self.employees)

    async def _customers(self, request: Request) -> Response:
        ids = list(self.ties.get(request.query_params["userid"], ()))
        return _told(external_userid=ids) if ids else _told(84061, "not exist relation")

    async def _tag_list(self, request: Request) -> Response:
        groups: dict[str, list[Row]] = {}
        for id, (group, name) in self.tags.items():
            groups.setdefault(group, []).append({"id": id, "name": name})
        return _told(tag_group=[{"group_name": name, "tag": t} for name, t in groups.items()])

    async def _batch(self, request: Request) -> Response:
        body = await request.json()
        users, size = sorted(body["userid_list"]), min(body.get("limit", 50), MOST_TIES)
        if not 0 < len(users) <= MOST_USERS:
            return _told(40031, "invalid userid list")
        after = json.loads(body["cursor"]) if body.get("cursor") else ["", ""]
        if after[0] and self.cursors_expire:
            return _told(40058, "invalid cursor")
        keys: list[tuple[str, str]] = []
        for user in users:
            if user < after[0] or len(keys) == size:
                continue
            order = self._in_order(user)
            start = bisect.bisect_right(order, after[1]) if user == after[0] else 0
            keys += [(user, id) for id in order[start : start + size - len(keys)]]
        ties = [
            {"external_contact": self._shown(id), "follow_info": self.ties[user][id]}
            for user, id in keys
        ]
        cursor = json.dumps(keys[-1]) if len(keys) == size else ""
        fail = {"unlicensed_userid_list": [user for user in users if user in self.unlicensed]}
        return _told(external_contact_list=ties, next_cursor=cursor, fail_info=fail)

    async def _moment_list(self, request: Request) -> Response:
        body = await request.json()
        if body["end_time"] - body["start_time"] > LONGEST_SECONDS:
            return _told(40058, "time range too long")
        span = range(body["start_time"], body["end_time"] + 1)
        found = [moment for moment in self.moments.values() if int(moment["create_time"]) in span]
        start, size = int(body.get("cursor") or 0), min(body["limit"], MOST_MOMENTS)
        cursor = str(start + size) if start + size < len(found) else ""
        return _told(moment_list=found[start : start + size], next_cursor=cursor)

    async def _moment_task(self, request: Request) -> Response:
        moment = (await request.json())["moment_id"]
        users = [user for id, user in self.engagements if id == moment]
        tasks = [{"userid": user, "publish_status": "1"} for user in users]
        idle = [{"userid": user, "publish_status": "0"} for user in self.employees]
        return _told(task_list=tasks + [task for task in idle if task["userid"] not in users])

    async def _moment_comments(self, request: Request) -> Response:
        body = await request.json()
        told: Row = self.engagements[body["moment_id"], body["userid"]]
        return _told(**told)

    def _shown(self, id: str) -> Row:
        about = self.contacts[id]
        return {name: about[name] for name in about if name not in self.dropped_fields}

    def _in_order(self, user: str) -> list[str]:
        if user not in self._order:
            self._order[user] = sorted(self.ties.get(user, ()))
        return self._order[user]


def _told(errcode: int = 0, errmsg: str = "ok", **content: Any) -> Response:
    return as_json({"errcode": errcode, "errmsg": errmsg, **content})
