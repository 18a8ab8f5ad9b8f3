"""The list as people open it: an XLSX of text cells.

Every cell is text: a formula in a name is not run, a link is not followed, and a phone number or an
id of nineteen digits keeps its digits.
"""

import io
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import polars as pl
import xlsxwriter

from pipelines.segments.reasons import guard_formulas

SHEET_ROWS = 1_048_575  # of a worksheet, without the header
LONGEST_CELL = 32_767
NARROWEST, WIDEST, WIDE_LETTER = 8, 60, "\u2e80"  # from there on letters are two columns wide
OPTIONS = {
    "in_memory": True,  # names and addresses in no temporary file
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}


def write_workbook(
    rows: pl.DataFrame, title: str, labels: Mapping[str, tuple[str, str]], as_of: date
) -> bytes:
    """An XLSX of the rows, with a frozen header in English and Chinese; equal rows, equal bytes.

    Args:
        rows: rows of a list.
        title: the sheet's name.
        labels: by column, its label in English and Chinese; a column without one shows its name.
        as_of: the run date, which the file says it was made on.
    """
    content = io.BytesIO()
    book = xlsxwriter.Workbook(content, OPTIONS)
    book.set_properties({"title": title, "created": datetime(as_of.year, as_of.month, as_of.day)})  # noqa: DTZ001 - the format knows no zone
    header = book.add_format({"bold": True, "text_wrap": True, "valign": "top"})
    text = book.add_format({"num_format": "@"})
    headers = ["\n".join(dict.fromkeys(labels.get(name, (name,)))) for name in rows.columns]
    cells = [[_shown(value) for value in row] for row in guard_formulas(rows).iter_rows()]
    for start in range(0, max(len(cells), 1), SHEET_ROWS):
        number = start // SHEET_ROWS
        sheet = book.add_worksheet(_sheet_name(title, number))
        sheet.freeze_panes(1, 0)
        for place, told in enumerate(headers):
            sheet.write_string(0, place, told, header)
            sheet.set_column(place, place, _width(told, cells, place), text)
        for line, row in enumerate(cells[start : start + SHEET_ROWS], start=1):
            for place, cell in enumerate(row):
                if cell:
                    sheet.write_string(line, place, cell, text)
    book.close()
    return content.getvalue()


def _shown(value: Any) -> str:
    if isinstance(value, list):
        value = "; ".join(str(part) for part in value)
    return "" if value is None else str(value)[:LONGEST_CELL]


def _sheet_name(title: str, number: int) -> str:
    """At most 31 letters, none of those that a sheet's name may not have."""
    plain = "".join(" " if letter in "[]:*?/\\'" else letter for letter in title).strip()
    ending = f" {number + 1}" if number else ""
    return f"{plain[: 31 - len(ending)] or 'list'}{ending}"


def _width(header: str, cells: list[list[str]], place: int) -> int:
    """Wide enough for the header and the first thousand cells, within reason."""
    texts = [*header.split("\n"), *(row[place] for row in cells[:1000])]
    widest = max(sum(2 if letter >= WIDE_LETTER else 1 for letter in text) for text in texts)
    return min(max(widest + 2, NARROWEST), WIDEST)
