import http.client
import threading
from contextlib import contextmanager

import pytest

from pipelines.errors import C360Error
from pipelines.lake import Lake, write_text
from pipelines.line import DBT_POLICY
from pipelines.release import write_index
from pipelines.serve import make_server

ONE, TWO = "2026-06-29__111111111111", "2026-06-30__222222222222"
POLICY = "default-src 'none'; style-src 'sha256-x'"
PAGE = '<meta http-equiv="Content-Security-Policy" content="{}"><p>{}</p>'


@pytest.fixture
def lake(tmp_path):
    lake = Lake(tmp_path / "home")
    for name in (ONE, TWO):
        folder = lake.published / name
        write_text(PAGE.format(POLICY.replace("'", "&#39;"), name), folder / "report.html")
        write_text(f'{{"date": "{name[:10]}"}}', folder / "manifest.json")
        write_text("customer_id\n1\n", folder / "lists" / "win_back.csv")
    write_text("secret", lake.home / "landing" / "contacts.csv")
    write_text("secret", lake.published / ".staging" / "half.html")
    point(lake, ONE)
    write_index(lake)
    return lake


def point(lake, name):
    lake.current.unlink(missing_ok=True)
    lake.current.symlink_to(name)


@contextmanager
def served(lake):
    with make_server(lake, 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def ask(lake):
    with served(lake) as port:

        def call(path, method="GET", host=None):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request(method, path, headers={"Host": host or f"localhost:{port}"})
            answer = connection.getresponse()
            text = answer.read().decode()
            connection.close()
            return answer.status, dict(answer.getheaders()), text

        yield call


def test_current_leads_to_the_release_that_it_is_as_it_moves(ask, lake):
    assert ask("/current")[:2][0] == 302
    assert ask("/current")[1]["Location"] == f"/{ONE}/report.html"
    assert ask("/current/lists/win_back.csv")[1]["Location"] == f"/{ONE}/lists/win_back.csv"
    point(lake, TWO)
    assert ask("/current/")[1]["Location"] == f"/{TWO}/report.html"
    assert TWO in ask(f"/{TWO}/report.html")[2]


def test_a_page_comes_with_its_own_policy_and_nobody_may_frame_it(ask):
    headers = ask(f"/{ONE}/report.html")[1]
    assert headers["Content-Security-Policy"] == f"{POLICY}; frame-ancestors 'none'"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "path", [f"/{ONE}/lists/win_back.csv", f"/{ONE}/manifest.json", "/nothing"]
)
def test_what_is_no_page_may_run_nothing(ask, path):
    assert ask(path)[1]["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"


def test_the_index_is_at_the_root(ask):
    status, _, page = ask("/")
    assert status == 200
    assert f"{TWO}/report.html" in page
    assert ask("/index.html")[2] == page


@pytest.mark.parametrize(
    "path",
    [
        "/../landing/contacts.csv",
        "/%2e%2e/landing/contacts.csv",
        "/..%2flanding/contacts.csv",
        f"/{ONE}/../../landing/contacts.csv",
        f"/{ONE}/lists/..%5c..%5c..%5clanding%5ccontacts.csv",
        "//landing/contacts.csv",
        "/link/contacts.csv",
        "/.staging/half.html",
        "/.lock",
        f"/{ONE}",
        f"/{ONE}/lists/",
        "/%00",
        "/docs/index.html",
        "/docs/../landing/contacts.csv",
        "/current/../../landing/contacts.csv",
    ],
)
def test_nothing_but_files_of_releases_is_handed_out(ask, lake, path):
    (lake.published / "link").symlink_to(lake.home / "landing")
    status, headers, text = ask(path)
    if status == 302:
        status, _, text = ask(headers["Location"])
    assert status == 404
    assert "secret" not in text


def test_the_documentation_is_shown_if_it_was_made(ask, lake):
    page = PAGE.format(DBT_POLICY, "models")
    write_text(page, lake.docs)
    status, headers, text = ask("/docs/")
    assert (status, text) == (200, page)
    assert headers["Content-Security-Policy"].startswith(DBT_POLICY)


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "localhost.evil.example:80"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_who_asks_by_another_name_is_sent_away(ask, host, method):
    status, _, text = ask(f"/{ONE}/report.html", method, host)
    assert status == 421
    assert ONE not in text


def test_a_page_can_be_asked_for_without_its_content(ask):
    status, headers, text = ask(f"/{ONE}/report.html", "HEAD")
    assert (status, text) == (200, "")
    assert int(headers["Content-Length"]) > 0


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_nothing_can_be_written(ask, method):
    assert ask(f"/{ONE}/report.html", method)[0] == 501


def test_only_this_machine_is_served_and_a_taken_port_is_told(lake):
    with make_server(lake, 0) as server:
        assert server.server_address[0] == "127.0.0.1"
        with pytest.raises(C360Error, match=f"Port {server.server_port}: Address already in use"):
            make_server(lake, server.server_port)


def test_the_command_needs_a_release(c360):
    code, text = c360("serve")
    assert code == 1
    assert "Nothing has been released yet" in text
