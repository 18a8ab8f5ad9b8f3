"""What `c360 rules check` refuses of a segment."""

from collections.abc import Iterable, Sequence

import polars as pl

from pipelines.errors import C360Error
from pipelines.rules.segments import Segment
from pipelines.segments.condition import Condition, read_conditions, refuse_unknown
from pipelines.segments.reasons import PLACEHOLDER, named_columns


def check_segments(segments: Sequence[Segment], audience: pl.Schema) -> dict[str, Condition]:
    """Refuse lists whose condition, order, columns or reasons name what is not there.

    Returns:
        The conditions of the lists, each after those that it names.

    Raises:
        C360Error: with the segment and the name.
    """
    conditions = read_conditions(segments, audience)
    for segment in segments:
        check_columns(segment, audience)
    return conditions


def check_columns(segment: Segment, audience: Iterable[str]) -> None:
    """Refuse an order, columns or reasons that name what is not there.

    Raises:
        C360Error: with the segment and the name.
    """
    where = f"Segment {segment.name}"
    refuse_unknown(where, named_columns(segment), audience)
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
