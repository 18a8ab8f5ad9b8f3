"""The people's XLSX, opened again; and forty payloads that no spreadsheet may run."""

import io
import itertools
import zipfile
from datetime import date

import openpyxl
import polars as pl
import pytest

from pipelines.platforms.workbook import write_workbook
from pipelines.rules import find_rules, load_rules
from pipelines.segments.reasons import guard_formulas

BOOK = load_rules(find_rules(None))
AS_OF = date(2026, 6, 30)
LABELS = {"full_name": ("Name", "姓名"), "contact": ("Contact", "联系方式")}
LEADS = ["=", "+", "-", "@", "＝", "＋", "－", "＠", "|", "%"]
BODIES = [
    "cmd|' /C calc'!A0",
    'HYPERLINK("http://example.com","click")',
    "1+1",
    "IMPORTXML(CONCAT(\"http://example.com/\",A1),\"//a\")",
]  # fmt: skip
HIDDEN = [" ", "\t", "\n", "\ufeff", "\u200b"]
PAYLOADS = [lead + body for lead, body in itertools.product(LEADS, BODIES)]


def opened(rows: pl.DataFrame):
    content = write_workbook(rows, "win_back", LABELS, AS_OF)
    return openpyxl.load_workbook(io.BytesIO(content))["win_back"]


def test_there_are_forty_payloads():
    assert len(PAYLOADS) == 40


@pytest.mark.parametrize("hidden", ["", *HIDDEN])
def test_no_payload_is_a_formula_and_none_is_unguarded(hidden):
    texts = [hidden + payload for payload in PAYLOADS]
    sheet = opened(pl.DataFrame({"full_name": texts, "reason": texts}))
    cells = [cell for row in sheet.iter_rows(min_row=2) for cell in row]
    assert len(cells) == 80
    assert {cell.data_type for cell in cells} == {"s"}
    assert all(cell.value.startswith("'") for cell in cells)
    assert not any(cell.hyperlink for cell in cells)
    written = guard_formulas(pl.DataFrame({"full_name": texts})).write_csv()
    read = pl.read_csv(io.StringIO(written))["full_name"].to_list()
    assert all(text.startswith("'") for text in read)


def test_phones_long_ids_and_links_stay_as_they_are():
    texts = ["+8613800138000", "4876876000000000001", "http://example.com", "007", "1e5"]
    sheet = opened(pl.DataFrame({"contact": texts}))
    cells = [row[0] for row in sheet.iter_rows(min_row=2)]
    assert [cell.value for cell in cells] == texts
    assert {(cell.data_type, cell.number_format) for cell in cells} == {("s", "@")}


def test_numbers_and_dates_are_text_too_and_nulls_are_empty():
    rows = pl.DataFrame({"n": [1.5, None], "d": [AS_OF, None], "tags": [["a", "b"], None]})
    sheet = opened(rows)
    assert [cell.value for cell in sheet[2]] == ["1.5", "2026-06-30", "a; b"]
    assert [cell.value for cell in sheet[3]] == [None, None, None]


def test_the_header_is_in_both_languages_and_does_not_scroll_away():
    sheet = opened(pl.DataFrame({"full_name": ["王芳"], "contact": ["a@b.cn"], "grade": ["A"]}))
    assert [cell.value for cell in sheet[1]] == ["Name\n姓名", "Contact\n联系方式", "grade"]
    assert sheet.freeze_panes == "A2"


def test_every_column_of_the_packaged_lists_has_a_label_in_both_languages():
    always = {"customer_id", "full_name", "contact", "channel", "reason", "reason_zh"}
    shown = always.union(*(segment.columns for segment in BOOK.segments.segments))
    assert shown - BOOK.list_columns.labels.keys() == set()


def test_columns_are_as_wide_as_their_texts_within_reason():
    sheet = opened(pl.DataFrame({"a": ["x"], "b": ["字" * 20], "c": ["x" * 500]}))
    widths = [round(sheet.column_dimensions[letter].width) for letter in "ABC"]
    assert widths == [8 + 1, 43, 61]


def test_equal_rows_are_equal_bytes_and_nothing_tells_the_clock():
    rows = pl.DataFrame({"full_name": ["王芳"]})
    first = write_workbook(rows, "win_back", LABELS, AS_OF)
    assert write_workbook(rows, "win_back", LABELS, AS_OF) == first
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        assert {entry.date_time[0] for entry in archive.infolist()} == {1980}
        assert b"2026-06-30T00:00:00Z" in archive.read("docProps/core.xml")


def test_an_empty_list_is_a_header_alone():
    assert opened(pl.DataFrame({"full_name": []}, schema={"full_name": pl.String})).max_row == 1


def test_a_title_that_no_sheet_may_have_is_mended():
    content = write_workbook(pl.DataFrame({"a": ["x"]}), "a/b:c" + "d" * 40, {}, AS_OF)
    assert openpyxl.load_workbook(io.BytesIO(content)).sheetnames == ["a b c" + "d" * 26]
