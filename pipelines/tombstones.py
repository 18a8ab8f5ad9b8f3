"""The tombstones on disk: `<home>/privacy/tombstones.parquet`, only ever added to."""

from datetime import date

import polars as pl

from pipelines.errors import C360Error
from pipelines.lake import Lake, write_table
from pipelines.privacy.tombstones import SCHEMA, Tombstones, digest_of
from pipelines.rules.schemas import RuleBook
from pipelines.rules.sources import country_of

# One that is nobody's: by it a changed key is noticed, under which no tombstone would match.
CHECK = "check"


def read_tombstones(lake: Lake, book: RuleBook, pseudonym_key: bytes) -> Tombstones:
    """Everybody who was erased so far.

    Raises:
        C360Error: they were made with another key.
    """
    path = lake.privacy / "tombstones.parquet"
    rows = pl.read_parquet(path) if path.exists() else pl.DataFrame(schema=SCHEMA)
    checks = rows.filter(pl.col("kind") == CHECK)["key"].to_list()
    if rows.height and checks != [digest_of(CHECK, pseudonym_key)]:
        raise C360Error(
            "C360_PSEUDONYM_KEY is not the key that erased persons are known by.",
            "Set it to what it was; with another one they would all come back.",
        )
    country = book.identity.default_country or country_of(book.sources.time_zone)
    return Tombstones(rows, pseudonym_key, country)


def add_tombstones(lake: Lake, known: Tombstones, more: pl.DataFrame, day: date) -> Tombstones:
    """Write more tombstones, on disk before this returns."""
    check = pl.DataFrame(
        [(CHECK, digest_of(CHECK, known.pseudonym_key), day)], schema=SCHEMA, orient="row"
    )
    rows = pl.concat([known.rows, check, more]).sort("kind", "key", "erased_on")
    rows = rows.unique(["kind", "key"], keep="last", maintain_order=True)
    write_table(rows, lake.privacy / "tombstones.parquet")
    return Tombstones(rows, known.pseudonym_key, known.country)
