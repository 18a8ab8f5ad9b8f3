"""What a list may name beside its condition."""

from collections.abc import Iterable

from pipelines.errors import C360Error
from pipelines.rules.segments import Segment
from pipelines.segments.condition import refuse_unknown
from pipelines.segments.reasons import PLACEHOLDER, named_columns


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
