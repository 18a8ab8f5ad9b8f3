"""What reading the BigQuery export of Google Analytics costs: one day of events into parts.

    .venv/bin/python benchmarks/extract_ga4.py [EVENTS]

`again` is the next night, for which the day was exported anew in another order: one event in a
thousand has changed, as many are gone. CPU seconds and memory are those of the process.
"""

import multiprocessing
import resource
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb

from pipelines.extract.ga4.nights import extract_ga4
from pipelines.rules.source_types.ga4 import Ga4Secrets, Ga4Source

EVENTS = 1_000_000
DAY = date(2026, 6, 30)
TEXTS = {
    "page_location": "'https://shop.example/products/' || h % 5000 || '?gclid=' || h",
    "page_title": "'Product ' || h % 5000",
    "page_referrer": "'https://www.google.com/search?q=' || h % 99",
    "engaged_session_event": "'1'",
    "ignore_referrer": "'true'",
    "source": "'google'",
    "medium": "'organic'",
    "search_term": "'shoes ' || h % 300",
    "currency": "'EUR'",
}
NUMBERS = {
    "ga_session_id": "1782770000 + visit % 80000",
    "ga_session_number": "h % 9",
    "engagement_time_msec": "h % 30000",
    "session_engaged": "1",
    "batch_ordering_id": "i % 7",
    "batch_page_id": "1782770000000 + visit",
}


def _param(name: str, text: str = "null", number: str = "null", real: str = "null") -> str:
    return (
        f"{{key: '{name}', value: {{string_value: cast({text} as varchar), "
        f"int_value: cast({number} as bigint), float_value: cast(null as double), "
        f"double_value: cast({real} as double)}}}}"
    )


def write_day(path: Path, events: int, again: bool) -> None:
    """A day of events with 16 parameters each, as `bq extract` writes it."""
    params = [_param(name, text=value) for name, value in TEXTS.items()]
    params += [_param(name, number=value) for name, value in NUMBERS.items()]
    params.append(_param("value", real="h % 10000 / 100"))
    connection = duckdb.connect()
    connection.execute("set enable_progress_bar = false")
    connection.execute(f"""
        copy (
            with events as (
                select i, i // 20 as visit, cast(hash(i) >> 1 as bigint) as h,
                    cast(hash(i // 20) >> 1 as bigint) as who
                from range({events}) as numbers (i)
            )
            select
                '{DAY:%Y%m%d}' as event_date,
                1782777600000000 + i * 80000 as event_timestamp,
                ['page_view', 'view_item', 'purchase', 'scroll'][h % 4 + 1] as event_name,
                [{", ".join(params)}] as event_params,
                case when who % 4 = 0 then 'member-' || who % 90000 end as user_id,
                who % 4000000000 || '.1780000000' as user_pseudo_id,
                {{analytics_storage: 'Yes', ads_storage: 'Unset'}} as privacy_info,
                {{category: 'mobile', operating_system: 'iOS', language: 'de-de'}} as device,
                {{city: 'Berlin', country: ['Germany', 'China'][who % 2 + 1], region: ''}} as geo,
                '5550001' as stream_id,
                {{transaction_id: '(not set)', purchase_revenue: cast(null as double)}}
                    as ecommerce,
                [{{item_id: 'SKU' || h % 900, item_name: 'Shoe', price: 1.5}}] as items,
                {{manual_source: 'newsletter', manual_medium: 'email',
                    manual_campaign_name: case when {again} and i % 1000 = 0 then 'x' else 'y' end}}
                    as collected_traffic_source,
                i % 7 as batch_event_index,
                1782770000000 + visit as batch_page_id,
                i % 7 as batch_ordering_id
            from events
            where not {again} or i % 1000 <> 1
            order by i {"desc" if again else "asc"}
        ) to '{path}' (format parquet, compression snappy)
    """)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def measure(folder: Path, night: int) -> None:
    """Extract one night and tell what it took."""
    source = Ga4Source(name="web", type="ga4", path=folder / "export")
    now = datetime(2026, 7, 1, 3, tzinfo=UTC) + timedelta(days=night)
    used, began = _cpu(), time.monotonic()
    result = extract_ga4(
        source, Ga4Secrets(), folder / "raw", DAY + timedelta(days=night), now, lambda told: None
    )
    used, wall = _cpu() - used, time.monotonic() - began
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    size = sum(part.stat().st_size for part in result.parts) >> 20
    print(
        f"{('first load', 'again', 'unchanged')[night]:<12}{result.records:>12,} new rows"
        f"{used:8.1f} CPU s{wall:8.1f} s{memory:7,} MB{size:6,} MB of parts"
    )


def main(events: int) -> None:
    """Make a day, and extract it three nights.

    Each in a process of its own: a child's peak of memory begins at its parent's.
    """
    with tempfile.TemporaryDirectory(prefix="c360-bench-") as place:
        folder = Path(place)
        (folder / "export").mkdir()
        file = folder / "export" / f"events_{DAY:%Y%m%d}.parquet"
        for night in range(3):
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
                if night < 2:
                    process.submit(write_day, file, events, night == 1).result()
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
                process.submit(measure, folder, night).result()
        print(f"{events:,} events were {file.stat().st_size >> 20} MB of Parquet")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS)
