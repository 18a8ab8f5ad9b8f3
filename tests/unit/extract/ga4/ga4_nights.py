"""Nights of a `ga4` source: extracted into parts, and landed as the line would."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
from factories import AS_OF

from pipelines.catalogue import Catalogue
from pipelines.extract.ga4.nights import extract_ga4
from pipelines.extract.parts import StreamResult, find_parts
from pipelines.fakes.fake import Fake
from pipelines.landing import FileFacts, land_rows
from pipelines.raw_files import read_raw
from pipelines.rules.source_types.ga4 import Ga4Secrets, Ga4Source

Row = dict[str, Any]


class Nights:
    """One source, night after night."""

    def __init__(self, raw: Path, catalogue: Catalogue, secrets: dict[str, Any], **entry: Any):
        self.raw, self.catalogue = raw, catalogue
        self.source = Ga4Source(name="web", type="ga4", **entry)
        self.secrets = Ga4Secrets.model_validate(secrets)
        self.as_of = AS_OF
        self.now = datetime(2026, 7, 1, 3, tzinfo=UTC)
        self.told: list[str] = []
        self.log: list[Row] = []
        self.sleeps: list[float] = []
        self.fake: Fake | None = None

    def extract(self) -> StreamResult:
        return extract_ga4(
            self.source,
            self.secrets,
            self.raw,
            self.as_of,
            self.now,
            self.told.append,
            self.log.append,
            self.sleeps.append,
        )

    def next(self, nights: int = 1) -> None:
        self.as_of += timedelta(days=nights)
        self.now += timedelta(days=nights)
        if self.fake:
            self.fake.now = self.now

    def landed(self) -> pl.DataFrame:
        """Every row of every part, as the landing contract has it; nothing is quarantined."""
        frames = []
        dataset = self.catalogue["landing", "web_events"]
        for part in find_parts(self.raw):
            name = part.path.name[18:]
            facts = FileFacts("web", name, date.fromisoformat(part.path.parent.name))
            for raw in read_raw(part.path, name):
                result = land_rows(raw, dataset, facts)
                assert result.quarantined.height == 0, result.quarantined
                assert result.unknown_columns == ()
                frames.append(result.rows)
        return pl.concat(frames)

    def rows(self) -> list[Row]:
        """What is known now: the newest version of each event that is not deleted."""
        return (
            self.landed()
            .sort("source_updated_at", "extracted_at", descending=True, maintain_order=True)
            .unique("source_record_id", keep="first", maintain_order=True)
            .filter(pl.col("op") != "delete")
            .sort("event_at", "event_name", "source_record_id")
            .to_dicts()
        )
