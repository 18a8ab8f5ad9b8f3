from datetime import date

import polars as pl

from pipelines.aliases import find_forgotten, newest_aliases

SCHEMA = {
    "alias_id": pl.String, "customer_id": pl.String, "changed_on": pl.Date, "event": pl.String,
}  # fmt: skip


def test_an_id_stands_for_what_its_newest_row_says_and_of_one_day_the_last():
    aliases = pl.DataFrame(
        [
            ("b", "c", date(2026, 6, 2), "merged"),
            ("b", "a", date(2026, 6, 1), "merged"),
            ("d", "a", date(2026, 6, 1), "merged"),
            ("d", "d", date(2026, 6, 1), "split"),
            ("e", None, date(2026, 6, 3), "erased"),
        ],
        SCHEMA,
        orient="row",
    )
    told = newest_aliases(aliases).select("alias_id", "customer_id", "event")
    assert told.rows() == [("b", "c", "merged"), ("d", "d", "split"), ("e", None, "erased")]


def test_of_who_asked_to_be_forgotten_no_id_is_remembered_that_stands_for_them_now():
    told = pl.DataFrame(
        [
            ("b", "a", date(2026, 1, 1), "merged"),
            ("b", "b", date(2026, 2, 1), "restored"),
            ("c", "a", date(2026, 1, 1), "merged"),
            ("e", None, date(2026, 1, 1), "erased"),
        ],
        SCHEMA,
        orient="row",
    )
    asked = pl.DataFrame({"customer_id": ["a"]})
    assert find_forgotten(asked, told)["customer_id"].to_list() == ["a", "c", "e"]
