"""The report in a real browser: a Chromium clicks through it as a person would.

Skipped where there is no Chromium; on Debian: apt-get install chromium fonts-noto-cjk.
"""

import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pipelines.lake import Lake, write_json, write_text
from pipelines.page.report import make_report
from pipelines.release import write_index
from pipelines.serve import make_server
from tests.unit.page.page_frames import a_list, all_marts, manifest, people, whole_audience
from tests.unit.page.test_lists import segment

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
playwright = pytest.importorskip("playwright.sync_api", reason="the package playwright is missing")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine"),
]
DESKTOP, PHONE = (1280, 900), (360, 740)
NODE = {"x": 14, "y": 60}  # where streams begin
BLANK = "[data-chart]:not(:has(canvas))"  # a chart that is not drawn yet
RELEASE = "2026-06-30__0a1b2c3d4e5f"
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'{b}"


@dataclass
class Visit:
    """One page, and everything that a good page does not do."""

    page: "playwright.Page"
    faults: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def scroll_through(self) -> None:
        height = self.page.evaluate("document.documentElement.scrollHeight")
        for place in range(0, height, 500):
            self.page.evaluate(f"scrollTo(0, {place})")
            self.page.wait_for_timeout(30)
        self.page.evaluate("scrollTo(0, 0)")


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    lake = Lake(tmp_path_factory.mktemp("home"))
    folder = lake.published / RELEASE
    hostile = people(*((30, {"grade": g, "grade_label": HOSTILE, "grade_label_zh": HOSTILE,
                             "lifecycle_stage": "loyal"}) for g in "AB"))  # fmt: skip
    plain, attacked = (
        make_report(all_marts() | {"audience": audience}, manifest(), [segment(label=label)], [])
        for audience, label in ((whole_audience(), "Win back"), (hostile, HOSTILE))
    )
    write_text(plain, folder / "report.html")
    write_text(attacked, folder / "attacked.html")
    write_text("customer_id\n1\n", folder / "lists" / f"{a_list()['name']}.csv")
    write_json({"date": "2026-06-30"}, folder / "manifest.json")
    lake.current.symlink_to(RELEASE)
    write_index(lake)
    return lake


@pytest.fixture(scope="module")
def address(lake: Lake) -> Iterator[str]:
    with make_server(lake, 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://localhost:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def browser() -> "Iterator[playwright.Browser]":
    with playwright.sync_playwright() as started:
        # The sandbox needs rights that a container does not give; the page is our own.
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser, address):
    """Open a page; at the end, it has said nothing, asked nobody and popped up nothing."""
    opened = []

    def open_page(path="/current", size=DESKTOP, language="en-US", scheme="light"):
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]}, locale=language, color_scheme=scheme
        )
        made = Visit(context.new_page())
        made.page.on("console", lambda message: made.faults.append(message.text))
        made.page.on("pageerror", lambda error: made.faults.append(str(error)))
        made.page.on("dialog", lambda box: (made.faults.append(box.message), box.dismiss()))
        made.page.on("request", lambda request: made.asked.append(request.url))
        made.page.goto(address + path)
        made.page.wait_for_function("document.documentElement.dataset.ready === 'yes'")
        opened.append(made)
        return made

    yield open_page
    for made in opened:
        assert made.faults == []
        assert all(url.startswith(address) for url in made.asked)
        made.page.context.close()


@pytest.mark.parametrize(
    ("size", "language", "scheme"),
    [
        (DESKTOP, "en-US", "light"),
        (DESKTOP, "zh-CN", "dark"),
        (PHONE, "en-US", "dark"),
        (PHONE, "zh-CN", "light"),
    ],
)
def test_every_chart_is_drawn_and_nothing_is_wider_than_the_window(visit, size, language, scheme):
    made = visit(size=size, language=language, scheme=scheme)
    made.scroll_through()
    assert made.page.locator("[data-chart]").count() > 20
    assert made.page.locator(BLANK).count() == 0
    assert made.page.evaluate("document.documentElement.scrollWidth") == size[0]
    assert made.page.evaluate("document.documentElement.lang") == language[:2]
    assert len(made.asked) == 2  # /current, and the page that it leads to


def test_the_language_changes_with_one_click_and_is_remembered(visit):
    made = visit()
    title = made.page.locator("h1")
    assert "Customer 360" in title.inner_text()
    before = made.page.locator("#figure-grades .chart").screenshot()
    made.page.get_by_role("button", name="中文").click()
    assert "客户360" in title.inner_text()
    assert "Customer 360" not in title.inner_text()
    assert made.page.locator("#figure-grades .chart").screenshot() != before
    made.page.reload()
    assert "客户360" in title.inner_text()


def test_light_and_dark_change_with_one_click(visit):
    made = visit()
    paper = "getComputedStyle(document.body).backgroundColor"
    light = made.page.evaluate(paper)
    made.page.get_by_role("button", name="Light / dark").click()
    dark = made.page.evaluate(paper)
    assert (light, dark) == ("rgb(255, 255, 255)", "rgb(18, 22, 26)")


def test_every_table_opens_by_keyboard(visit):
    made = visit(size=PHONE)
    closed = made.page.locator("details:not([open]) > summary")
    while closed.count():
        closed.first.focus()
        made.page.keyboard.press("Enter")
    assert made.page.evaluate("document.documentElement.scrollWidth") == PHONE[0]
    first = made.page.locator("#figure-grades tbody tr").first.inner_text()
    assert first.split("\t")[:2] == ["A", "150"]


def test_a_list_can_be_taken_from_the_page(visit, tmp_path: Path):
    made = visit()
    made.page.locator("#figure-lists summary").click()
    with made.page.expect_download() as download:
        made.page.locator("#figure-lists a").click()
    assert download.value.suggested_filename == "win_back.csv"
    download.value.save_as(tmp_path / "list.csv")
    assert (tmp_path / "list.csv").read_text() == "customer_id\n1\n"


def test_pointing_at_a_bar_tells_its_numbers_without_breaking_the_policy(visit):
    made = visit()
    for name in ("grades", "stages", "lifecycle_movements"):
        chart = made.page.locator(f"#figure-{name} [data-chart]")
        chart.scroll_into_view_if_needed()
        chart.locator("canvas").first.wait_for()
        before = chart.screenshot()
        chart.hover(position={"x": 300, "y": 60} if name != "lifecycle_movements" else NODE)
        made.page.wait_for_timeout(300)
        assert chart.screenshot() != before


def test_hostile_labels_run_nothing(visit):
    made = visit(f"/{RELEASE}/attacked.html")
    made.scroll_through()
    made.page.locator("#figure-grades [data-chart]").hover()
    made.page.wait_for_timeout(300)
    assert made.page.locator("img").count() == 0


def test_the_index_leads_to_the_report(visit):
    made = visit("/")
    made.page.get_by_role("link", name="2026-06-30").click()
    made.page.wait_for_url(f"**/{RELEASE}/report.html")


def test_everything_is_drawn_for_printing(visit):
    made = visit()
    assert made.page.locator(BLANK).count() > 0
    made.page.pdf()
    assert made.page.locator(BLANK).count() == 0
