"""How the values of a column are written on the page."""

from datetime import date
from typing import Any

from pipelines.page.figure import Kind

HIDDEN = "–"


def write_number(value: Any, kind: Kind) -> str:
    """A value as text; what is hidden or not known is a dash."""
    if value is None:
        return HIDDEN
    if isinstance(value, date):
        return value.isoformat()
    if kind in ("persons", "count"):
        return f"{value:,.0f}"
    if kind == "change":
        return f"{value:+,}" if value else "0"
    if kind == "rate":
        return f"{100 * float(value):.1f}%"
    if kind == "money":
        return f"{float(value):,.0f}" if abs(value) >= 100 else f"{float(value):,.2f}"
    if kind == "number":
        return f"{float(value):,.4g}" if abs(value) < 1000 else f"{float(value):,.0f}"
    return str(value)
