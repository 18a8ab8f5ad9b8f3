"""Files of a list for platforms: their names, rows, columns and sizes; and nothing a sheet runs."""

import csv
import io
from dataclasses import replace
from datetime import date
from decimal import Decimal

import polars as pl
import pytest

from pipelines.errors import C360Error
from pipelines.platforms.aliases import check_alias
from pipelines.platforms.files import PLATFORMS, platform_files, read_people, write_sheet
from pipelines.platforms.hashing import hash_text

ROWS = pl.DataFrame(
    {
        "customer_id": ["id-3", "id-1", "id-2"],
        "full_name": ["王芳", "José Núñez", "=cmd|' /C calc'!A0"],
        "first_name": ["芳", "José", "=cmd|' /C calc'!A0"],
        "contact": ["c@example.com", "a@example.com", "b@example.com"],
        "channel": ["email"] * 3,
        "reason": ["因为" * 100, "why", "why"],
        "grade": ["A", "B", None],
        "clv_365d_amount": [Decimal("12.5000"), None, Decimal("1.0000")],
        "last_ordered_on": [date(2026, 6, 30), None, None],
    }
)
CUSTOMERS = ROWS.select("customer_id", is_ads_matching_granted=pl.lit(value=True))


def read(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


def test_an_advertising_file_tells_its_alias_and_digests_only():
    files = platform_files(ROWS, "meta", "seg_017", CUSTOMERS)
    [(name, content)] = files.items()
    assert name == "seg_017_meta.csv"
    assert list(read(content)[0]) == [
        "email", "phone", "fn", "ln", "ct", "st", "zip", "country", "gen"
    ]  # fmt: skip
    assert {row["email"] for row in read(content)} == {
        hash_text(f"{letter}@example.com", "sha256") for letter in "abc"
    }
    for secret in ("id-1", "José", "example", "why", "12.5"):
        assert secret.encode() not in content


@pytest.mark.parametrize("said", [False, None])
def test_an_advertising_platform_is_told_of_nobody_who_did_not_grant_it(said):
    customers = CUSTOMERS.with_columns(
        is_ads_matching_granted=pl.Series([True, said, said], dtype=pl.Boolean)
    )
    [content] = platform_files(ROWS, "meta", "seg_1", customers).values()
    assert [row["email"] for row in read(content)] == [hash_text("c@example.com", "sha256")]
    [nobody] = platform_files(ROWS, "meta", "seg_1", CUSTOMERS.clear()).values()
    assert read(nobody) == []
    # A mailing tool works for the company; that is no handing over.
    [own] = platform_files(ROWS, "mailchimp_import", "seg_1", CUSTOMERS.clear()).values()
    assert len(read(own)) == 3


def test_the_order_of_the_list_is_not_told_and_does_not_matter():
    for platform in ("meta", "google_customer_match", "mailchimp_import"):
        once = platform_files(ROWS, platform, "seg_1", CUSTOMERS)
        assert platform_files(ROWS.reverse(), platform, "seg_1", CUSTOMERS) == once
        assert platform_files(pl.concat([ROWS, ROWS]), platform, "seg_1", CUSTOMERS) == once


def test_a_list_of_another_channel_has_no_rows_for_a_platform_of_addresses():
    wechat = ROWS.with_columns(channel=pl.lit("wechat"))
    [content] = platform_files(wechat, "meta", "seg_1", CUSTOMERS).values()
    assert read(content) == []
    assert content.splitlines()[0].startswith(b"email,phone,fn")
    assert read_people(ROWS)["phone"].null_count() == ROWS.height


def test_a_mailing_tool_is_given_the_columns_of_the_list_in_its_own_spelling():
    [content] = platform_files(ROWS, "mailchimp_import", "Win back", CUSTOMERS).values()
    by_email = {row["Email Address"]: row for row in read(content)}
    row = by_email["c@example.com"]
    assert (row["First Name"], row["grade"], row["last_ordered_on"]) == ("芳", "A", "2026-06-30")
    assert row["clv_365d_amount"] == "12.5000"
    assert len(row["reason"].encode()) <= 255
    assert set(row["reason"]) == set("因为")  # cut between letters
    assert "full_name" not in row
    assert by_email["b@example.com"]["First Name"].startswith("'=cmd")


def test_more_rows_than_a_file_may_have_go_into_further_files():
    platform = replace(PLATFORMS["zoho_import"], most_rows=2)
    parts = write_sheet([("a",), ("b",), ("c",)], ["Email"], platform)
    assert parts == [b"Email\na\nb\n", b"Email\nc\n"]


def test_a_file_without_rows_still_has_its_header():
    assert write_sheet([], ["Email"], PLATFORMS["meta"]) == [b"Email\n"]
    assert write_sheet([], ["X"], PLATFORMS["tencent"]) == [b""]


@pytest.mark.parametrize("alias", ["seg_017", "a1", "liste_000001"])
def test_a_neutral_alias_is_taken(alias):
    assert check_alias(alias, "win_back", ["Win back"]) == alias


@pytest.mark.parametrize(
    "alias", ["high income", "vip_care", "win_back", "Seg_1", "seg", "../x1", "seg_1\n", "back_1",
              "", "流失1", "win1", "a" * 20 + "1"]
)  # fmt: skip
def test_an_alias_that_tells_something_is_refused(alias):
    with pytest.raises(C360Error, match="alias"):
        check_alias(alias, "win_back", ["Win back"])
