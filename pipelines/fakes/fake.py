"""What every stand-in has: a log of calls, faults on order, and tokens that die."""

import json
import random
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

Handler = Callable[[Request], Awaitable[Response]]


@dataclass
class Fault:
    """What happens to calls whose path holds `path`: from the nth such call on, so many times.

    With `cut`, the right answer is cut off after so many bytes; otherwise the given answer replaces
    it. `times=None` is for ever.
    """

    status: int = 500
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    path: str = ""
    nth: int = 1
    times: int | None = 1
    cut: int | None = None
    met: int = 0

    def strikes(self, path: str) -> bool:
        """Count a call; say whether it is hit."""
        if self.path not in path:
            return False
        self.met += 1
        return self.met >= self.nth and (self.times is None or self.met < self.nth + self.times)


@dataclass
class Chaos:
    """Faults at random among writing calls: some are refused, of some the answer is lost.

    A call whose answer is lost has been applied: a gateway that waited too long
    answers in its place. Of `errors` nothing was applied.
    """

    errors: float
    lost: float
    seed: int
    met: dict[str, int] = field(default_factory=lambda: {"error": 0, "lost": 0})

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311 - moments, not keys

    def strikes(self, method: str) -> str | None:
        """Say what befalls a call."""
        if method == "GET":
            return None
        drawn = self._random.random()
        fault = (
            "error" if drawn < self.errors else "lost" if drawn < self.errors + self.lost else None
        )
        if fault:
            self.met[fault] += 1
        return fault


class Fake:
    """A stand-in as an ASGI application.

    `now` is the stand-in's own clock; whoever changes records moves it. `calls` are the paths asked
    for, logins included. `token_calls` is after how many calls a token dies. `before_call` is told
    the path of each call before it is answered, so that records may change while pages are read.
    """

    login_path = "/token"

    def __init__(self) -> None:
        self.now = datetime(2026, 6, 30, 12, tzinfo=UTC)
        self.calls: list[str] = []
        self.faults: list[Fault] = []
        self.chaos: Chaos | None = None
        self.before_call: Callable[[str], None] = lambda path: None
        self.token_calls: int | None = None
        self.refuses_login = False
        self._tokens = 0
        self._token_used = 0
        routes = [Route("/health", _healthy), *self.routes()]
        self._app = Starlette(routes=routes)

    def routes(self) -> Iterable[BaseRoute]:
        """The vendor's endpoints."""
        raise NotImplementedError

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a call, or let a fault strike."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        self.calls.append(path)
        self.before_call(path)
        for fault in self.faults:
            if fault.strikes(path):
                if fault.cut is not None:
                    await self._app(scope, receive, _cutting(send, fault.cut))
                else:
                    response = Response(fault.body, fault.status, headers=fault.headers)
                    await response(scope, receive, send)
                return
        struck = self.chaos.strikes(scope["method"]) if self.chaos else None
        if struck == "error":
            await Response(b"", 500)(scope, receive, send)
            return
        if struck == "lost":
            await self._app(scope, receive, _swallow)
            await Response(b"", 504)(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        except ClientDisconnect:  # nobody is there to be answered
            return

    def new_token(self) -> str:
        """A fresh token; the older ones are dead."""
        self._tokens += 1
        self._token_used = 0
        return f"token-{self._tokens}"

    def is_token_good(self, token: str) -> bool:
        """Count a use of a token; say whether it is the living one."""
        if token != f"token-{self._tokens}" or self._tokens == 0:
            return False
        self._token_used += 1
        return self.token_calls is None or self._token_used <= self.token_calls

    def data_calls(self) -> list[str]:
        """The calls beside logins."""
        return [path for path in self.calls if self.login_path not in path]


def as_json(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON answer."""
    body = json.dumps(content, ensure_ascii=False).encode()
    return Response(body, status, media_type="application/json", headers=headers)


async def _healthy(request: Request) -> Response:
    return as_json({"status": "ok"})


async def _swallow(message: Any) -> None:
    """Tell nobody what was answered."""


def _cutting(send: Send, length: int) -> Send:
    """Send no more than the first bytes of a body, as whole as it may look."""

    async def cut(message: Any) -> None:
        if message["type"] == "http.response.start":
            kept = [(k, v) for k, v in message["headers"] if k.lower() != b"content-length"]
            message = {**message, "headers": [*kept, (b"content-length", str(length).encode())]}
        elif message["type"] == "http.response.body":
            message = {**message, "body": message.get("body", b"")[:length]}
        await send(message)

    return cut
