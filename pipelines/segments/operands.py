"""Reads what a condition compares: columns, values and the four functions."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from typing import NoReturn

import polars as pl
from sqlglot import exp

from pipelines.rules.segments import EVENT_DAYS
from pipelines.segments import language as words
from pipelines.segments.language import EVENTS, KINDS, Kind, Operand
from pipelines.segments.refusals import ADVICE, FUNCTIONS, RefusedError, nearest, printable, text_of

LONGEST_SHIFT = 36_500
NUMBER = re.compile(r"\d{1,15}(\.\d{1,8})?")
BOOLEANS = (
    exp.And, exp.Or, exp.Not, exp.Is, exp.In, exp.Between, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT,
    exp.LTE,
)  # fmt: skip


def kind_of(dtype: pl.DataType) -> Kind | None:
    """Which of the four kinds a type is; None for what no condition compares."""
    if dtype == pl.Boolean:
        return "yes_no"
    if dtype.is_numeric():
        return "number"
    return {pl.String(): "text", pl.Date(): "date"}.get(dtype)  # type: ignore[return-value]


def need_one_kind(operands: tuple[Operand, ...]) -> None:
    """Refuse to compare values of different kinds.

    Raises:
        RefusedError: naming the two.
    """
    first = operands[0]
    for other in operands[1:]:
        if other.kind != first.kind:
            one, two = words.write_condition(first), words.write_condition(other)
            raise RefusedError(
                f"{one} is {KINDS[first.kind]} and {printable(two)[:60]} is {KINDS[other.kind]}"
            )


class Operands:
    """Turns what is compared into our nodes, given the columns that may be named."""

    def __init__(self, columns: Mapping[str, pl.DataType]) -> None:
        self.columns = columns

    def named(self, tree: exp.Expr) -> Operand:
        """The operand, which is no value as written."""
        operand = self.operand(tree)
        if isinstance(operand, words.Value):
            raise RefusedError(f"{text_of(tree)} is a value; begin with a column or a function")
        return operand

    def operand(self, tree: exp.Expr) -> Operand:
        """A column, a value or a function.

        Raises:
            RefusedError: it is something else.
        """
        if isinstance(tree, exp.Paren):
            return self.operand(tree.this)
        if isinstance(tree, exp.Column):
            return self._column(tree)
        if isinstance(tree, exp.Boolean):
            return words.Value(bool(tree.this), "yes_no")
        if isinstance(tree, exp.Literal):
            return words.Value(tree.name, "text") if tree.is_string else self._number(tree.name)
        if isinstance(tree, exp.Neg) and isinstance(tree.this, exp.Literal):
            number = self._number(tree.this.name)
            return words.Value(-number.value, "number")  # type: ignore[operator]
        if type(tree) is exp.Cast and tree.to.is_type("date"):
            return self._day(tree)
        if isinstance(tree, exp.Add | exp.Sub) and isinstance(tree.expression, exp.Interval):
            return self._later(tree)
        if isinstance(tree, exp.Coalesce):
            return self._first_known(tree)
        if isinstance(tree, exp.Anonymous):
            return self._function(tree)
        return _refuse(tree)

    def _column(self, tree: exp.Column) -> words.Column:
        name = tree.name
        if tree.table:
            raise RefusedError(f"{text_of(tree)} has a dot; name a column of the audience alone")
        if name not in self.columns:
            raise RefusedError(
                f"{printable(name)} is not a column of the audience{self._meant(name)}"
            )
        kind = kind_of(self.columns[name])
        if kind is None:
            raise RefusedError(f"{name} holds lists or times, which no condition compares")
        return words.Column(name, kind)

    def _meant(self, name: str) -> str:
        for character in name:
            if not character.isascii():
                told = unicodedata.name(character, "unnamed")
                return f": its {character} is no plain letter (U+{ord(character):04X}, {told})"
        return nearest(name, self.columns).removesuffix("?")

    def _number(self, text: str) -> words.Value:
        if not NUMBER.fullmatch(text):
            raise RefusedError(
                f"{text[:30]} is no number that can be read: write up to 15 digits, a point and up "
                "to 8 more"
            )
        return words.Value(Decimal(text) if "." in text else int(text), "number")

    def _day(self, tree: exp.Cast) -> words.Value:
        day = tree.this
        if not (isinstance(day, exp.Literal) and day.is_string):
            _refuse(tree)
        try:
            read = date.fromisoformat(day.name)
        except ValueError:
            read = None
        if read is None or read.isoformat() != day.name:
            raise RefusedError(f"{day.name[:30]} is not a day; write date '2026-06-30'")
        return words.Value(read, "date")

    def _later(self, tree: exp.Expr) -> words.Later:
        day, interval = self.operand(tree.this), tree.expression
        unit = (interval.text("unit") or "").lower().removesuffix("s")
        if unit != "day" or not re.fullmatch(r"\d{1,5}", interval.this.name):
            raise RefusedError(f"{text_of(interval)} is not in days; write interval 30 days")
        days = int(interval.this.name)
        if days > LONGEST_SHIFT:
            raise RefusedError(f"{days} days are more than a hundred years")
        if day.kind != "date":
            raise RefusedError(
                f"{text_of(tree.this)} is {KINDS[day.kind]}; days are added to a date"
            )
        return words.Later(day, -days if isinstance(tree, exp.Sub) else days)

    def _first_known(self, tree: exp.Coalesce) -> words.FirstKnown:
        listed = [part for part in (tree.this, *tree.expressions) if part is not None]
        if len(listed) < 2:
            raise RefusedError("coalesce takes a column and what counts where it is unknown")
        if any(isinstance(part, exp.Null) for part in listed):
            raise RefusedError("null in coalesce changes nothing; leave it out")
        first, *others = (self.named(listed[0]), *map(self.operand, listed[1:]))
        need_one_kind((first, *others))
        return words.FirstKnown((first, *others), first.kind)

    def _function(self, tree: exp.Anonymous) -> Operand:
        name, arguments = tree.name.lower(), tree.expressions
        readers: dict[str, Callable[[list[exp.Expr]], Operand]] = {
            "events": self._events, "days_since_event": self._days_since, "on_list": self._on_list,
        }  # fmt: skip
        if name not in readers:
            near = nearest(name, [*readers, "coalesce"]).removesuffix("?")
            raise RefusedError(
                f"there is no function {printable(name)[:40]}{near or f'; there are {FUNCTIONS}'}"
            )
        return readers[name](arguments)

    def _events(self, arguments: list[exp.Expr]) -> words.EventCount:
        if len(arguments) not in (2, 3):
            raise RefusedError("write events('order', 90), or events('view', 7, 'Shoes')")
        kind, category = self._event(arguments[0], arguments[2:])
        days = arguments[1].name if isinstance(arguments[1], exp.Literal) else ""
        is_days = re.fullmatch(r"\d{1,4}", days) and not arguments[1].is_string
        if not is_days or not 1 <= int(days) <= EVENT_DAYS:
            raise RefusedError(f"the days of events are a whole number from 1 to {EVENT_DAYS}")
        return words.EventCount(kind, int(days), category)

    def _days_since(self, arguments: list[exp.Expr]) -> words.DaysSince:
        if len(arguments) not in (1, 2):
            raise RefusedError("write days_since_event('click')")
        return words.DaysSince(*self._event(arguments[0], arguments[1:]))

    def _event(self, kind: exp.Expr, categories: list[exp.Expr]) -> tuple[str, str | None]:
        name = self._argument(kind, "the kind of event")
        if name not in EVENTS:
            near = nearest(name, EVENTS).removesuffix("?") or f"; there are {', '.join(EVENTS)}"
            raise RefusedError(f"there is no kind of event {printable(name)[:40]!r}{near}")
        if categories and not EVENTS[name]:
            told = ", ".join(event for event, has_category in EVENTS.items() if has_category)
            raise RefusedError(f"{name} has no category of product; only {told} have one")
        return name, self._argument(categories[0], "the category") if categories else None

    def _on_list(self, arguments: list[exp.Expr]) -> words.OnList:
        if len(arguments) != 1:
            raise RefusedError("write on_list('win_back')")
        name = self._argument(arguments[0], "the list")
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", name):
            raise RefusedError(f"{printable(name)[:40]!r} is no name of a list")
        return words.OnList(name)

    def _argument(self, tree: exp.Expr, what: str) -> str:
        if not (isinstance(tree, exp.Literal) and tree.is_string):
            raise RefusedError(f"{what} is a text in single quotes, not {text_of(tree)}")
        return tree.name


def _refuse(tree: exp.Expr) -> NoReturn:
    if isinstance(tree, exp.Null):
        raise RefusedError("null stands alone only after is")
    if isinstance(tree, BOOLEANS):
        raise RefusedError(
            f"({text_of(tree)}) is compared with something; write is true or is false"
        )
    for kinds, advice in ADVICE:
        if isinstance(tree, kinds):
            raise RefusedError(f"{text_of(tree)} may not stand in it; {advice}")
    raise RefusedError(
        f"{text_of(tree)} may not stand in it; it is made of columns, values, and, or, not, in, "
        f"between, is null and the functions {FUNCTIONS}"
    )
