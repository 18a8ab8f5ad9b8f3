"""What a list would be: how many, of which grade and stage, and whom it shares with other lists."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import polars as pl

from pipelines.rules.segments import Segment
from pipelines.segments.condition import Condition
from pipelines.segments.cut import is_suppressed
from pipelines.segments.funnel import SUPPRESSING, sort_best_first
from pipelines.segments.reasons import named_columns, write_reasons
from pipelines.segments.trace import weigh_parts

EXAMPLES = 10
SHOWN = ("customer_id", "grade", "lifecycle_stage")
# What a preview reads of the audience whatever the list.
ALWAYS_READ = (*SHOWN, *SUPPRESSING)


@dataclass(frozen=True)
class Preview:
    """A list before it goes out; ids and reasons only.

    parts: as `weigh_parts` has them.
    by_grade_and_stage: lifecycle_stage, grade, customer_count.
    examples: customer_id, grade, lifecycle_stage, reason, reason_zh; in the list's order.
    overlaps: list, both_count, of_this_rate, of_other_rate; largest first, none without anybody.
    """

    asked: int
    matched: int
    suppressed: int
    parts: pl.DataFrame
    by_grade_and_stage: pl.DataFrame
    examples: pl.DataFrame
    overlaps: pl.DataFrame


def preview_list(
    segment: Segment,
    conditions: Mapping[str, Condition],
    prepared: pl.DataFrame,
    withdrawn: Collection[str] = (),
) -> Preview:
    """Look at one list among all, before consent, caps and holdout.

    Args:
        segment: the list.
        conditions: of all lists.
        prepared: the audience prepared for them, with the columns of `columns_read`.
        withdrawn: ids of who said no to the list's channel and purpose, as far as is known: the
            audience does not tell.
    """
    condition = conditions[segment.name]
    members = find_members(conditions, prepared)
    is_in = members[segment.name]
    matched = prepared.filter(is_in)
    said_no = pl.col("customer_id").is_in(withdrawn)
    allowed = matched.filter(~is_suppressed(segment, condition) & ~said_no)
    ordered = sort_best_first(allowed, segment)
    keys = ["lifecycle_stage", "grade"]
    return Preview(
        asked=prepared.height,
        matched=matched.height,
        suppressed=matched.height - allowed.height,
        parts=weigh_parts(condition.tree, prepared),
        by_grade_and_stage=matched.group_by(keys).len("customer_count").sort(keys),
        examples=ordered.head(EXAMPLES).select(*SHOWN, *write_reasons(segment, prepared.schema)),
        overlaps=overlap(members, segment.name),
    )


def columns_read(segment: Segment) -> set[str]:
    """What a preview reads of the audience beside what conditions read."""
    return named_columns(segment) | set(ALWAYS_READ)


def find_members(conditions: Mapping[str, Condition], prepared: pl.DataFrame) -> pl.DataFrame:
    """Who is in each list: customer_id, and a column of true or false for each list."""
    whole = prepared.with_columns(
        condition.expression.fill_null(value=False).alias(f"in {name}")
        for name, condition in conditions.items()
    )
    return whole.select("customer_id", *(pl.col(f"in {name}").alias(name) for name in conditions))


def overlap(members: pl.DataFrame, name: str) -> pl.DataFrame:
    """How many of one list are in each other one."""
    here = members[name]
    rows = [
        (other, int((here & members[other]).sum()), int(here.sum()), int(members[other].sum()))
        for other in members.columns
        if other not in (name, "customer_id")
    ]
    frame = pl.DataFrame(
        rows,
        {"list": pl.String, "both_count": pl.Int64, "this": pl.Int64, "other": pl.Int64},
        orient="row",
    )
    return (
        frame.filter(pl.col("both_count") > 0)
        .sort("both_count", "list", descending=[True, False])
        .select(
            "list",
            "both_count",
            of_this_rate=(pl.col("both_count") / pl.col("this")).round(4),
            of_other_rate=(pl.col("both_count") / pl.col("other")).round(4),
        )
    )
