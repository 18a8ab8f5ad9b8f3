"""Nights of one source against its stand-in, for every system that has a rig."""

import importlib
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from rig import Rig  # noqa: E402 - beside this file

from pipelines.catalogue import Catalogue  # noqa: E402
from pipelines.extract import parts  # noqa: E402
from pipelines.extract.systems import SYSTEMS, connect, extract_api  # noqa: E402
from pipelines.fakes.serving import serving  # noqa: E402
from pipelines.lake import Lake  # noqa: E402
from pipelines.land import committed_files, land_new_files  # noqa: E402
from pipelines.rules.sources import Sources  # noqa: E402

RIGS: list[type[Rig]] = [
    importlib.import_module(f"rigs.{path.stem}").RIG
    for path in sorted((HERE / "rigs").glob("*.py"))
    if path.stem in SYSTEMS
]
FIRST_NIGHT = date(2026, 6, 30)


class Nights:
    """Extracts and lands one source, night after night."""

    def __init__(self, rig: Rig, url: str, home: Path, catalogue: Catalogue) -> None:
        self.rig, self.lake, self.catalogue = rig, Lake(home), catalogue
        entry = {"name": "crm", "type": rig.system, **rig.config(url)}
        self.sources = Sources.model_validate({"sources": [entry]})
        self.source = self.sources.sources[0]
        self.raw = self.lake.raw / "crm"
        self.log: list[dict[str, Any]] = []
        self.sleeps: list[float] = []
        self.night = 0

    def connector(self) -> Any:
        secrets = self.source.secrets
        given = secrets.model_validate(self.rig.secrets) if secrets else None
        return connect(self.source, given, self.log.append, self.sleeps.append)

    def extract(self, connector: Any = None) -> dict[str, int]:
        """Extract for the present night; gives the number of new records by stream."""
        connector = connector or self.connector()
        now = self.rig.fake.now
        results = extract_api(connector, self.raw, self.as_of, now, lambda told: None)
        return {stream: result.records for stream, result in results.items()}

    def next(self) -> None:
        """The next night; an hour has passed at the stand-in."""
        self.night += 1
        self.rig.tick()

    @property
    def as_of(self) -> date:
        return FIRST_NIGHT + timedelta(days=self.night)

    def land(self) -> int:
        return land_new_files(
            self.lake, self.catalogue, self.sources, self.as_of, lambda told: None
        )

    def landed(self) -> pl.DataFrame:
        """All landing rows of the main table."""
        self.land()
        return self._read(self.lake.landing)

    def quarantined(self) -> pl.DataFrame:
        """All quarantined rows of the main table."""
        self.land()
        return self._read(self.lake.quarantine)

    def _read(self, root: Path) -> pl.DataFrame:
        files = sorted((root / self.rig.table).rglob("part-*.parquet"))
        return (
            pl.concat([pl.read_parquet(path, hive_partitioning=False) for path in files])
            if (files)
            else pl.DataFrame(schema={"source_record_id": pl.String, "op": pl.String})
        )

    def current(self) -> dict[str, dict[str, Any]]:
        """The newest version of each record that is not deleted, by id, as staging takes it."""
        rows = self.landed()
        if rows.is_empty():
            return {}
        newest = rows.sort(
            pl.coalesce("source_updated_at", "extracted_at"),
            "extracted_at",
            pl.col("op") == "delete",
            maintain_order=True,
        ).unique("source_record_id", keep="last", maintain_order=True)
        kept = newest.filter(pl.col("op") != "delete")
        return {row["source_record_id"]: row for row in kept.iter_rows(named=True)}

    def versions(self) -> set[tuple[str, str, str]]:
        """Every version that landed."""
        rows = self.landed()
        if rows.is_empty():
            return set()
        return set(rows.select("source_record_id", "op", "record_hash").iter_rows())

    def manifests(self) -> list[dict[str, Any]]:
        self.land()
        return committed_files(self.lake, self.as_of)

    def part_count(self) -> int:
        return len(parts.find_parts(self.raw))


@pytest.fixture(params=RIGS, ids=lambda rig: rig.system)
def rig(request: pytest.FixtureRequest) -> Rig:
    return request.param()


@pytest.fixture
def nights(rig: Rig, tmp_path: Path, catalogue: Catalogue, monkeypatch) -> Iterator[Nights]:
    monkeypatch.setattr(parts, "PART_RECORDS", 2 * rig.page_size)
    with serving(rig.fake) as url:
        yield Nights(rig, url, tmp_path, catalogue)
