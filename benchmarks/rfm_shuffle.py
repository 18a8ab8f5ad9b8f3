"""RFM scores of a million customers, whose rows come in another order each time.

    .venv/bin/python benchmarks/rfm_shuffle.py [CUSTOMERS] [SHUFFLES]

Runs the SQL of the mart `customer_rfm` as it is, on customers of whom 62 % bought once, over
shuffled rows and with another number of threads each time. Tells how many customers have another
score than the first time (there must be none), and how many would have with `ntile`.
"""

import argparse
import time
from pathlib import Path

import duckdb
import jinja2

DBT = Path(__file__).resolve().parents[1] / "dbt_project"
CUSTOMERS = """
    create table customer_360 as
    select
        i as customer_id, date '2026-06-30' as as_of, 'person' as kind, orders as order_count,
        (hash(i, 1) % 900)::bigint as days_since_last_order, orders as order_count_365d,
        (orders * (hash(i, 2) % 50000) / 100)::decimal(18, 4) as net_margin_365d_amount
    from (
        select
            i, case when hash(i) % 100 < 62 then 1 else 2 + (hash(i, 3) % 12)::bigint end as orders
        from range(?) as customers (i)
    )
"""
GROUPS = """
    create table stg_rules__rfm_groups as
    select
        1 as priority, r as recency_score, f as fm_score, false as single_order_only,
        'any' as rfm_group, 'Any' as label, '任意' as label_zh
    from range(1, 6) as recencies (r), range(1, 6) as means (f)
"""
NTILE = """
    select
        customer_id, ntile(5) over (order by days_since_last_order desc) as recency_score,
        ntile(5) over (order by order_count_365d) as frequency_score,
        ntile(5) over (order by net_margin_365d_amount) as monetary_score
    from customer_360
"""
SCORES = "customer_id, recency_score, frequency_score, monetary_score"


def read_model() -> str:
    """The SQL of the mart, with its own macro."""
    macro = (DBT / "macros" / "mid_rank_percentile.sql").read_text(encoding="utf-8")
    model = (DBT / "models" / "marts" / "tiers" / "customer_rfm.sql").read_text(encoding="utf-8")
    template = jinja2.Environment(autoescape=False).from_string(macro + model)  # noqa: S701 - SQL, no page
    return template.render(ref=lambda name: name)


def score(connection: duckdb.DuckDBPyConnection, name: str, query: str) -> float:
    """Keep the scores of a query as a table; returns the seconds it took."""
    began = time.perf_counter()
    connection.execute(f"create or replace table {name} as select {SCORES} from ({query})")
    return time.perf_counter() - began


def count_changes(connection: duckdb.DuckDBPyConnection, one: str, other: str) -> int:
    """Customers whose scores differ between two tables."""
    query = f"select count(*) from (from {one} except from {other})"
    return int(connection.execute(query).fetchall()[0][0])


def main() -> None:
    """Score the customers over and over."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    arguments.add_argument("customers", nargs="?", type=int, default=1_000_000)
    arguments.add_argument("shuffles", nargs="?", type=int, default=3)
    given = arguments.parse_args()
    model = read_model()
    with duckdb.connect() as connection:
        connection.execute(CUSTOMERS, [given.customers])
        connection.execute(GROUPS)
        seconds = score(connection, "first", model)
        score(connection, "ntile_first", NTILE)
        print(f"{given.customers:,} customers scored in {seconds:.1f} s")
        for number in range(1, given.shuffles + 1):
            connection.execute(f"set threads = {number}")
            shuffled = f"from customer_360 order by hash(customer_id, {number})"
            connection.execute(f"create or replace table customer_360 as {shuffled}")
            seconds = score(connection, "again", model)
            score(connection, "ntile_again", NTILE)
            changed = count_changes(connection, "first", "again")
            ntile = count_changes(connection, "ntile_first", "ntile_again")
            print(
                f"shuffle {number}, {number} threads: {changed:,} changed in {seconds:.1f} s; "
                f"with ntile {ntile:,}"
            )
            assert changed == 0, "a score depends on the order of rows"


if __name__ == "__main__":
    main()
