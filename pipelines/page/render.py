"""Sections as one HTML file that needs nothing else: script, style and numbers are all in it."""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from pipelines.page.figure import LANGUAGES, TEXTUAL, Column, Figure, Section, Text
from pipelines.page.numbers import HIDDEN, write_number
from pipelines.page.small_cells import is_few
from pipelines.page.texts import texts

IN_INDEX = ("customers", "lists", "passed", "warnings")
HERE = Path(__file__).resolve().parent


def render_report(sections: Sequence[Section], facts: Mapping[str, Any]) -> str:
    """The report of a release.

    Args:
        sections: what it shows, in order.
        facts: date, version, rules_sha256, base_currency of the manifest.
    """
    figures = [figure for section in sections for figure in section.figures]
    charts = {
        figure.name: {"kind": figure.chart.kind, "options": figure.chart.options}
        for figure in figures
        if figure.chart
    }
    return _render(
        "report.html.j2",
        sections=sections,
        facts=facts,
        charts=_as_data(charts),
        money=_filled("money", currency=facts["base_currency"]),
        made_by=_filled("made_by", version=facts["version"], rules=facts["rules_sha256"][:12]),
        scripts=[_script(_read("vendor/echarts.min.js")), _script(_read("templates/report.js"))],
    )


def render_index(releases: Sequence[Mapping[str, Any]], *, has_docs: bool) -> str:
    """The index of releases.

    Args:
        releases: name, date, is_current, has_report, has_gates and manifest of each, newest first.
        has_docs: whether dbt's documentation stands beside them.
    """
    rows = [
        {**release, **dict(zip(IN_INDEX, _index_numbers(release["manifest"]), strict=True))}
        for release in releases
    ]
    return _render(
        "index.html.j2",
        releases=rows,
        columns=IN_INDEX,
        has_docs=has_docs,
        scripts=[_script(_read("templates/report.js"))],
    )


def _index_numbers(manifest: Mapping[str, Any]) -> tuple[str, ...]:
    """What the index tells of a release; an older manifest may not say all of it."""
    customers = manifest.get("customers")
    gates = manifest.get("gates", {}).values()
    return (
        write_number(None if customers is None or is_few(customers) else customers, "persons"),
        write_number(len(manifest.get("lists", [])), "count"),
        write_number(sum(gate["checks_passed"] for gate in gates), "count"),
        write_number(sum(gate["warnings_count"] for gate in gates), "count"),
    )


def _render(template: str, scripts: Sequence[Markup], **content: Any) -> str:
    style = Markup(_read("templates/report.css"))  # noqa: S704 - our own file
    return (
        _environment()
        .get_template(template)
        .render(
            texts=texts(),
            style=style,
            scripts=scripts,
            policy=_policy(scripts, style),
            **content,
        )
    )


def _policy(scripts: Sequence[str], style: str) -> str:
    """A policy under which nothing runs and nothing is fetched but what stands in the page."""
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src {' '.join(_digest(script) for script in scripts)}",
            f"style-src {_digest(style)}",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )


def _digest(content: str) -> str:
    digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
    return f"'sha256-{digest}'"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("pipelines.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        "both": _both,
        "cells": _cells,
        "textual": TEXTUAL,
        "hidden": HIDDEN,
        "languages": LANGUAGES,
    }
    return environment


def _both(text: Text) -> Markup:
    """A text in both languages; the style sheet shows one."""
    if text.en == text.zh:
        return Markup.escape(text.en)
    return Markup('<span lang="en">{}</span><span lang="zh">{}</span>').format(text.en, text.zh)


def _cells(figure: Figure) -> list[list[tuple[Column, Text]]]:
    """The table's rows: each cell with its column and what stands in it."""
    names = figure.rows.columns
    return [
        [(column, _cell(column, row, names)) for column in figure.columns]
        for row in figure.rows.iter_rows(named=True)
    ]


def _cell(column: Column, row: Mapping[str, Any], names: Sequence[str]) -> Text:
    value = row[column.name]
    if column.kind in TEXTUAL and value is None:
        return Text("", "")
    english = write_number(value, column.kind)
    chinese = f"{column.name}_zh"
    return Text(english, row[chinese] if chinese in names else english)


def _filled(name: str, **values: str) -> Text:
    text = texts().page[name]
    return Text(text.en.format(**values), text.zh.format(**values))


def _as_data(charts: Mapping[str, Any]) -> Markup:
    """JSON that no label can break out of."""
    data = json.dumps(charts, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        data = data.replace(character, f"\\u{ord(character):04x}")
    return Markup(data)  # noqa: S704 - escaped above


@cache
def _read(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


def _script(content: str) -> Markup:
    if "</script" in content:
        raise ValueError("a script that ends itself cannot stand in a page")
    return Markup(content)  # noqa: S704 - our own files
