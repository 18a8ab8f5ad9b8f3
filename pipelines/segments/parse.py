"""Reads the text of a condition into its tree, or refuses it with a sentence.

The text is never run. It is first held against the few characters that a condition is written
with, then parsed, and only what is known node by node becomes part of the tree.
"""

from collections.abc import Mapping

import polars as pl
import sqlglot
from sqlglot import exp

from pipelines.errors import C360Error
from pipelines.segments import language as words
from pipelines.segments.language import KINDS, Node, Operand, Operator
from pipelines.segments.operands import Operands, need_one_kind
from pipelines.segments.refusals import (
    DEEPEST,
    HINT,
    RefusedError,
    cut_out,
    printable,
    refuse_characters,
    text_of,
)

OPERATORS: dict[type[exp.Expr], Operator] = {
    exp.EQ: "=", exp.NEQ: "<>", exp.GT: ">", exp.GTE: ">=", exp.LT: "<", exp.LTE: "<=",
}  # fmt: skip


def parse_condition(where: str, text: str, columns: Mapping[str, pl.DataType]) -> Node:
    """The tree of a condition.

    Args:
        where: whose condition it is, as errors begin: `Segment win_back`.
        text: as written.
        columns: what may be named, with its type; the audience.

    Raises:
        C360Error: it is no condition; the sentence says where, and what to write instead.
    """
    place = 0
    try:
        refuse_characters(text)
        tree = sqlglot.parse_one(text, into=exp.Condition, dialect="duckdb")
        if any(node.comments for node in tree.walk()):
            raise RefusedError("a condition holds no comments")
        return _Reader(columns).node(tree, DEEPEST)
    except RefusedError as refusal:
        reason, place = str(refusal), refusal.place or 0
    except sqlglot.errors.ParseError as error:
        reason, place = _unread(error, text)
    except sqlglot.errors.SqlglotError:
        reason = "a quote is not closed"
    except RecursionError:
        reason = "it is nested too deep"
    shown = cut_out(text, place)
    raise C360Error(f"{where}: `{shown}` is not a condition: {reason}.", HINT)


def _unread(error: sqlglot.errors.ParseError, text: str) -> tuple[str, int]:
    """What cannot be read, and where it stands."""
    told = error.errors[0] if error.errors else {}
    before, at = told.get("start_context") or "", told.get("highlight") or ""
    place = text.find(before + at) + len(before)
    return f"it cannot be read{f' at `{printable(at[:40])}`' if at else ''}", place


def _place_of(tree: exp.Expr) -> int | None:
    """The first character of what the parser has noted the place of."""
    return min((node.meta["start"] for node in tree.walk() if "start" in node.meta), default=None)


class _Reader:
    """Turns nodes of the parser into ours, one by one."""

    def __init__(self, columns: Mapping[str, pl.DataType]) -> None:
        self.operands = Operands(columns)

    # What is true, false or unknown

    def node(self, tree: exp.Expr, depth: int) -> Node:
        try:
            return self._node(tree, depth)
        except RefusedError as refusal:
            if refusal.place is None:
                refusal.place = _place_of(tree)
            raise

    def _node(self, tree: exp.Expr, depth: int) -> Node:
        if depth == 0:
            raise RefusedError(f"it is nested deeper than {DEEPEST}")
        if isinstance(tree, exp.Paren):
            return self.node(tree.this, depth - 1)
        if isinstance(tree, exp.And | exp.Or):
            kind = exp.And if isinstance(tree, exp.And) else exp.Or
            return self._joined(kind, tree, depth)
        if isinstance(tree, exp.Not):
            return words.Not(self.node(tree.this, depth - 1))
        if isinstance(tree, exp.Is):
            return self._is(tree, depth)
        return self._predicate(tree)

    def _joined(self, kind: type[exp.Expr], tree: exp.Expr, depth: int) -> Node:
        ours: type[words.And | words.Or] = words.And if kind is exp.And else words.Or
        flat: list[Node] = []
        for part in tree.flatten(unnest=False):
            node = self.node(part, depth - 1)
            if isinstance(node, words.And | words.Or) and isinstance(node, ours):
                flat.extend(node.parts)
            else:
                flat.append(node)
        return ours(tuple(flat))

    def _is(self, tree: exp.Is, depth: int) -> Node:
        if isinstance(tree.expression, exp.Null):
            if isinstance(tree.this, exp.Is | exp.Paren | exp.Not | exp.EQ):
                raise RefusedError("is null is asked of a column or a function")
            return words.IsNull(self.operands.named(tree.this))
        if isinstance(tree.expression, exp.Boolean):
            return words.IsTruth(self.node(tree.this, depth - 1), bool(tree.expression.this))
        raise RefusedError(
            f"after `is` comes null, true, false or distinct from, not {text_of(tree.expression)}; "
            "write ="
        )

    def _predicate(self, tree: exp.Expr) -> Node:
        if operator := OPERATORS.get(type(tree)):
            return self._compare(operator, tree)
        if isinstance(tree, exp.Between):
            return self._between(tree)
        if isinstance(tree, exp.In):
            return self._in(tree)
        if isinstance(tree, exp.NullSafeEQ | exp.NullSafeNEQ):
            left, right = self._pair(tree, "is distinct from")
            differs = words.Differs(left, right)
            return differs if isinstance(tree, exp.NullSafeNEQ) else words.Not(differs)
        operand = self.operands.operand(tree)
        if operand.kind != "yes_no":
            raise RefusedError(
                f"{text_of(tree)} is {KINDS[operand.kind]}, not yes or no; compare it"
            )
        return words.Holds(operand)

    def _compare(self, operator: Operator, tree: exp.Expr) -> Node:
        left, right = self._pair(tree, operator)
        if operator in ("=", "<>"):
            return words.Compare(operator, left, right)
        _need_order(left, operator, tree)
        return words.Compare(operator, left, right)

    def _pair(self, tree: exp.Expr, operator: str) -> tuple[Operand, Operand]:
        sides = (tree.this, tree.expression)
        if any(isinstance(side, exp.Null) for side in sides):
            other = next((s for s in sides if not isinstance(s, exp.Null)), sides[0])
            asked = "is not null" if operator in ("<>", "is distinct from") else "is null"
            raise RefusedError(f"nothing is ever {operator} null; write {text_of(other)} {asked}")
        left, right = self.operands.operand(sides[0]), self.operands.operand(sides[1])
        if isinstance(left, words.Value) and isinstance(right, words.Value):
            raise RefusedError(f"{text_of(tree)} asks nothing of the customer")
        need_one_kind((left, right))
        return left, right

    def _between(self, tree: exp.Between) -> Node:
        if tree.args.get("symmetric"):
            raise RefusedError("between takes the lower value first")
        bounds = (tree.args["low"], tree.args["high"])
        if any(isinstance(bound, exp.Null) for bound in bounds):
            raise RefusedError("nothing is ever between null and something; write >= or <=")
        operand, low, high = (
            self.operands.named(tree.this),
            *map(self.operands.operand, bounds),
        )
        need_one_kind((operand, low, high))
        _need_order(operand, "between", tree)
        bounds_known = isinstance(low, words.Value) and isinstance(high, words.Value)
        if bounds_known and low.value > high.value:  # type: ignore[operator, union-attr]
            raise RefusedError(f"{text_of(tree)} is never true: the lower value comes first")
        return words.Between(operand, low, high)

    def _in(self, tree: exp.In) -> Node:
        listed = tree.expressions
        if tree.args.get("query") or tree.args.get("unnest") or tree.args.get("field"):
            raise RefusedError("after `in` comes a list of values in brackets, as in ('A', 'B')")
        if not listed:
            raise RefusedError("the list after `in` is empty")
        if any(isinstance(value, exp.Null) for value in listed):
            raise RefusedError(
                "null is in no list, and `not in` a list with null is never true; "
                f"write {text_of(tree.this)} is null or …"
            )
        values = [self.operands.operand(value) for value in listed]
        if not all(isinstance(value, words.Value) for value in values):
            raise RefusedError("the list after `in` holds values, not columns or functions")
        operand = self.operands.named(tree.this)
        need_one_kind((operand, *values))
        return words.In(operand, tuple(v for v in values if isinstance(v, words.Value)))


def _need_order(operand: Operand, operator: str, tree: exp.Expr) -> None:
    if operand.kind == "text":
        raise RefusedError(f"texts have no order, so {operator} says nothing; write in ('A', 'B')")
    if operand.kind == "yes_no":
        raise RefusedError(f"{text_of(tree)} orders a yes or no; write it alone, or with not")
