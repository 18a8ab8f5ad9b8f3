"""Time and memory of identity and of the profile, at millions of records.

    .venv/bin/python benchmarks/scale.py identity [RECORDS] [--fuzzy]
    .venv/bin/python benchmarks/scale.py profile [CUSTOMERS]
    .venv/bin/python benchmarks/scale.py marts [CUSTOMERS]

`identity` makes contacts of two systems, two records a person, and runs `transform signals` and
`resolve` over them. `profile` makes ten orders and thirty web events for each customer, and tells
what `transform profile` costs as a multiple of a bare DuckDB scan and group of the same files.
`marts` makes half of both, and consents, and goes through every step and gate up to the lists. Each
step is a process of its own, whose processor seconds and peak memory are told.
"""

import argparse
import json
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

from pipelines.breakers.judge import judge
from pipelines.catalogue import load_catalogue
from pipelines.gate_breakers import write_verdicts
from pipelines.lake import Lake, Run, with_parent, write_table
from pipelines.land import freeze_rules
from pipelines.line import Line
from pipelines.rules import find_rules, load_rules
from pipelines.rules.schemas import RunFacts
from pipelines.settings import Settings
from pipelines.steps import LINE, run_step

AS_OF = date(2026, 6, 30)
PROJECT = Path(__file__).resolve().parents[1]
FAMILIES = ["Zhang", "Wang", "Smith", "Garcia", "Müller", "Rossi", "Kowalska", "Okafor", "Nguyen"]
SYLLABLES = ["an", "bo", "chi", "da", "el", "fu", "gi", "ha", "jo", "ka", "li", "mo", "ni", "ro"]


def make_inputs(run: Run, tables: dict[str, str]) -> None:
    """Write the landing rows of a run: each query gives some columns, the rest is null."""
    for name, dataset in load_catalogue(PROJECT).landing.items():
        folder = run.inputs / name
        write_table(pl.DataFrame(schema=dataset.schema), folder / "empty.parquet")
        if name in tables:
            path = with_parent(folder / "part.parquet")
            duckdb.sql(f"copy ({tables[name]}) to '{path}' (format parquet, compression zstd)")


def envelope(record_id: str, source: str = "'crm'") -> str:
    """The columns that every landing row has."""
    return f"""
        {source} as source, '' as source_account_id, {record_id} as source_record_id,
        'upsert' as op, timestamp '2024-01-01' + to_days((i % 900)::integer) as source_created_at,
        null::timestamp as source_updated_at, timestamp '2026-06-30' as extracted_at,
        md5(i::varchar) as record_hash, 1::bigint as schema_version, null::varchar as extra"""


def contacts(records: int) -> str:
    """Two records a person: the mailbox is on four of five, the phone too, written in two ways."""
    family = f"{FAMILIES}[1 + (hash(p) % {len(FAMILIES)})::integer] || (p % 997)::varchar"
    given = " || ".join(
        f"{SYLLABLES}[1 + (hash(p * {n} + {n}) % {len(SYLLABLES)})::integer]" for n in (3, 5, 7)
    )
    return f"""
        select {envelope("i::varchar", "case when i % 2 = 0 then 'crm' else 'shop' end")},
            'person' as kind,
            {given} || ' ' || {family} as full_name,
            date '1950-01-01' + (hash(p * 11) % 20000)::integer as birth_date,
            (p % 900)::varchar || ' ' || {SYLLABLES}[1 + (p % 14)::integer] || ' Street' as street,
            'Town ' || (p % 5000)::varchar as city, (10000 + p % 80000)::varchar as postal_code,
            'GB' as country_code,
            case when hash(i) % 5 > 0
                then 'user' || p || '@example' || p % 50 || '.com' end as email,
            case when hash(i + 7) % 5 > 0 then
                case when i % 2 = 0 then '+44 7' else '07' end || (400000000 + p)::varchar
            end as mobile
        from (select i, i // 2 as p from range({records}) t(i))"""


def orders(customers: int, each: int = 10) -> str:
    """Orders of each customer, over three years."""
    return f"""
        select {envelope("'O' || i")},
            (i // {each} * 2)::varchar as customer_source_id, 'paid' as status, 'GBP' as currency,
            (10 + hash(i) % 20000 / 100)::decimal(18, 4) as total_amount,
            (5 + hash(i) % 9000 / 100)::decimal(18, 4) as cost_amount,
            ['web', 'store', 'app'][1 + (i % 3)::integer] as channel,
            timestamp '2023-07-01' + to_minutes((hash(i * 13) % 1570000)::integer) as ordered_at
        from range({customers * each}) t(i)"""


def web_events(customers: int, each: int = 30) -> str:
    """Events of each customer, over a year."""
    return f"""
        select {envelope("'E' || i", "'web'")},
            'event' as grain,
            ['page_view', 'view_item', 'search', 'add_to_cart'][1 + (hash(i) % 4)::integer]
                as event_name,
            timestamp '2025-07-01' + to_minutes((hash(i * 17) % 520000)::integer) as event_at,
            1::bigint as event_count, 's' || i as session_id, 'u' || i // {each} as user_id
        from range({customers * each}) t(i)"""


def logins(customers: int) -> str:
    """Whose each log-in is."""
    return f"""
        select {envelope("'K' || i", "'web'")},
            'user_id' as id_type_a, 'u' || i as id_a, 'email' as id_type_b,
            'user' || i || '@example' || i % 50 || '.com' as id_b, 1.0::double as confidence,
            timestamp '2025-01-01' as observed_at
        from range({customers}) t(i)"""


def consents(customers: int) -> str:
    """Three of four customers may be written to by e-mail."""
    return f"""
        select {envelope("'C' || i")},
            'contact_id' as subject_key_type, (i * 2)::varchar as subject_key,
            (i * 2)::varchar as contact_source_id,
            'marketing' as purpose, 'email' as channel, 'granted' as status,
            'consent' as legal_basis, timestamp '2026-01-01' as effective_at
        from range({customers}) t(i) where hash(i * 19) % 4 > 0"""


def open_run(home: Path) -> Line:
    """The line of the benchmark's run."""
    return Line(Settings(home=home), AS_OF, lambda _: None)


def prepare(home: Path, tables: dict[str, str], fuzzy: bool) -> None:
    """Inputs, frozen rules, and what the steps before the first that is timed leave behind."""
    shutil.rmtree(home, ignore_errors=True)
    run = Lake(home).run(AS_OF)
    files, book, catalogue = find_rules(None), load_rules(find_rules(None)), load_catalogue(PROJECT)
    write_verdicts(judge([], "landing", AS_OF, {}), "landing", run, catalogue)
    freeze_rules(run, catalogue, book, files, RunFacts(
        as_of=AS_OF, base_currency="GBP", personal_fields=set()))  # fmt: skip
    if not fuzzy:
        path = run.rules / "identity.yml"
        path.write_text(path.read_text().replace("is_on: true", "is_on: false"))
    make_inputs(run, tables)
    for step in ("land", "gate landing"):
        report = with_parent(run.steps / f"{step.replace(' ', '_')}.json")
        report.write_text(json.dumps({"step": step, "status": "ok", "facts": {}}))


def timed(home: Path, step: str) -> dict[str, float]:
    """Run a step in a process of its own."""
    code = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]); import scale; "
        "scale.run_one(Path(sys.argv[2]), sys.argv[3])"
    )
    arguments = [sys.executable, "-c", code, str(Path(__file__).parent), str(home), step]
    done = subprocess.run(arguments, check=True, stdout=subprocess.PIPE, text=True, cwd=PROJECT)
    return json.loads(done.stdout.splitlines()[-1])


def run_one(home: Path, step: str) -> None:
    """Run one step here, and print what it took."""
    line, began = open_run(home), time.monotonic()
    told = run_step(line.run, step, lambda: line.work(step)).summary
    print(json.dumps({"told": told} | usage(began)))


def usage(began: float) -> dict[str, float]:
    """Seconds of the wall and of the processor, and peak gigabytes, of this process."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return {
        "wall_s": round(time.monotonic() - began, 1),
        "cpu_s": round(sum(u.ru_utime + u.ru_stime for u in used), 1),
        "peak_gb": round(max(u.ru_maxrss for u in used) / 1e6, 2),
    }


def bare_scan(run: Run) -> float:
    """Processor seconds of one DuckDB scan and group of the orders and events."""
    begun = time.process_time()
    with duckdb.connect(config={"memory_limit": "4GB"}) as database:
        for table, key, what in (
            ("orders", "customer_source_id", "sum(total_amount) as s, max(ordered_at) as m"),
            ("web_events", "user_id", "sum(event_count) as s, max(event_at) as m"),
        ):
            file = run.inputs / table / "part.parquet"
            database.sql(
                f"select count({key}), sum(n), sum(s), max(m) from "
                f"(select {key}, count(*) as n, {what} from '{file}' group by {key})"
            ).fetchall()
    return time.process_time() - begun


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["identity", "profile", "marts"])
    parser.add_argument("size", type=int, nargs="?", default=1_000_000)
    parser.add_argument("--fuzzy", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        if asked.what == "identity":
            prepare(home, {"crm_contacts": contacts(asked.size)}, asked.fuzzy)
            for step in ("transform signals", "resolve"):
                print(f"{step:<18}", timed(home, step))
            return
        tables = {
            "crm_contacts": contacts(asked.size * 2),
            "identity_links": logins(asked.size),
        }
        if asked.what == "marts":
            tables["orders"] = orders(asked.size, 5)
            tables["web_events"] = web_events(asked.size, 15)
            prepare(home, tables | {"consents": consents(asked.size)}, fuzzy=False)
            for step in LINE[LINE.index("transform signals") : LINE.index("release")]:
                print(f"{step:<18}", timed(home, step), flush=True)
            return
        tables |= {"orders": orders(asked.size), "web_events": web_events(asked.size)}
        prepare(home, tables, fuzzy=False)
        for step in ("transform signals", "resolve", "transform profile"):
            took = timed(home, step)
            print(f"{step:<18}", took)
        scan = bare_scan(Lake(home).run(AS_OF))
        print(f"bare scan and group: {scan:.1f} CPU s; the profile is {took['cpu_s'] / scan:.1f} x")


if __name__ == "__main__":
    main()
