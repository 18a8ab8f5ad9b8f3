"""200,000 contacts over HTTP from the stand-in of Zoho CRM: extract, then land.

    python benchmarks/extract_api.py [records]

The stand-in runs in a process of its own, so CPU seconds and memory are the client's.
"""

import json
import multiprocessing
import resource
import sys
import tempfile
import time
from datetime import UTC, date, datetime
from pathlib import Path

from pipelines.catalogue import load_catalogue
from pipelines.extract.systems import connect, extract_api, read_secrets
from pipelines.fakes.serving import serving
from pipelines.fakes.zoho_crm import CREDENTIALS, ZohoCrmFake
from pipelines.lake import Lake
from pipelines.land import land_new_files
from pipelines.rules.source_types.zoho_crm import ZohoCrmSource
from pipelines.rules.sources import Sources

RECORDS = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
AS_OF = date(2026, 6, 30)
FLOOR = 47_000  # records per CPU second of the leanest client that was measured before


def serve(urls: "multiprocessing.Queue[str]", stop: "multiprocessing.Queue[str]") -> None:
    """Serve the stand-in until told to stop."""
    fake = ZohoCrmFake()
    for number in range(RECORDS // 1_000):
        fake.add(
            1_000,
            First_Name="芳", Full_Name=f"王芳 {number}", Email=f"fang.wang{number}@example.com",
            Phone="+86 138 0013 8000", Mobile="+86 139 0013 9000", Title="采购经理",
            Mailing_City="上海", Mailing_Country="China", Lead_Source="Web", Email_Opt_Out=False,
            Owner={"id": "4876876000000000999", "name": "Li", "email": "li@example.com"},
            Account_Name={"id": "4876876000000000888", "name": "某某有限公司"},
            Tag=[{"name": "vip", "id": "1"}],
        )  # fmt: skip
    with serving(fake) as url:
        urls.put(url)
        stop.get()


def report(what: str, records: int, began: tuple[float, float]) -> float:
    """Print and return records per CPU second."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    cpu = usage.ru_utime + usage.ru_stime - began[1]
    wall = time.monotonic() - began[0]
    print(
        f"{what:<8} {records:>9,} records  {wall:6.1f} s wall  {cpu:6.1f} s CPU  "
        f"{records / cpu:>9,.0f} per CPU s  peak {usage.ru_maxrss / 1024:,.0f} MB"
    )
    return records / cpu


def started() -> tuple[float, float]:
    """Wall and CPU seconds so far."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return time.monotonic(), usage.ru_utime + usage.ru_stime


def main() -> None:
    """Extract and land once."""
    context = multiprocessing.get_context("spawn")
    urls, stop = context.Queue(), context.Queue()
    process = context.Process(target=serve, args=(urls, stop))
    process.start()
    source = ZohoCrmSource(name="crm", type="zoho_crm", api_url=urls.get(), streams=("contacts",))
    connector = connect(source, read_secrets(source, "", json.dumps(CREDENTIALS)), lambda _: None)
    catalogue = load_catalogue(Path(__file__).resolve().parent.parent)
    with tempfile.TemporaryDirectory() as home:
        lake = Lake(Path(home))
        began = started()
        now = datetime.now(UTC)
        extract_api(connector, lake.raw / "crm", AS_OF, now, lambda _: None)
        rate = report("extract", RECORDS, began)
        raw = sum(path.stat().st_size for path in lake.raw.rglob("*.parquet"))
        print(f"         {raw / 1e6:.1f} MB of parts; {rate / FLOOR:.2f} x the floor of {FLOOR:,}")
        began = started()
        land_new_files(lake, catalogue, Sources(sources=(source,)), AS_OF, lambda _: None)
        report("land", RECORDS, began)
        assert not list(lake.quarantine.rglob("*.parquet"))
    stop.put("stop")
    process.join()


if __name__ == "__main__":
    main()
