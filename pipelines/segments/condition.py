"""Conditions of segments: an expression over the audience, read as a tree and never as code."""

from collections.abc import Iterable
from datetime import date

import polars as pl
import sqlglot
from sqlglot import exp

from pipelines.errors import C360Error
from pipelines.rules.segments import Segment

# What a condition may be made of. Whatever else parses as SQL (functions, queries) is refused.
ALLOWED = (
    exp.And, exp.Or, exp.Not, exp.Paren, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.In,
    exp.Between, exp.Is, exp.Null, exp.Boolean, exp.Literal, exp.Neg, exp.Column, exp.Identifier,
    exp.Coalesce,
)  # fmt: skip
LONGEST = 2000


def read_condition(segment: Segment, audience: Iterable[str]) -> tuple[pl.Expr, set[str]]:
    """The segment's condition as a Polars expression, and the columns it reads.

    Raises:
        C360Error: it is no condition, or names what is not a column of the audience.
    """
    where = f"Segment {segment.name}"
    if len(segment.where) > LONGEST:
        raise _no_condition(segment, f"it is longer than {LONGEST} characters")
    try:
        tree = sqlglot.parse_one(segment.where, dialect="duckdb")
        for node in tree.walk():
            if not _is_allowed(node):
                raise C360Error(
                    f"{where}: {node.sql('duckdb')[:60]!r} may not stand in a condition.",
                    "Use columns, values, and, or, not, in, between, is null, coalesce; "
                    "a day is written date '2026-06-30'; no comments.",
                )
        columns = {column.name for column in tree.find_all(exp.Column)}
        refuse_unknown(where, columns, audience)
        return pl.sql_expr(tree.sql(dialect="postgres")), columns
    except (sqlglot.errors.SqlglotError, pl.exceptions.PolarsError) as error:
        raise _no_condition(segment, str(error).partition("\n")[0]) from None
    except RecursionError:
        raise _no_condition(segment, "it is nested too deep") from None


def _is_allowed(node: exp.Expr) -> bool:
    if node.comments:
        return False
    if isinstance(node, exp.Cast):  # date '2026-06-30', and no other cast
        day = isinstance(node.this, exp.Literal) and node.this.is_string and node.to.is_type("date")
        return day and _is_day(node.this.name)
    if isinstance(node, exp.DataType):
        return isinstance(node.parent, exp.Cast)
    return isinstance(node, ALLOWED) and not (isinstance(node, exp.Column) and node.table)


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _no_condition(segment: Segment, why: str) -> C360Error:
    return C360Error(
        f"Segment {segment.name}: {segment.where[:200]!r} is not a condition: {why}.",
        "Mend `where` in segments.yml.",
    )


def match_condition(audience: pl.DataFrame, segment: Segment, condition: pl.Expr) -> pl.DataFrame:
    """The rows of the audience that a condition is true for.

    Raises:
        C360Error: it compares values of different kinds.
    """
    try:
        audience.clear().filter(condition)
    except pl.exceptions.PolarsError as error:
        raise _no_condition(segment, str(error).partition("\n")[0]) from None
    try:
        return audience.filter(condition)
    except pl.exceptions.PolarsError:  # its message may quote what customers' rows hold
        raise _no_condition(segment, "it compares values of different kinds") from None


def refuse_unknown(where: str, named: set[str], known: Iterable[str]) -> None:
    """Refuse names that are no columns of the audience."""
    if unknown := sorted(named - set(known)):
        raise C360Error(
            f"{where}: {', '.join(unknown)} is not a column of the audience.",
            "The columns are listed under `audience` in dbt_project/models/marts/_marts.yml.",
        )
