"""ECharts options from frames: one function for each kind of chart.

Options are plain JSON. Colours are names of the style sheet (`var(--c1)`), numbers are written by
the page's script, and whatever a label says is only ever text.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import polars as pl

from pipelines.page.figure import LANGUAGES, Chart, Column, Kind, Language, Option
from pipelines.page.numbers import write_number
from pipelines.page.texts import labels

ROW = 30  # pixels of a bar or a line of cells
THIN_ROW = 20  # of a bar among others of its group
UPRIGHT = 280  # of a picture whose height its rows do not decide
AROUND = 90  # pixels of axes and legend
NAMES = {"width": 120, "overflow": "break", "lineHeight": 14, "interval": 0, "hideOverlap": False}


def bars(
    rows: pl.DataFrame,
    label: str,
    values: Sequence[Column],
    *,
    stacked: bool = False,
    upright: bool = False,
) -> Chart | None:
    """Bars: one group for each row, one bar (or one part of a bar, if stacked) for each value.

    Rows of which everything is hidden have no place in the picture; None if that is all of them.
    """
    rows = rows.filter(pl.any_horizontal(pl.col(v.name).is_not_null() for v in values))
    if not rows.height:
        return None

    def option(language: Language) -> Option:
        names = [text.in_language(language) for text in labels(rows, label)]
        categories: Option = {"type": "category", "data": names}
        amounts: Option = {"type": "value"}
        if not upright:
            categories |= {"inverse": True, "axisLabel": NAMES}
        series = [
            {
                "type": "bar",
                "name": value.title.in_language(language),
                "data": _plain(rows[value.name]),
                "barMaxWidth": 26,
                **({"stack": "all"} if stacked else {}),
            }
            for value in values
        ]
        return {
            "xAxis": categories if upright else amounts,
            "yAxis": amounts if upright else categories,
            "tooltip": {"trigger": "axis", "axisPointer": {"type": "shadow"}},
            "series": series,
            **_legend(series),
        }

    each = ROW if stacked or len(values) == 1 else THIN_ROW * len(values)
    height = UPRIGHT if upright else max(140, AROUND + rows.height * each)
    return _chart(option, values[0].kind, height)


def lines(rows: pl.DataFrame, label: str, values: Sequence[Column]) -> Chart:
    """Lines over days or steps; a hidden value is a gap."""

    def option(language: Language) -> Option:
        series = [
            {
                "type": "line",
                "name": value.title.in_language(language),
                "data": _plain(rows[value.name]),
                "symbolSize": 5,
                "showSymbol": rows.height < 40,
            }
            for value in values
        ]
        names = [text.in_language(language) for text in labels(rows, label)]
        return {
            "xAxis": {"type": "category", "data": names, "boundaryGap": False},
            "yAxis": {"type": "value", "scale": True},
            "tooltip": {"trigger": "axis"},
            "series": series,
            **_legend(series),
        }

    return _chart(option, values[0].kind, UPRIGHT)


def heat_map(rows: pl.DataFrame, label: str, values: Sequence[Column]) -> Chart | None:
    """A grid of cells, the fuller the darker, on a scale on which small cells still differ.

    None if every cell is hidden.
    """
    if rows.select(pl.all_horizontal(pl.col(v.name).is_null().all() for v in values)).item():
        return None

    def option(language: Language) -> Option:
        names = [text.in_language(language) for text in labels(rows, label)]
        across = [value.title.in_language(language) for value in values]
        cells = [
            {
                "value": [x, y, _shade(number, value.kind)],
                "name": f"{names[y]} · {across[x]}",
                "text": _in_cell(number, value.kind),
            }
            for x, value in enumerate(values)
            for y, number in enumerate(rows[value.name].to_list())
        ]
        shades = [_shade(number, value.kind) for value in values for number in rows[value.name]]
        return {
            "xAxis": {
                "type": "category",
                "data": across,
                "position": "top",
                "axisLabel": NAMES | {"width": 52},
            },
            "yAxis": {
                "type": "category",
                "data": names,
                "inverse": True,
                "axisLabel": NAMES,
            },
            "visualMap": {
                "show": False,
                "dimension": 2,
                "min": 0,
                "max": max([*shades, 0.01]),
                "inRange": {"color": ["var(--heat-0)", "var(--heat-1)"]},
            },
            "tooltip": {"trigger": "item"},
            "series": [{"type": "heatmap", "data": cells, "label": {"show": True}}],
        }

    return _chart(option, values[0].kind, max(160, 50 + rows.height * 34))


def flows(rows: pl.DataFrame, start: str, end: str, persons: Column) -> Chart:
    """Streams from what customers were (left) to what they are (right)."""

    def option(language: Language) -> Option:
        left = [text.in_language(language) for text in labels(rows, start)]
        right = [text.in_language(language) for text in labels(rows, end)]
        links = [
            {"source": f"< {one}", "target": f"{other} >", "value": number}
            for one, other, number in zip(left, right, rows[persons.name].to_list(), strict=True)
            if number
        ]
        nodes = {link[side]: None for side in ("source", "target") for link in links}
        texts = {f"< {one}": one for one in left} | {f"{other} >": other for other in right}
        return {
            "tooltip": {"trigger": "item"},
            "series": [
                {
                    "type": "sankey",
                    "data": [
                        {
                            "name": name,
                            "text": texts[name],
                            "label": {"position": "right" if name.startswith("<") else "left"},
                        }
                        for name in nodes
                    ],
                    "links": links,
                    "nodeGap": 12,
                    "left": 4,
                    "right": 4,
                    "top": 8,
                    "bottom": 8,
                    "draggable": False,
                    "lineStyle": {"color": "source", "opacity": 0.35},
                }
            ],
        }

    return _chart(option, persons.kind, 340)


def _chart(option: Callable[[Language], Option], kind: Kind, height: int) -> Chart:
    return Chart({language: option(language) for language in LANGUAGES}, kind, height)


def _legend(series: Sequence[Option]) -> Option:
    if len(series) < 2:
        return {}
    return {"legend": {"type": "scroll", "top": 0, "left": 0, "itemWidth": 14, "itemHeight": 10}}


def _plain(values: pl.Series) -> list[Any]:
    """Numbers as JSON has them: an amount is exact in the table and a float in the picture."""
    return (values.cast(pl.Float64) if values.dtype.is_decimal() else values).to_list()


def _in_cell(number: float | None, kind: Kind) -> str:
    """A cell has room for a whole percentage, not for its tenths."""
    if kind == "rate" and number is not None:
        return f"{100 * number:.0f}%"
    return write_number(number, kind)


def _shade(number: float | None, kind: Kind) -> float:
    if number is None:  # drawn like an empty cell, with a dash in it
        return 0
    return round(float(number), 4) if kind == "rate" else round(math.log10(1 + max(number, 0)), 4)
