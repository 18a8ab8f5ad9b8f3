from datetime import date

import polars as pl

from pipelines.aliases import newest_aliases


def test_an_id_stands_for_what_its_newest_row_says_and_of_one_day_the_last():
    aliases = pl.DataFrame(
        [
            ("b", "c", date(2026, 6, 2), "merged"),
            ("b", "a", date(2026, 6, 1), "merged"),
            ("d", "a", date(2026, 6, 1), "merged"),
            ("d", "d", date(2026, 6, 1), "split"),
            ("e", None, date(2026, 6, 3), "erased"),
        ],
        schema=["alias_id", "customer_id", "changed_on", "event"],
        orient="row",
    )
    told = newest_aliases(aliases).select("alias_id", "customer_id", "event")
    assert told.rows() == [("b", "c", "merged"), ("d", "d", "split"), ("e", None, "erased")]
