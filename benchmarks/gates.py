"""What a gate costs at ten million rows, and which frame to hand to Great Expectations.

    .venv/bin/python benchmarks/gates.py [ROWS]

One basic suite (ten not-null columns, a compound key, five ranges, three sets) over one Parquet
file, each way in a process of its own. Compare the ratios of one run: seconds depend on who else
uses the machine. Importing Great Expectations is not in them; it is the last line.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from pipelines.gate import as_expectation, import_gx, validate_frame
from pipelines.gate_checks import UNIQUE_TOGETHER, Check
from pipelines.gate_frames import IN_SET, lean_frame, repeated_rows
from pipelines.gate_frames import NOT_NULL as NOT_NULL_CHECK

BETWEEN = "expect_column_values_to_be_between"

NOT_NULL = [
    "customer_id", "channel", "purpose", "record_hash", "kind", "seen_on", "ordered_at",
    "order_count", "revenue_amount", "margin_amount",
]  # fmt: skip
KEY = ["customer_id", "channel"]
RANGES = ["order_count", "revenue_amount", "margin_amount", "churn_risk", "p_alive"]
SETS = {
    "channel": ["email", "phone"],
    "purpose": ["marketing", "service"],
    "kind": ["person", "company"],
}
COLUMNS = list(dict.fromkeys([*NOT_NULL, *KEY, *RANGES, *SETS]))


def build(rows: int, path: Path) -> None:
    """Write rows that pass the suite, in an order unlike that of the key."""
    duckdb.sql(
        f"""
        copy (
            select left(md5((i // 2)::varchar), 16) as customer_id,
                ['email', 'phone'][1 + i % 2] as channel,
                ['marketing', 'service'][1 + i % 3 % 2] as purpose,
                left(md5(i::varchar), 16) as record_hash,
                ['person', 'company'][1 + i % 5 % 2] as kind,
                date '2020-01-01' + (i % 2000)::integer as seen_on,
                timestamp '2020-01-01' + interval (i % 90000) minute as ordered_at,
                i % 50 as order_count,
                ((i % 99991) / 7)::decimal(18, 4) as revenue_amount,
                ((i % 88883) / 9)::decimal(18, 4) as margin_amount,
                (i % 1000) / 1000.0::double as churn_risk,
                (i % 777) / 1000.0::double as p_alive
            from range({rows}) t(i)
            order by hash(i)
        ) to '{path}' (format parquet, compression zstd)
        """
    )


def raw_scan(path: Path) -> None:
    """Read the columns once and do next to nothing: what no gate can go below."""
    pl.scan_parquet(path).select(pl.col(COLUMNS).null_count()).collect(engine="streaming")
    pl.scan_parquet(path).select(pl.col(COLUMNS).max()).collect(engine="streaming")


def polars_aggregates(path: Path) -> None:
    """The counts in Polars; Great Expectations sees one row of them."""
    broken = [pl.col(c).null_count().alias(f"null {c}") for c in NOT_NULL]
    broken += [(pl.col(c) < 0).sum().alias(f"range {c}") for c in RANGES]
    broken += [(~pl.col(c).is_in(v)).sum().alias(f"set {c}") for c, v in SETS.items()]
    frame = pl.scan_parquet(path)
    counts = frame.select(broken).collect(engine="streaming")
    repeated = frame.group_by(KEY).len().filter(pl.col("len") > 1).select(pl.len().alias("key"))
    expect_zeros(pl.concat([counts, repeated.collect(engine="streaming")], how="horizontal"))


def duckdb_aggregates(path: Path) -> None:
    """The counts in DuckDB; Great Expectations sees one row of them."""
    counts = [f"count(*) filter ({c} is null) as null_{c}" for c in NOT_NULL]
    counts += [f"count(*) filter ({c} < 0) as range_{c}" for c in RANGES]
    counts += [f"count(*) filter ({c} not in {tuple(v)}) as set_{c}" for c, v in SETS.items()]
    frame = f"read_parquet('{path}')"
    per_key = f"from {frame} select {', '.join(KEY)} group by all having count(*) > 1"
    keys = f"select count(*) as key from ({per_key})"
    facts = duckdb.sql(f"from {frame} select {', '.join(counts)}").pl()
    expect_zeros(pl.concat([facts, duckdb.sql(keys).pl()], how="horizontal"))


def whole_pandas(path: Path) -> None:
    """The columns as `to_pandas` gives them: strings in Arrow, decimals as Python objects."""
    frame = pl.read_parquet(path, columns=COLUMNS)
    validate(frame.to_pandas(), [*value_checks(), key_check()])


def floated_pandas(path: Path) -> None:
    """The same with decimals as floats."""
    frame = pl.scan_parquet(path).select(COLUMNS).with_columns(pl.col(pl.Decimal).cast(pl.Float64))
    frame_of_floats = frame.collect(engine="streaming").to_pandas()
    validate(frame_of_floats, [*value_checks(), key_check()])


def arrow_pandas(path: Path) -> None:
    """The columns as Arrow arrays, without a copy."""
    frame = pl.read_parquet(path, columns=COLUMNS)
    validate(frame.to_pandas(use_pyarrow_extension_array=True), [*value_checks(), key_check()])


def gate_frames(path: Path) -> None:
    """What `pipelines.gate` does: two frames, each no larger than its answers need."""
    uses: dict[str, set[str]] = defaultdict(set)
    for check in value_checks():
        uses[check.columns[0]].add(check.expectation)
    rows = pl.scan_parquet(path)
    validate(repeated_rows(rows, KEY), [key_check()])
    validate(lean_frame(rows, uses), value_checks())


def value_checks() -> list[Check]:
    """The suite but for the key."""
    asked: list[tuple[str, dict[str, Any]]] = [(NOT_NULL_CHECK, {"column": c}) for c in NOT_NULL]
    asked += [(BETWEEN, {"column": c, "min_value": 0}) for c in RANGES]
    asked += [(IN_SET, {"column": c, "value_set": v}) for c, v in SETS.items()]
    return [Check(expectation=name, settings=settings) for name, settings in asked]


def key_check() -> Check:
    """The compound key."""
    return Check(expectation=UNIQUE_TOGETHER, settings={"column_list": KEY})


def expect_zeros(counts: pl.DataFrame) -> None:
    """Ask Great Expectations whether every count is nought."""
    zero = {"value_set": [0]}
    asked = [Check(expectation=IN_SET, settings={"column": c} | zero) for c in counts.columns]
    validate(counts.to_pandas(), asked)


def validate(frame: Any, checks: list[Check]) -> None:
    """Run a suite on a pandas frame, as the gates do."""
    expectations = [as_expectation(check, place) for place, check in enumerate(checks)]
    for check, result in zip(checks, validate_frame(frame, expectations), strict=True):
        assert result.success, check.sentence


WAYS: dict[str, Callable[[Path], None]] = {
    way.__name__: way
    for way in (
        raw_scan, polars_aggregates, duckdb_aggregates, gate_frames, floated_pandas, whole_pandas,
        arrow_pandas,
    )
}  # fmt: skip


def measure(way: str, path: Path) -> None:
    """Run one way in this process, and print what it took beyond its imports."""
    start = time.perf_counter()
    import_gx()
    imported = time.perf_counter() - start
    Path("/proc/self/clear_refs").write_text("5")  # the peak of memory counts from here (Linux)
    resident, cpu = memory_gb("VmRSS"), time.process_time()
    start = time.perf_counter()
    WAYS[way](path)
    facts = {
        "seconds": time.perf_counter() - start,
        "cpu": time.process_time() - cpu,
        "peak_gb": memory_gb("VmHWM") - resident,
        "import": imported,
    }
    print(json.dumps(facts))


def memory_gb(field: str) -> float:
    """A line of the kernel's account of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1e6 for line in lines if line.startswith(field))


def main(rows: int) -> None:
    """Build the rows once, measure each way, print a table of ratios."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.parquet"
        build(rows, path)
        print(f"{rows:,} rows, {path.stat().st_size / 1e6:,.0f} MB of Parquet")
        print(f"{'':20}{'seconds':>9}{'CPU s':>9}{'GB':>7}{'x scan':>8}")
        scan, facts = 0.0, {}
        for way in WAYS:
            command = [sys.executable, __file__, "--way", way, str(path)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                print(f"{way:20} failed: {done.stderr.strip().splitlines()[-1][:80]}")
                continue
            facts = json.loads(done.stdout.splitlines()[-1])
            scan = scan or facts["seconds"]
            print(
                f"{way:20}{facts['seconds']:9.2f}{facts['cpu']:9.2f}{facts['peak_gb']:7.2f}"
                f"{facts['seconds'] / scan:8.1f}"
            )
        print(f"{'import, once':20}{facts.get('import', 0.0):9.2f}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--way"]:
        measure(sys.argv[2], Path(sys.argv[3]))
    else:
        main(int(sys.argv[1]) if sys.argv[1:] else 10_000_000)
