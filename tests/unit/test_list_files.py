"""Forty payloads in every text of a list, in every file of it that people open."""

import itertools
from datetime import date

import openpyxl
import polars as pl
import pytest

from pipelines.list_files import Files, write_list
from pipelines.rules import find_rules, load_rules
from tests.unit.segments.list_people import AUDIENCE, segment

LEADS = ["=", "+", "-", "@", "\t=", "\r=", " =", "\ufeff=", "＝", "|"]
BODIES = ["1+1", "cmd|' /C calc'!A0", 'HYPERLINK("http://x","y")', "IMPORTDATA(A1)"]
PAYLOADS = [lead + body for lead, body in itertools.product(LEADS, BODIES)]
PHONE = "+8613800138001"
ALWAYS = ("customer_id", "full_name", "contact", "channel", "reason", "reason_zh")
SHOWN = tuple(name for name, dtype in AUDIENCE.items() if dtype == pl.String and name not in ALWAYS)
FOR_PEOPLE = ("mailchimp_import", "hubspot_import", "zoho_import")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The files of a list whose every text is a payload; each person has a phone as well."""
    texts = dict.fromkeys((*ALWAYS, *SHOWN), PAYLOADS)
    rows = pl.DataFrame(texts | {"phone": [PHONE] * 40, "email": ["a@example.com"] * 40})
    written = tmp_path_factory.mktemp("lists")
    platforms = dict.fromkeys(FOR_PEOPLE, "seg_1")
    nobody = pl.DataFrame(schema={"customer_id": pl.String, "is_ads_matching_granted": pl.Boolean})
    labels = load_rules(find_rules(None)).list_columns
    write_list(rows, segment(columns=SHOWN, platforms=platforms),
               Files(written, labels, nobody, "CN", date(2026, 6, 30)))  # fmt: skip
    return written


def test_there_are_forty_payloads_and_many_columns_of_text():
    assert len(set(PAYLOADS)) == 40
    assert len(SHOWN) > 20


def test_no_cell_of_the_csv_is_a_formula_and_the_phone_is_as_it_was(folder):
    rows = pl.read_csv(folder / "a_list.csv", infer_schema=False)
    assert rows.height == 40
    for name in (*ALWAYS, *SHOWN):
        assert rows[name].to_list() == ["'" + payload for payload in PAYLOADS]
    assert set(rows["phone"]) == {PHONE}


def test_no_cell_of_the_workbook_is_a_formula_and_the_phone_is_as_it_was(folder):
    sheet = openpyxl.load_workbook(folder / "a_list.xlsx").active
    header, *cells = sheet.iter_rows()
    told = [cell for row in cells for cell in row if cell.value is not None]
    assert {cell.data_type for cell in (*header, *told)} == {"s"}
    assert len(told) == 40 * (len(ALWAYS) + len(SHOWN) + 2)
    others = {cell.value for cell in told if not cell.value.startswith("'")}
    assert others == {PHONE, "a@example.com"}


@pytest.mark.parametrize("platform", FOR_PEOPLE)
def test_no_cell_of_a_mailing_tools_file_is_a_formula(folder, platform):
    rows = pl.read_csv(folder / "platforms" / f"seg_1_{platform}.csv", infer_schema=False)
    assert rows.height == 40
    texts = {text for column in rows for text in column.drop_nulls()}
    assert {text for text in texts if not text.startswith("'")} <= {PHONE, "a@example.com"}
    assert len(texts) > 40
