"""The state of orders kept from night to night: an update against a rebuild and against a scan.

    .venv/bin/python benchmarks/order_state.py [CUSTOMERS] [TOUCHED]

Makes nine order days for each customer over three years, as orders and as the log of customer days
sorted by customer. Each step is a process of its own, whose processor seconds and peak memory
are told: a bare scan of the orders (sum by day), a rebuild of the state, and the update of a night
in which TOUCHED customers ordered, of whom one in twenty had an older day corrected. Then the
updated state is compared with a rebuild, on a sixteenth of the customers.
"""

import argparse
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import duckdb
import polars as pl
from polars.testing import assert_frame_equal

from pipelines.scoring.order_state import count_recent_days, rebuild_state, update_state

NIGHT = date(2026, 7, 1)
DAYS_EACH = 9
PARTS = "0123456789abcdef"  # by a letter of the id, so that a rebuild fits into memory


def make_files(root: Path, customers: int, touched: int) -> None:
    """Write the orders, the log in months, and what tonight tells."""
    engine = duckdb.connect(str(root / "made.duckdb"))
    engine.sql("set memory_limit = '6GB'; set preserve_insertion_order = false")
    engine.sql(f"""
        create table orders as
        select 'c' || md5(c::varchar)[:15] as customer_id,
            date '2023-07-01' + (hash(c * 31 + n) % 1096)::integer as ordered_on,
            ((hash(c * 7 + n) % 10000) / 100)::decimal(18, 4) as margin_amount
        from range({customers}) cs(c), range({DAYS_EACH}) ns(n)""")
    (root / "log").mkdir()
    (root / "orders").mkdir()
    for part in PARTS:
        engine.sql(f"""
            copy (select 'o' || hash(customer_id, ordered_on)::varchar as order_source_id, *
                from orders where customer_id[-1] = '{part}')
            to '{root}/orders/{part}.parquet' (format parquet, compression zstd)""")
        engine.sql(f"""
            copy (select customer_id, ordered_on, count(*) as order_count,
                    sum(margin_amount)::decimal(18, 4) as margin_amount,
                    date '2026-06-30' as written_on
                from orders where customer_id[2] = '{part}'
                group by all order by customer_id, ordered_on)
            to '{root}/log/{part}.parquet' (format parquet, compression zstd)""")
    step = max(customers // touched, 1)
    engine.sql(f"""
        copy (
            select 'c' || md5(c::varchar)[:15] as customer_id, date '{NIGHT}' as ordered_on,
                1::bigint as order_count, 25::decimal(18, 4) as margin_amount,
                date '{NIGHT}' as written_on
            from range(0, {customers}, {step}) cs(c)
            union all
            select 'c' || md5(c::varchar)[:15],
                (date '2023-07-01' + (hash(c * 31) % 1096)::integer)::date,
                case when c % 2 = 0 then 0 else 1 end, 1::decimal(18, 4), date '{NIGHT}'
            from range(0, {customers}, {step * 20}) cs(c)
            order by customer_id, ordered_on)
        to '{root}/changes.parquet' (format parquet, compression zstd)""")
    engine.close()
    (root / "made.duckdb").unlink()


def read_log(root: Path, *, tonight: bool) -> pl.LazyFrame:
    """Return the log, with or without tonight's part."""
    log = pl.scan_parquet(root / "log" / "*.parquet")
    changes = pl.scan_parquet(root / "changes.parquet").select(log.collect_schema().names())
    return pl.concat([log, changes]) if tonight else log


def rebuild(root: Path, *, tonight: bool, parts: str = PARTS) -> pl.LazyFrame:
    """Rebuild part by part; a part is a range of ids, so the parts are in order."""
    log = read_log(root, tonight=tonight)
    return pl.concat(
        [
            rebuild_state(log.filter(pl.col("customer_id").str.starts_with("c" + part)))
            .collect(engine="streaming")
            .lazy()
            for part in parts
        ]
    )


def run_step(step: str, root: Path) -> None:
    """Do one step and tell its cost."""
    start = time.perf_counter()
    if step == "scan":
        orders = pl.scan_parquet(root / "orders" / "*.parquet")
        orders.group_by("ordered_on").agg(pl.col("margin_amount").sum()).collect(engine="streaming")
    elif step == "rebuild":
        rebuild(root, tonight=False).sink_parquet(root / "state.parquet", compression="lz4")
    elif step == "update":
        changes = pl.read_parquet(root / "changes.parquet")
        state = update_state(
            pl.scan_parquet(root / "state.parquet"), read_log(root, tonight=True), changes
        )
        state.sink_parquet(root / "updated.parquet", compression="lz4")
    elif step == "recent":
        count_recent_days(read_log(root, tonight=True), 90, NIGHT).collect(engine="streaming")
    elif step == "check":
        of_part = pl.col("customer_id").str.starts_with("c" + PARTS[0])
        updated = pl.scan_parquet(root / "updated.parquet").filter(of_part).collect()
        assert_frame_equal(updated, rebuild(root, tonight=True, parts=PARTS[0]).collect())
    usage = resource.getrusage(resource.RUSAGE_SELF)
    cpu, memory = usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 2**20
    wall = time.perf_counter() - start
    print(f"{step:8s} {cpu:8.1f} CPU s {wall:8.1f} s {memory:6.2f} GiB", flush=True)


def main() -> None:
    """Make the files, then run each step in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("customers", type=int, nargs="?", default=10_000_000)
    parser.add_argument("touched", type=int, nargs="?", default=85_000)
    parser.add_argument("--step")
    parser.add_argument("--root", type=Path)
    chosen = parser.parse_args()
    if chosen.step:
        run_step(chosen.step, chosen.root)
        return
    root = Path(tempfile.mkdtemp(prefix="order_state_", dir=chosen.root))
    try:
        make_files(root, chosen.customers, chosen.touched)
        size = sum(path.stat().st_size for path in (root / "log").iterdir()) / 2**30
        print(f"{chosen.customers:,} customers, {chosen.touched:,} touched, log {size:.2f} GiB")
        costs: dict[str, float] = {}
        for step in ("scan", "rebuild", "update", "recent", "check"):
            command = [sys.executable, __file__, "--step", step, "--root", str(root)]
            told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            print(told, end="", flush=True)
            costs[step] = float(told.split()[1])
        for step in ("update", "rebuild"):
            print(f"{step} = {costs[step] / costs['scan']:.1f} x scan of the orders")
        print(f"rebuild = {costs['rebuild'] / costs['update']:.1f} x update")
    finally:
        shutil.rmtree(root)


if __name__ == "__main__":
    main()
