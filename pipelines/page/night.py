"""The night itself: what came in, what the gates said, what is stale."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from pipelines.page.charts import bars
from pipelines.page.figure import Figure, Section, Text, Tile
from pipelines.page.numbers import write_number
from pipelines.page.small_cells import hide_small_parts, is_few
from pipelines.page.texts import column, texts, with_words, word

GATES = ("landing", "profile", "scores", "marts", "lists")
LOUD = ("tripped", "accepted", "warning")  # outcomes of a breaker that are told
QUIET = ("passed", "not_run")  # outcomes of a check that nobody has to look at
SAID = {"gate": pl.String, "dataset": pl.String, "sentence": pl.String, "outcome": pl.String,
        "because": pl.String, "until": pl.String}  # fmt: skip


def list_gates(gates: Mapping[str, Any]) -> pl.DataFrame:
    """Each gate with its checks, in the order of the line.

    Returns:
        gate, gate_zh, checks, passed, warnings, not_run.
    """
    rows = [
        {
            "gate": stage,
            "checks": gates[stage]["checks"],
            "passed": gates[stage]["checks_passed"],
            "warnings": gates[stage]["warnings_count"],
            "not_run": gates[stage]["not_run_count"],
        }
        for stage in GATES
        if stage in gates
    ]
    schema = {"gate": pl.String} | dict.fromkeys(
        ("checks", "passed", "warnings", "not_run"), pl.Int64
    )
    return with_words(pl.DataFrame(rows, schema), "gate", "gates")


def list_findings(gates: Mapping[str, Any]) -> pl.DataFrame:
    """What tripped without stopping the night: warnings and waived checks, in the gates' order.

    Returns:
        gate, gate_zh, dataset, sentence, outcome, outcome_zh, because, until.
    """
    rows = [
        {"gate": stage, "dataset": dataset["name"]}
        | {name: check.get(name) for name in ("sentence", "outcome", "because", "until")}
        for stage in GATES
        if stage in gates
        for dataset in gates[stage]["datasets"]
        for check in dataset["checks"]
        if check["outcome"] not in QUIET
    ]
    found = pl.DataFrame(rows, SAID)
    return with_words(with_words(found, "gate", "gates"), "outcome", "outcomes")


def list_breakers(breakers: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """What tripped, was accepted, or is only told; the worst first.

    Returns:
        outcome, outcome_zh, breaker_told.
    """
    rows = sorted((LOUD.index(told["outcome"]), told["told"]) for told in breakers)
    schema = {"outcome": pl.String, "breaker_told": pl.String}
    told = pl.DataFrame([(LOUD[place], text) for place, text in rows], schema, orient="row")
    return with_words(told, "outcome", "outcomes")


def list_sources(
    sources: Sequence[Mapping[str, Any]], inputs: Sequence[Mapping[str, Any]]
) -> pl.DataFrame:
    """Each source, how fresh it is, and the rows that it brought so far.

    Returns:
        source, type, fresh_through, freshness, freshness_zh, landed, quarantined.
    """
    known = {
        source["name"]: {
            "type": source["type"],
            "fresh_through": source["fresh_through"],
            "freshness": "stale" if source["is_stale"] else "fresh",
        }
        for source in sources
    }
    brought = [str(part["source"]) for part in inputs]
    rows = [
        {"source": name}
        | known.get(name, {"type": None, "fresh_through": None, "freshness": "unknown"})
        | {
            kind: sum(part[kind] for part in inputs if part["source"] == name)
            for kind in ("landed", "quarantined")
        }
        for name in sorted({*known, *brought})
    ]
    schema = dict.fromkeys(("source", "type", "fresh_through", "freshness"), pl.String)
    found = pl.DataFrame(rows, {**schema, "landed": pl.Int64, "quarantined": pl.Int64})
    return hide_small_parts(with_words(found, "freshness", "freshness"), ("landed", "quarantined"))


def make_night(facts: Mapping[str, Any]) -> Section:
    """The section, from the facts of the manifest."""
    gates, findings = list_gates(facts["gates"]), list_findings(facts["gates"])
    sources = list_sources(facts["sources"], facts["inputs"])
    rows = (column("landed", "count"), column("quarantined", "count"))
    figures = [
        Figure(
            "gates",
            (
                column("gate", "label"),
                *(column(name, "count") for name in ("checks", "passed", "warnings", "not_run")),
            ),
            gates,
        ),
        Figure(
            "sources",
            (
                column("source", "text"),
                column("type", "text"),
                column("fresh_through", "text"),
                column("freshness", "label"),
                *rows,
            ),
            sources,
            bars(sources, "source", rows, stacked=True),
        ),
    ]
    if findings.height:
        told = [
            name for name in ("because", "until") if findings[name].null_count() < findings.height
        ]
        columns = (
            column("gate", "label"),
            column("outcome", "label"),
            *(column(name, "text") for name in ("dataset", "sentence", *told)),
        )
        figures.append(Figure("findings", columns, findings))
    breakers = list_breakers(facts.get("breakers", ()))
    if breakers.height:
        said = (column("outcome", "label"), column("breaker_told", "text"))
        figures.append(Figure("breakers", said, breakers))
    return Section("night", tuple(figures), _tiles(facts))


def _tiles(facts: Mapping[str, Any]) -> tuple[Tile, ...]:
    gates = facts["gates"].values()
    passed, checks = (sum(gate[name] for gate in gates) for name in ("checks_passed", "checks"))
    warnings = sum(gate["warnings_count"] for gate in gates)
    stale = sum(source["is_stale"] for source in facts["sources"])
    values = {
        "customers": write_number(
            None if is_few(facts["customers"]) else facts["customers"], "persons"
        ),
        "lists": f"{len(facts['lists'])}",
        "checks": f"{passed:,} / {checks:,}",
        "warnings": f"{warnings}",
        "stale": f"{stale} / {len(facts['sources'])}",
    }
    told = {name: Text(value, value) for name, value in values.items()}
    told["predictions"] = word("statuses", facts["models"]["status"])
    return tuple(Tile(texts().tiles[name], value) for name, value in told.items())
