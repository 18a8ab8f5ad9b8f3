"""The words of a condition: a small tree, and its text as a person would write it.

A condition is a question about one customer whose answer is true, false or unknown (SQL's three
values); only true is in. Values are numbers, texts, dates and yes_no; everything is told apart by
these four kinds, so that no value is ever turned into one of another kind.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import date
from decimal import Decimal
from typing import Literal

Kind = Literal["number", "text", "yes_no", "date"]
Operator = Literal["=", "<>", ">", ">=", "<", "<="]
KINDS: dict[Kind, str] = {
    "number": "a number", "text": "a text", "yes_no": "yes or no", "date": "a date",
}  # fmt: skip
# What a customer or the company did on a day, and whether it is counted by category of product.
EVENTS: dict[str, bool] = {
    "order": True, "return": False, "view": True, "cart": True, "search": False, "visit": False,
    "open": False, "click": False, "like": False, "comment": False, "share": False,
    "call": False, "meeting": False, "case": False, "complaint": False, "survey": False,
    "referral": False,
}  # fmt: skip


@dataclass(frozen=True)
class Value:
    """A value as written."""

    value: int | Decimal | str | bool | date
    kind: Kind


@dataclass(frozen=True)
class Column:
    """What the audience says of the customer."""

    name: str
    kind: Kind


@dataclass(frozen=True)
class EventCount:
    """How many events of a kind there were in the last so many days, the run date included."""

    event: str
    days: int
    category: str | None
    kind: Kind = "number"


@dataclass(frozen=True)
class DaysSince:
    """Days from the last event of a kind to the run date; unknown if there was none."""

    event: str
    category: str | None
    kind: Kind = "number"


@dataclass(frozen=True)
class OnList:
    """Whether the condition of another list is true tonight."""

    name: str
    kind: Kind = "yes_no"


@dataclass(frozen=True)
class Later:
    """A day so many days later, or earlier if negative."""

    day: "Operand"
    days: int
    kind: Kind = "date"


@dataclass(frozen=True)
class FirstKnown:
    """The first that is known: coalesce."""

    operands: tuple["Operand", ...]
    kind: Kind


Operand = Value | Column | EventCount | DaysSince | OnList | Later | FirstKnown


@dataclass(frozen=True)
class Holds:
    """A yes_no that stands for itself."""

    operand: Operand


@dataclass(frozen=True)
class Compare:
    """Two values of one kind compared; unknown if either is."""

    operator: Operator
    left: Operand
    right: Operand


@dataclass(frozen=True)
class Between:
    """From one value to another, both included."""

    operand: Operand
    low: Operand
    high: Operand


@dataclass(frozen=True)
class In:
    """One of some values."""

    operand: Operand
    values: tuple[Value, ...]


@dataclass(frozen=True)
class IsNull:
    """Unknown; itself always true or false."""

    operand: Operand


@dataclass(frozen=True)
class IsTruth:
    """Surely true, or surely false; itself always true or false."""

    part: "Node"
    truth: bool


@dataclass(frozen=True)
class Differs:
    """Not the same, where unknown is the same as unknown; itself always true or false."""

    left: Operand
    right: Operand


@dataclass(frozen=True)
class Not:
    """The contrary; of unknown, unknown."""

    part: "Node"


@dataclass(frozen=True)
class And:
    """All of its parts."""

    parts: tuple["Node", ...]


@dataclass(frozen=True)
class Or:
    """Any of its parts."""

    parts: tuple["Node", ...]


Predicate = Holds | Compare | Between | In | IsNull | Differs
Node = Predicate | IsTruth | Not | And | Or


def walk(node: Node | Operand) -> Iterator[Node | Operand]:
    """A node and everything below it, from the left."""
    yield node
    for field in fields(node):
        below = getattr(node, field.name)
        for part in below if isinstance(below, tuple) else (below,):
            if hasattr(part, "__dataclass_fields__"):
                yield from walk(part)


def operands_of(predicate: Predicate) -> tuple[Operand, ...]:
    """What a predicate compares, without values as written."""
    parts = walk(predicate)
    return tuple(
        dict.fromkeys(
            part for part in parts if isinstance(part, Column | EventCount | DaysSince | OnList)
        )
    )


def write_condition(node: Node | Operand) -> str:
    """The text of a condition in one spelling; it reads back as the same tree."""
    match node:
        case And(parts):
            return " and ".join(_inside(part, Or) for part in parts)
        case Or(parts):
            return " or ".join(_inside(part, Or) for part in parts)
        case Not(In(operand, values)):
            return f"{write_condition(operand)} not in ({_listed(values)})"
        case Not(Between(operand, low, high)):
            between = f"{write_condition(low)} and {write_condition(high)}"
            return f"{write_condition(operand)} not between {between}"
        case Not(IsNull(operand)):
            return f"{write_condition(operand)} is not null"
        case Not(IsTruth(part, truth)):
            return f"{_closed(part)} is not {str(truth).lower()}"
        case Not(Differs(left, right)):
            return f"{write_condition(left)} is not distinct from {write_condition(right)}"
        case Not(part):
            return f"not {_inside(part, And, Or, Not)}"
        case IsTruth(part, truth):
            return f"{_closed(part)} is {str(truth).lower()}"
        case Compare(operator, left, right):
            return f"{write_condition(left)} {operator} {write_condition(right)}"
        case Between(operand, low, high):
            between = f"{write_condition(low)} and {write_condition(high)}"
            return f"{write_condition(operand)} between {between}"
        case In(operand, values):
            return f"{write_condition(operand)} in ({_listed(values)})"
        case IsNull(operand):
            return f"{write_condition(operand)} is null"
        case Differs(left, right):
            return f"{write_condition(left)} is distinct from {write_condition(right)}"
        case Holds(operand):
            return write_condition(operand)
    return _write_operand(node)


def _write_operand(node: Operand) -> str:
    match node:
        case Value(value):
            return write_value(value)
        case Column(name):
            return name
        case EventCount(event, days, category):
            return f"events('{event}', {days}{_of(category)})"
        case DaysSince(event, category):
            return f"days_since_event('{event}'{_of(category)})"
        case OnList(name):
            return f"on_list('{name}')"
        case Later(day, days):
            sign, count = "-" if days < 0 else "+", abs(days)
            unit = "day" if count == 1 else "days"
            return f"{_write_operand(day)} {sign} interval {count} {unit}"
        case FirstKnown(operands):
            return f"coalesce({', '.join(map(_write_operand, operands))})"


def write_value(value: object) -> str:
    """A value as a condition has it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, date):
        return f"date '{value}'"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def _inside(part: Node, *kinds: type) -> str:
    text = write_condition(part)
    return f"({text})" if isinstance(part, kinds) else text


def _closed(part: Node) -> str:
    return write_condition(part) if isinstance(part, Holds) else f"({write_condition(part)})"


def _listed(values: tuple[Value, ...]) -> str:
    return ", ".join(map(_write_operand, values))


def _of(category: str | None) -> str:
    return "" if category is None else f", {write_value(category)}"
