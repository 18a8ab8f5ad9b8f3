"""An installation with releases, serving.yml and a database of its own; and people who log in."""

# ruff: noqa: S608 - the SQL of tests is their own

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import psycopg
import yaml
from factories import PROJECT, rows

from pipelines.catalogue import load_catalogue
from pipelines.lake import Lake, write_table
from pipelines.publish import MARTS
from pipelines.release import Release, release_run, write_manifest
from pipelines.rules import PACKAGED
from pipelines.serving.postgres import Served, serve_postgres
from pipelines.settings import load_settings

DAY = date(2026, 6, 30)
PACKAGED_RULES = yaml.safe_load((PACKAGED / "serving.yml").read_text(encoding="utf-8"))
LOADER = "loader's"  # a name that has to be quoted


@dataclass
class Office:
    """One of them."""

    host: str
    database: str
    lake: Lake
    rules: Path

    @classmethod
    @contextmanager
    def opened(cls, server: Any, root: Path, environment: Any) -> Iterator["Office"]:
        """With a login that may make roles and owns its database, and no more."""
        host = server.secrets.host
        with psycopg.connect(host=host, user="postgres", autocommit=True) as admin:
            admin.execute(f'create role "{LOADER}" login createrole')
            admin.execute(f'create database bi owner "{LOADER}"')
            rules = root / "rules"
            rules.mkdir()
            login = {"host": host, "login": LOADER, "schema": "bi"}
            environment.setenv("C360_HOME", str(root / "home"))
            environment.setenv("C360_RULES_DIR", str(rules))
            environment.setenv("C360_SERVE_POSTGRES", json.dumps(login))
            office = cls(host, "bi", Lake(root / "home"), rules)
            office.configure()
            try:
                yield office
            finally:
                admin.execute("drop database bi with (force)")
                left = "rolname !~ '^pg_' and rolname not in ('postgres', 'reader')"
                for (role,) in admin.execute(f"select rolname from pg_roles where {left}"):
                    quoted = psycopg.sql.Identifier(role).as_string(admin)
                    admin.execute(f"drop role {quoted}")

    def configure(self, **changes: Any) -> None:
        """Write serving.yml: the packaged one, turned on, with changes."""
        content = PACKAGED_RULES | {"postgres": {"schema": "c360"}} | changes
        (self.rules / "serving.yml").write_text(yaml.safe_dump(content, sort_keys=False))

    def release(self, marts: dict[str, pl.DataFrame], day: date = DAY) -> Release:
        """Put marts in place as the release of a day."""
        run, catalogue = self.lake.run(day), load_catalogue(PROJECT)
        for name, frame in marts.items():
            table = catalogue[MARTS[name], name].conform(frame.lazy())
            write_table(table, run.release / "marts" / f"{name}.parquet")
        run_id = write_manifest(run.release, {"date": day.isoformat()})
        return release_run(self.lake, run, run_id)[0]

    def serve(self) -> Served:
        """What the command does."""
        served = serve_postgres(load_settings(), None, lambda message: None)
        assert served is not None
        return served

    def connect(self, user: str = "postgres", **more: Any) -> psycopg.Connection:
        return psycopg.connect(host=self.host, user=user, dbname=self.database, **more)

    def ask(self, query: str, user: str = "postgres") -> list[tuple[Any, ...]]:
        with self.connect(user) as connection:
            return connection.execute(query).fetchall()

    def hire(self, login: str, *roles: str) -> None:
        """Give somebody a login of these roles of serving.yml."""
        quoted = '"' + login.replace('"', '""') + '"'
        with self.connect(autocommit=True) as connection:
            connection.execute(f"create role {quoted} login")
            for role in roles:
                connection.execute(f"grant c360_{role} to {quoted}")


def customers(*people: dict[str, Any]) -> pl.DataFrame:
    """Rows of customer_360."""
    return rows("customer_360", *people, group="models")


def small(day: date, count: int = 3) -> dict[str, pl.DataFrame]:
    """Marts of a small release, in which every row says of which day it is."""
    people = [{"customer_id": f"c{n}", "as_of": day} for n in range(count)]
    return {
        "customer_360": customers(*people),
        "customer_segments": rows("customer_segments", *people, group="models"),
        "kpi_daily": rows("kpi_daily", {"as_of": day, "metric": "m"}, group="pipeline"),
    }
