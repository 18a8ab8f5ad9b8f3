"""Cuts lists from the audience: a condition read as data, consent last, a reason for every row."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

import polars as pl
import sqlglot
from sqlglot import exp

from pipelines.errors import C360Error
from pipelines.rules.schemas import Segment

# What a condition may be made of. Whatever else parses as SQL (functions, queries) is refused.
ALLOWED = (
    exp.And, exp.Or, exp.Not, exp.Paren, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.In,
    exp.Between, exp.Is, exp.Null, exp.Boolean, exp.Literal, exp.Neg, exp.Column, exp.Identifier,
    exp.Coalesce,
)  # fmt: skip
LONGEST = 2000
PLACEHOLDER = re.compile(r"\{(\w+)\}")
# What an automated judgement of the person says: whoever refused profiling is on no list cut by it.
PROFILING = {
    "grade", "grade_label", "grade_label_zh", "vip_band", "vip_band_label", "vip_band_label_zh",
    "value_score", "is_first_tier", "is_second_tier_potential", "is_second_tier_network",
    "network_customer_id", "network_relation", "network_relation_label",
    "network_relation_label_zh", "is_upgrade_candidate", "next_grade", "next_grade_gap_points",
    "lifecycle_stage", "lifecycle_stage_label", "lifecycle_stage_label_zh",
    "rhythm_ratio", "rfm_group", "recency_score", "frequency_score", "monetary_score",
    "clv_365d_amount", "p_alive", "churn_risk", "churn_risk_band", "churn_reason",
    "churn_reason_zh", "expected_orders_365d_count", "next_order_from_on", "next_order_to_on",
    "best_weekday", "best_hour", "recommended_item", "recommended_category", "warning_count",
    "has_high_warning",
}  # fmt: skip
SCORES = {
    "clv_365d_amount", "p_alive", "churn_risk", "churn_risk_band", "churn_reason",
    "churn_reason_zh", "expected_orders_365d_count", "next_order_from_on", "next_order_to_on",
    "best_weekday", "best_hour",
    "is_second_tier_potential",
}  # fmt: skip
# Invisible characters (spaces, controls, byte order marks) do not hide what comes after them.
FORMULA = r"^[\s\p{Cc}\p{Cf}]*[=+\-@\t\r\n＝＋－＠|%]"
PHONE = r"^\+[0-9]{8,15}$"


@dataclass(frozen=True)
class Cut:
    """One list: its rows, and how many fell out at which step."""

    rows: pl.DataFrame
    matched: int
    suppressed: int
    without_consent: int


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
        _refuse_unknown(where, columns, audience)
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


def check_segment(segment: Segment, audience: Iterable[str] | pl.Schema) -> None:
    """Refuse a segment whose condition, order, columns or reasons name what is not there.

    Given the audience's schema, the condition is also tried on it, so that a number compared with
    a text is found by `c360 rules check`, not at night.

    Raises:
        C360Error: with the segment and the name.
    """
    where = f"Segment {segment.name}"
    known = set(audience)
    condition, _ = read_condition(segment, known)
    _refuse_unknown(where, _named(segment), known)
    for reason in (segment.reason, segment.reason_zh):
        if set("{}") & set(PLACEHOLDER.sub("", reason)):
            raise C360Error(
                f"{where}: {reason!r} has a brace that belongs to no {{column}}.",
                "Write {column}, with the name of a column of the audience and nothing else.",
            )
    twice = [name for name in segment.columns if segment.columns.count(name) > 1]
    if twice or "customer_id" in segment.columns:
        raise C360Error(
            f"{where}: {(*twice, 'customer_id')[0]} stands in the list twice.",
            "Every list begins with customer_id; name each other column once under `columns`.",
        )
    if isinstance(audience, pl.Schema):
        _matching(pl.DataFrame(schema=audience), segment, condition)


def _named(segment: Segment) -> set[str]:
    """Columns that a list shows or is sorted by."""
    named = {segment.order_by.removesuffix(" desc"), *segment.columns}
    for reason in (segment.reason, segment.reason_zh):
        named |= set(PLACEHOLDER.findall(reason))
    return named


def _matching(audience: pl.DataFrame, segment: Segment, condition: pl.Expr) -> pl.DataFrame:
    try:
        audience.clear().filter(condition)
    except pl.exceptions.PolarsError as error:
        raise _no_condition(segment, str(error).partition("\n")[0]) from None
    try:
        return audience.filter(condition)
    except pl.exceptions.PolarsError:  # its message may quote what customers' rows hold
        raise _no_condition(segment, "it compares values of different kinds") from None


def _refuse_unknown(where: str, named: set[str], known: Iterable[str]) -> None:
    if unknown := sorted(named - set(known)):
        raise C360Error(
            f"{where}: {', '.join(unknown)} is not a column of the audience.",
            "The columns are listed under `audience` in dbt_project/models/marts/_marts.yml.",
        )


def cut_list(audience: pl.DataFrame, segment: Segment, contacts: pl.DataFrame | None) -> Cut:
    """The people of one list, best first, each with the reason why.

    Args:
        audience: the audience mart.
        segment: the list's rule.
        contacts: `customer_contacts`, or None on nights on which no source states any consent:
            then the list holds ids only, for whoever must decide by other means.

    Returns:
        Cut: rows with customer_id, full_name and contact (if contacts are given), channel, reason,
        reason_zh and the segment's columns.
    """
    condition, columns = read_condition(segment, audience.columns)
    matched = _matching(audience, segment, condition)
    allowed = matched.filter(~_is_suppressed(segment, columns | _named(segment)))
    reachable = allowed
    if contacts is not None:
        here = (pl.col("channel") == segment.channel) & (pl.col("purpose") == segment.purpose)
        reachable = allowed.join(
            contacts.filter(here).select("customer_id", "full_name", contact="contact_value"),
            on="customer_id",
        )
    descending = segment.order_by.endswith(" desc")
    ordered = reachable.sort(
        segment.order_by.removesuffix(" desc"),
        "customer_id",
        descending=[descending, False],
        nulls_last=True,
    )
    rows = ordered.head(segment.limit) if segment.limit else ordered
    shown = ["full_name", "contact"] if contacts is not None else []
    return Cut(
        rows=rows.select(
            "customer_id",
            *shown,
            pl.lit(segment.channel).alias("channel"),
            _reason(segment.reason, audience.schema).alias("reason"),
            _reason(segment.reason_zh, audience.schema).alias("reason_zh"),
            *segment.columns,
        ),
        matched=matched.height,
        suppressed=matched.height - allowed.height,
        without_consent=allowed.height - reachable.height,
    )


def _is_suppressed(segment: Segment, columns: set[str]) -> pl.Expr:
    """Erased and under age never; no promotion during a complaint; no profile for who refused."""
    suppressed = pl.col("suppressed_because").is_not_null()
    if segment.purpose == "marketing":
        suppressed |= pl.col("has_open_complaint")
    if columns & PROFILING:
        suppressed |= pl.col("is_profiling_refused")
    return suppressed


def needs_scores(segment: Segment, audience: Iterable[str]) -> bool:
    """Whether the list is empty on a night without scores."""
    return bool(read_condition(segment, audience)[1] & SCORES)


def _reason(template: str, schema: pl.Schema) -> pl.Expr:
    """The template with each customer's values; a missing value reads `-`."""
    names = PLACEHOLDER.findall(template)
    plain = PLACEHOLDER.sub("{}", template)
    return pl.format(plain, *[_shown(name, schema[name]) for name in names])


def _shown(name: str, dtype: pl.DataType) -> pl.Expr:
    value = pl.col(name)
    if dtype.is_decimal():
        value = value.cast(pl.Decimal(18, 2))
    if dtype.is_float():
        return value.round(2).cast(pl.String).str.strip_suffix(".0").fill_null("-")
    return value.cast(pl.String).fill_null("-")


def guard_formulas(rows: pl.DataFrame) -> pl.DataFrame:
    """Put ' before text that a spreadsheet would run as a formula; phone numbers stay."""
    texts = [name for name, dtype in rows.schema.items() if dtype == pl.String]
    return rows.with_columns(_guarded(pl.col(name)).alias(name) for name in texts)


def _guarded(text: pl.Expr) -> pl.Expr:
    risky = text.str.contains(FORMULA) & ~text.str.contains(PHONE)
    return pl.when(risky).then(pl.concat_str(pl.lit("'"), text)).otherwise(text)
