"""A home with released lists, deliveries.yml, and the command on them."""

import json
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from pipelines.lake import Lake, write_table
from pipelines.release import release_run, write_manifest
from pipelines.segments.reasons import guard_formulas

DAY = date(2026, 6, 30)
SHOP = {"name": "crm", "type": "files", "path": "/nowhere"}


def people(numbers: Iterable[int], **columns: Any) -> pl.DataFrame:
    """Rows of a list: person n is customer c<n> with the address person<n>@example.com."""
    listed = [f"{n:05}" for n in numbers]
    told = {
        "customer_id": [f"c{n}" for n in listed],
        "full_name": [f"王 {n}" for n in listed],
        "contact": [f"person{int(n)}@example.com" for n in listed],
        "channel": ["email"] * len(listed),
        "reason": ["why"] * len(listed),
        "grade": ["A"] * len(listed),
    }
    told |= {name: [value] * len(listed) for name, value in columns.items()}
    return pl.DataFrame(told, schema_overrides=dict.fromkeys(list(told)[:6], pl.String))


class Home:
    """An installation."""

    def __init__(self, root: Path, environment: Any) -> None:
        self.root, self.rules, self.lake = root / "home", root / "rules", Lake(root / "home")
        self.rules.mkdir()
        environment.setenv("C360_HOME", str(self.root))
        environment.setenv("C360_RULES_DIR", str(self.rules))
        environment.setenv("C360_PSEUDONYM_KEY", "a key of the tests")
        self.environment = environment
        (self.rules / "sources.yml").write_text(yaml.safe_dump({"sources": [SHOP]}))

    def configure(self, *destinations: dict[str, Any], **logins: Any) -> None:
        """Write deliveries.yml, and each login into its variable."""
        content = {"destinations": list(destinations)}
        (self.rules / "deliveries.yml").write_text(yaml.safe_dump(content))
        for name, login in logins.items():
            self.environment.setenv(f"C360_DESTINATION_{name.upper()}", json.dumps(login))

    def release(
        self,
        lists: dict[str, pl.DataFrame],
        records: dict[str, str] | None = None,
        day: date = DAY,
        deleted: Iterable[str] = (),
        csv: bool = True,
        unwilling: Iterable[str] = (),
        kept: Mapping[str, str] = {},
    ) -> Path:
        """Release lists, and which record of the source `crm` is whose: customer by record.

        kept: lists that a breaker held back, with the day that they are of.
        """
        run = self.lake.run(day)
        for name, rows in lists.items():
            write_table(rows, run.release / "lists" / f"{name}.parquet")
            if csv:
                guard_formulas(rows).write_csv(run.release / "lists" / f"{name}.csv")
        listed = pl.concat([rows.select("customer_id") for rows in lists.values()]).unique()
        customers = listed.sort("customer_id").with_columns(
            is_ads_matching_granted=~pl.col("customer_id").is_in(list(unwilling))
        )
        write_table(customers, run.release / "marts" / "customer_360.parquet")
        known = records or {}
        keys = pl.DataFrame(
            {
                "entity": ["contact"] * len(known),
                "source": ["crm"] * len(known),
                "source_record_id": list(known),
                "customer_id": list(known.values()),
                "is_deleted": [record in set(deleted) for record in known],
            },
            schema_overrides={"is_deleted": pl.Boolean, "customer_id": pl.String},
        )
        write_table(keys, run.release / "state" / "customer_keys.parquet")
        told = [
            {"name": name} | ({"kept_from": kept[name]} if name in kept else {}) for name in lists
        ]
        run_id = write_manifest(run.release, {"date": day.isoformat(), "lists": told})
        release, _ = release_run(self.lake, run, run_id)
        return release.path

    def ledger(self, destination: str, name: str) -> str:
        """The text of a ledger."""
        return (self.root / "deliveries" / destination / f"{name}.jsonl").read_text()

    def results(self, destination: str, name: str, day: date = DAY) -> dict[str, int]:
        """How many rows had which status."""
        path = self.root / "deliveries" / destination / "results" / f"{name}_{day}.csv"
        return dict(pl.read_csv(path)["status"].value_counts().iter_rows())
