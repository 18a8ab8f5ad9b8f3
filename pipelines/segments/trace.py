"""Why a condition is true of a customer, or why not: every predicate with the value it used."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

import polars as pl

from pipelines.segments import language as words
from pipelines.segments.evaluate import as_expression, value_of
from pipelines.segments.language import Node, operands_of, write_condition

COUNTS = ("true_count", "false_count", "unknown_count", "stopped_alone_count")
TOLD = {True: "true", False: "false", None: "unknown"}


@dataclass(frozen=True)
class Step:
    """One node of a condition and its answer for one customer.

    joined: how its parts are joined; `is` for a predicate, which has values and no parts.
    values: what the predicate used, by the text of column or function.
    """

    text: str
    answer: bool | None
    joined: Literal["and", "or", "not", "is"]
    values: dict[str, Any]
    parts: tuple["Step", ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The same for a program."""
        told: dict[str, Any] = {"text": self.text, "answer": TOLD[self.answer]}
        if self.parts:
            return told | {"joined": self.joined, "parts": [part.as_dict() for part in self.parts]}
        return told | {"values": self.values}


def trace_condition(tree: Node, rows: pl.DataFrame) -> list[Step]:
    """The answer of each node for each row of a prepared audience."""
    nodes = list(_nodes(tree))
    used = list(dict.fromkeys(o for node in nodes for o in _operands(node)))
    answers = rows.with_columns(
        as_expression(node).alias(str(n)) for n, node in enumerate(nodes)
    ).select(map(str, range(len(nodes))))
    values = rows.select(value_of(operand).alias(write_condition(operand)) for operand in used)
    traced = []
    for number in range(rows.height):
        told = dict(zip(nodes, answers.row(number), strict=True))
        row = values.row(number, named=True) if used else {}
        traced.append(_step(tree, told, row))
    return traced


def failing(step: Step) -> Iterator[Step]:
    """The predicates that keep a condition from being true; nothing if it is true.

    Of parts joined by `or` all have to fail, so all are told.
    """
    if step.answer is True:
        return
    if step.joined in ("and", "or"):
        for part in step.parts:
            yield from failing(part)
    else:
        yield step


def say(step: Step) -> str:
    """A predicate, its answer and the value it used, on one line."""
    return f"{step.text} is {TOLD[step.answer]}{told_values(step)}"


def told_values(step: Step) -> str:
    """The values that a predicate used, in brackets; with their names if there are several."""
    values = all_values(step)
    if not values:
        return ""
    shown = {name: show_value(value) for name, value in values.items()}
    if len(shown) == 1:
        return f" ({next(iter(shown.values()))})"
    return f" ({', '.join(f'{name}: {value}' for name, value in shown.items())})"


def all_values(step: Step) -> dict[str, Any]:
    """What a step and its parts used."""
    told = dict(step.values)
    for part in step.parts:
        told |= all_values(part)
    return told


def show_value(value: Any) -> str:
    """A value as a person reads it."""
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float | Decimal):
        return f"{value:.4f}".rstrip("0").rstrip(".")
    return str(value)


def weigh_parts(tree: Node, prepared: pl.DataFrame) -> pl.DataFrame:
    """How many customers each part of the outermost `and` lets through or alone stops.

    Returns:
        predicate, true_count, false_count, unknown_count, stopped_alone_count (for whom all other
        parts are true and this one is not), in the order of the condition.
    """
    parts = tree.parts if isinstance(tree, words.And) else (tree,)
    answers = prepared.with_columns(
        as_expression(part).alias(str(n)) for n, part in enumerate(parts)
    ).select(map(str, range(len(parts))))
    missed = pl.sum_horizontal(~pl.all().fill_null(value=False))
    answers = answers.with_columns(missed.alias("missed"))
    rows = []
    for number, part in enumerate(parts):
        answer = answers[str(number)]
        is_true = answer.fill_null(value=False)
        rows.append(
            {
                "predicate": write_condition(part),
                "true_count": int(is_true.sum()),
                "false_count": int((~answer).fill_null(value=False).sum()),
                "unknown_count": answer.null_count(),
                "stopped_alone_count": int((~is_true & (answers["missed"] == 1)).sum()),
            }
        )
    return pl.DataFrame(rows, schema={"predicate": pl.String} | dict.fromkeys(COUNTS, pl.Int64))


def _nodes(tree: Node) -> Iterator[Node]:
    yield tree
    if isinstance(tree, words.And | words.Or):
        for part in tree.parts:
            yield from _nodes(part)
    if isinstance(tree, words.Not | words.IsTruth) and _is_joined(tree.part):
        yield from _nodes(tree.part)


def _is_joined(node: Node) -> bool:
    return isinstance(node, words.And | words.Or | words.Not | words.IsTruth)


def _operands(node: Node) -> tuple[words.Operand, ...]:
    """What a leaf of the trace used."""
    if isinstance(node, words.And | words.Or):
        return ()
    if isinstance(node, words.Not | words.IsTruth):
        return () if _is_joined(node.part) else _operands(node.part)
    return operands_of(node)


def _step(node: Node, answers: dict[Node, bool | None], row: dict[str, Any]) -> Step:
    text, answer = write_condition(node), answers[node]
    if isinstance(node, words.And | words.Or):
        parts = tuple(_step(part, answers, row) for part in node.parts)
        return Step(text, answer, "and" if isinstance(node, words.And) else "or", {}, parts)
    if isinstance(node, words.Not | words.IsTruth) and _is_joined(node.part):
        return Step(text, answer, "not", {}, (_step(node.part, answers, row),))
    names = [write_condition(operand) for operand in _operands(node)]
    return Step(text, answer, "is", {name: row[name] for name in names})
