"""Small audiences, lists and contacts, of which a test names only what it is about."""

from datetime import date
from pathlib import Path

import polars as pl

from pipelines.catalogue import load_catalogue
from pipelines.rules.segments import Holdout, Segment, Segments

PROJECT = Path(__file__).resolve().parents[3]
DESCRIBED = load_catalogue(PROJECT)["models", "audience"]
AUDIENCE = DESCRIBED.schema
COLUMNS = {column.name: column for column in DESCRIBED.columns}
NO_HOLDOUT = Holdout(global_rate=0, list_rate=0)


def segment(where="order_count > 0", **changes):
    plain = {
        "name": "a_list", "label": "A list", "label_zh": "名单", "owner": "CRM",
        "purpose": "marketing", "channel": "email", "where": where,
        "order_by": "order_count desc", "reason": "{order_count} orders",
        "reason_zh": "{order_count}单", "columns": ("city",),
    }  # fmt: skip
    return Segment(**(plain | changes))


def rules(*segments, holdout=NO_HOLDOUT, **changes):
    """Lists that hold nobody out, if a test does not say so."""
    return Segments(segments=segments, holdout=holdout, **changes)


def audience(*people):
    """The audience mart; whatever a test does not say is nothing out of the ordinary."""
    plain = {
        "as_of": date(2026, 6, 30), "kind": "person", "is_guest": False, "grade": "C",
        "lifecycle_stage": "repeat", "is_profiling_refused": False, "has_open_complaint": False,
        "is_email_bounced": False, "is_email_complained": False, "order_count": 1,
        "base_currency": "GBP", "is_second_tier_potential": False,
    }  # fmt: skip
    rows = [plain | {"customer_id": f"c{n}"} | person for n, person in enumerate(people)]
    return pl.DataFrame([{name: row.get(name) for name in AUDIENCE} for row in rows], AUDIENCE)


def asked(*rows):
    """customer_id, channel, purpose."""
    names = ["customer_id", "channel", "purpose"]
    return pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")
