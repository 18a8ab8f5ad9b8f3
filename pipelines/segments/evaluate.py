"""What a condition says of each customer: the tree as an expression of Polars."""

from functools import reduce
from operator import and_, or_

import polars as pl

from pipelines.segments import language as words
from pipelines.segments.language import Node, Operand, write_condition


def as_expression(node: Node) -> pl.Expr:
    """The condition over a prepared audience: true, false, or null where it is unknown.

    Counts of events and membership of lists are columns there, named as the condition has them:
    see `prepare_audience`.
    """
    match node:
        case words.And(parts):
            return reduce(and_, map(as_expression, parts))
        case words.Or(parts):
            return reduce(or_, map(as_expression, parts))
        case words.Not(part):
            return ~as_expression(part)
        case words.IsTruth(part, truth):
            return as_expression(part).eq_missing(pl.lit(truth))
        case words.Holds(operand):
            return value_of(operand)
        case words.IsNull(operand):
            return value_of(operand).is_null()
        case words.Between(operand, low, high):
            return (value_of(operand) >= value_of(low)) & (value_of(operand) <= value_of(high))
        case words.In(operand, values):
            one = value_of(operand)
            if operand.kind == "text":
                return one.is_in([value.value for value in values])
            return reduce(or_, (one == value_of(value) for value in values))
        case words.Differs(left, right):
            return value_of(left).ne_missing(value_of(right))
        case words.Compare(operator, left, right):
            one, other = value_of(left), value_of(right)
            return {
                "=": one == other, "<>": one != other, ">": one > other, ">=": one >= other,
                "<": one < other, "<=": one <= other,
            }[operator]  # fmt: skip


def value_of(operand: Operand) -> pl.Expr:
    """What is compared, as an expression over a prepared audience."""
    match operand:
        case words.Value(value):
            return pl.lit(value)
        case words.FirstKnown(operands):
            return pl.coalesce(map(value_of, operands))
        case words.Later(day, days):
            return value_of(day).dt.offset_by(f"{days}d")
    return pl.col(write_condition(operand))
