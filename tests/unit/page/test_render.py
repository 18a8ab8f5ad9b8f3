import base64
import hashlib
import html
import re
from pathlib import Path

import polars as pl
import pytest

from pipelines import page as page_package
from pipelines.page.figure import Column, Figure, Section, Text
from pipelines.page.render import render_index, render_report
from pipelines.page.report import make_report
from tests.unit.page.page_frames import all_marts, manifest
from tests.unit.page.test_lists import segment

HERE = Path(page_package.__file__).parent
ECHARTS = "b66b25aeb4df84e33199dc21694014d336d222cbd9deb0e5a7c14bd6aa0d0fd0"


@pytest.fixture(scope="module")
def report():
    return make_report(all_marts(), manifest(), [segment()], [])


@pytest.fixture(scope="module")
def own(report):
    """The page without the library in it."""
    return report.replace((HERE / "vendor" / "echarts.min.js").read_text(), "")


def digest(content):
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


def test_the_library_is_the_one_that_was_released():
    library = (HERE / "vendor" / "echarts.min.js").read_bytes()
    assert hashlib.sha256(library).hexdigest() == ECHARTS


def test_the_policy_lets_run_what_stands_in_the_page_and_nothing_else(report):
    policy = html.unescape(
        re.search(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', report)[1]
    )
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    scripts = re.findall(r"<script>(.*?)</script>", report, re.DOTALL)
    assert rules["default-src"] == "'none'"
    assert rules["script-src"].split() == [digest(script) for script in scripts]
    assert rules["style-src"] == digest(re.search(r"<style>(.*?)</style>", report, re.DOTALL)[1])
    assert rules["base-uri"] == rules["form-action"] == "'none'"
    assert report.index("Content-Security-Policy") < report.index("<style>")


def test_the_page_asks_nothing_of_anybody(own):
    assert not re.search(r"https?:|url\(|@import|<link|<img|<iframe|<base|<form", own)
    assert not re.search(r"<[^>]*\s(on\w+|style|src)=", own)
    links = re.findall(r'href="([^"]*)"', own)
    assert all(re.fullmatch(r"#\w+|(\.\./)?[\w./]+", link) for link in links)
    assert "lists/win_back.csv" in links


def test_every_chart_has_a_table_and_a_sentence_in_both_languages(own):
    figures = re.findall(r"<figure.*?</figure>", own, re.DOTALL)
    assert len(figures) > 25
    for figure in figures:
        caption = re.search(r"<figcaption>(.*?)</figcaption>", figure, re.DOTALL)[1]
        assert re.search(r'<p><span lang="en">.+?</span><span lang="zh">.+?</span></p>', caption)
        assert "<table>" in figure
        assert "<details" in figure
    charts = re.findall(r'data-chart="(\w+)" role="img" aria-label="[^"]+"', own)
    assert len(charts) == len(set(charts)) > 20


def test_no_id_stands_twice_and_every_link_within_the_page_leads_somewhere(own):
    ids = re.findall(r'\sid="([^"]+)"', own)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', own)) <= set(ids)


def test_a_hidden_cell_is_a_dash_and_a_missing_text_is_nothing():
    columns = (
        Column("label", "label", Text("Name", "名称")),
        Column("until", "text", Text("Until", "至")),
        Column("n", "persons", Text("Persons", "人数")),
    )
    rows = pl.DataFrame({"label": ["a"], "label_zh": ["甲"], "until": [None], "n": [None]})
    page = render_report([Section("night", (Figure("gates", columns, rows),))], manifest())
    row = re.search(r"<tr>(<th scope=\"row\">.*?)</tr>", page, re.DOTALL)[1]
    cells = re.sub(r"\s*\n\s*", "", row)
    assert cells == (
        '<th scope="row"><span lang="en">a</span><span lang="zh">甲</span></th>'
        '<td class="text"></td><td class="number">–</td>'
    )


def test_the_index_lists_releases_with_what_stands_beside_them():
    release = {
        "name": "2026-06-30__0a1b2c3d4e5f", "date": "2026-06-30", "is_current": True,
        "has_report": True, "has_gates": True, "manifest": manifest(customers=1234),
    }  # fmt: skip
    older = release | {
        "name": "2026-06-29__ffffffffffff", "date": "2026-06-29", "is_current": False,
        "has_report": False, "has_gates": False, "manifest": {"date": "2026-06-29"},
    }  # fmt: skip
    page = render_index([release, older], has_docs=True)
    assert re.findall(r'href="([^"]*)"', page) == [
        "2026-06-30__0a1b2c3d4e5f/report.html",
        "2026-06-30__0a1b2c3d4e5f/gates.html",
        "2026-06-30__0a1b2c3d4e5f/manifest.json",
        "2026-06-29__ffffffffffff/manifest.json",
        "../docs/index.html",
    ]
    assert page.count("<mark>") == 1
    assert "1,234" in page
    assert "docs/index.html" not in render_index([], has_docs=False)


def luminance(colour):
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_text_and_bars_stand_out_in_light_and_dark():
    style = (HERE / "templates" / "report.css").read_text()
    palettes = [dict(re.findall(r"--([a-z0-9-]+): (#\w{6})", block)) for block in style.split("}")]
    light, by_system, dark = [palette for palette in palettes if palette]
    assert by_system == dark
    for colours in (light, dark):
        for ground in ("paper", "card"):
            for text in ("ink", "dim", "link"):
                assert contrast(colours[text], colours[ground]) >= 4.5
            for bar in range(1, 9):
                assert contrast(colours[f"c{bar}"], colours[ground]) >= 3
        for cell in ("heat-0", "heat-1"):
            assert contrast(colours["ink"], colours[cell]) >= 4.5
