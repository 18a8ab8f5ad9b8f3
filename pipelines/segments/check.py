"""What `c360 rules check` refuses of a segment."""

from collections.abc import Iterable

import polars as pl

from pipelines.errors import C360Error
from pipelines.rules.segments import Segment
from pipelines.segments.condition import match_condition, read_condition, refuse_unknown
from pipelines.segments.reasons import PLACEHOLDER, named_columns


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
    refuse_unknown(where, named_columns(segment), known)
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
        match_condition(pl.DataFrame(schema=audience), segment, condition)
