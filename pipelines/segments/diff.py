"""What differs between two nights of lists, or between two versions of their rules."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from pipelines.rules.segments import Segment

SCHEMA = {
    "list": pl.String, "before_count": pl.Int64, "after_count": pl.Int64,
    "entered_count": pl.Int64, "left_count": pl.Int64,
}  # fmt: skip


@dataclass(frozen=True)
class Change:
    """A rule that is not what it was; a list that is new or gone is a change of its `list`."""

    name: str
    key: str
    before: str | None
    after: str | None


def diff_rules(before: Sequence[Segment], after: Sequence[Segment]) -> list[Change]:
    """What was changed in the rules of each list, in their order; gone lists last."""
    old = {segment.name: segment for segment in before}
    new = {segment.name: segment for segment in after}
    changes = []
    for name, segment in new.items():
        if name not in old:
            changes.append(Change(name, "list", None, segment.where))
            continue
        were, are = old[name].model_dump(), segment.model_dump()
        changes.extend(
            Change(name, key, _text(were.get(key)), _text(are.get(key)))
            for key in are
            if were.get(key) != are.get(key)
        )
    gone = [Change(name, "list", old[name].where, None) for name in old if name not in new]
    return changes + gone


def diff_members(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    """Who came and went, list by list.

    Args:
        before: customer_id and a column of true or false for each list.
        after: the same later, or by other rules.

    Returns:
        list, before_count, after_count, entered_count, left_count; in the order of `after`, lists
        that are gone last.
    """
    rows = []
    for name in _lists(before, after):
        were, are = member_ids(before, name), member_ids(after, name)
        entered, left = are - were, were - are
        rows.append((name, len(were), len(are), len(entered), len(left)))
    return pl.DataFrame(rows, SCHEMA, orient="row")


def moved(before: pl.DataFrame, after: pl.DataFrame, name: str) -> tuple[list[str], list[str]]:
    """Who entered a list, and who left it; ids in order."""
    were, are = member_ids(before, name), member_ids(after, name)
    return sorted(are - were), sorted(were - are)


def member_ids(members: pl.DataFrame, name: str) -> set[str]:
    """Who is in a list; nobody in one that there was not."""
    if name not in members.columns:
        return set()
    return set(members.filter(pl.col(name))["customer_id"])


def _lists(before: pl.DataFrame, after: pl.DataFrame) -> list[str]:
    names = dict.fromkeys([*after.columns, *before.columns])
    return [name for name in names if name != "customer_id"]


def _text(value: Any) -> str | None:
    if isinstance(value, tuple | list):
        return ", ".join(map(str, value))
    return None if value is None else str(value)
