"""`c360 serve`: the releases in a browser of this machine, and of no other."""

import html
import re
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pipelines.errors import C360Error
from pipelines.lake import Lake

LOOPBACK = "127.0.0.1"
# A page's own policy is its first line of defence; as a header it also says who may frame it.
POLICY = re.compile(rb'<meta http-equiv="Content-Security-Policy" content="([^"]*)">')
NOTHING = "default-src 'none'"
HEAD = 4096  # bytes of a page in which its policy stands


def make_server(lake: Lake, port: int) -> ThreadingHTTPServer:
    """A server of `published/` on the loopback address; `current` is followed as it moves.

    Raises:
        C360Error: the port is taken.
    """
    try:
        server = ThreadingHTTPServer((LOOPBACK, port), partial(_Handler, lake))
    except OSError as error:
        raise C360Error(f"Port {port}: {error.strerror}.", "Take another: --port 0.") from None
    server.daemon_threads = True
    return server


class _Handler(SimpleHTTPRequestHandler):
    """Files of releases, the index and dbt's page: no folders, nothing outside, no writing."""

    server_version = "c360"
    sys_version = ""

    def __init__(self, lake: Lake, *arguments: object) -> None:
        self.lake = lake
        super().__init__(*arguments)  # type: ignore[arg-type]  # as the server calls it

    def do_GET(self) -> None:
        """Answer, or send on to the release that `current` is: a page and its lists are one."""
        if not self._is_asked_here():
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST, "Ask localhost")
        elif (current := self._current_path()) is not None:
            self.send_response(HTTPStatus.FOUND)
            self.send_header("Location", current)
            self.end_headers()
        else:
            super().do_GET()

    def do_HEAD(self) -> None:
        """Answer a HEAD as a GET."""
        if self._is_asked_here():
            super().do_HEAD()
        else:
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST, "Ask localhost")

    def translate_path(self, path: str) -> str:
        """The file that a path names; one that is not there if it names nothing to be shown."""
        found = self._find(unquote(urlsplit(path).path))
        return str(found or self.lake.published / ".nothing")

    def end_headers(self) -> None:
        """Add what keeps a page to itself."""
        for name, value in {
            "Content-Security-Policy": f"{self._policy()}; frame-ancestors 'none'",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cache-Control": "no-store",
        }.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, *arguments: object) -> None:
        """Say nothing: a path may name a list."""

    def _is_asked_here(self) -> bool:
        """Whether the request is for this machine by name, not for a name that points here."""
        host = self.headers.get("Host", "").rpartition(":")[0]
        return host in (LOOPBACK, "localhost")

    def _current_path(self) -> str | None:
        """Where a path below `/current` leads now; None for any other path."""
        path = urlsplit(self.path).path
        if path != "/current" and not path.startswith("/current/"):
            return None
        rest = path.removeprefix("/current").strip("/") or "report.html"
        return f"/{self.lake.current.resolve().name}/{rest}"

    def _find(self, path: str) -> Path | None:
        parts = [part for part in path.split("/") if part]
        if any(part.startswith(".") or "\\" in part or "\0" in part for part in parts):
            return None
        if parts[:1] == ["docs"]:
            return self.lake.docs if parts[1:] in ([], ["index.html"]) else None
        root = self.lake.published.resolve()
        found = root.joinpath(*(parts or ["index.html"])).resolve()
        is_inside = found.is_relative_to(root) and found.is_file()
        return found if is_inside else None

    def _policy(self) -> str:
        file = Path(self.translate_path(self.path))
        if file.suffix != ".html" or not file.is_file():
            return NOTHING
        with file.open("rb") as page:
            policy = POLICY.search(page.read(HEAD))
        return html.unescape(policy[1].decode()) if policy else NOTHING
