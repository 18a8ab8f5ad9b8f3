"""What a list may name beside its condition."""

import polars as pl

from pipelines.errors import C360Error
from pipelines.rules.segments import Segment
from pipelines.segments.condition import refuse_unknown
from pipelines.segments.reasons import PLACEHOLDER, is_count, named_columns

FORMS = "{column}, {column orders} for a number of orders, {column|words} for where none is known"


def check_columns(segment: Segment, audience: pl.Schema) -> None:
    """Refuse an order, columns or reasons that name what is not there, or count what is no number.

    Raises:
        C360Error: with the segment and the name.
    """
    where = f"Segment {segment.name}"
    refuse_unknown(where, named_columns(segment), audience)
    for reason in (segment.reason, segment.reason_zh):
        if set("{}") & set(PLACEHOLDER.sub("", reason)):
            raise C360Error(
                f"{where}: {reason!r} has a brace that belongs to no {{column}}.",
                f"Write {FORMS}.",
            )
        for name, things, _ in PLACEHOLDER.findall(reason):
            if things and not is_count(name, audience[name]):
                raise C360Error(
                    f"{where}: {{{name} {things}}} counts {things}, but {name} is no count.",
                    f"Write {FORMS}.",
                )
    twice = [name for name in segment.columns if segment.columns.count(name) > 1]
    if twice or "customer_id" in segment.columns:
        raise C360Error(
            f"{where}: {(*twice, 'customer_id')[0]} stands in the list twice.",
            "Every list begins with customer_id; name each other column once under `columns`.",
        )
