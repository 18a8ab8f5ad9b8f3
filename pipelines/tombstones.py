"""The tombstones on disk: `<home>/privacy/tombstones.parquet`, only ever added to."""

from collections.abc import Collection
from dataclasses import replace
from datetime import date

import polars as pl

from pipelines.errors import C360Error
from pipelines.former_keys import pseudonym_keys
from pipelines.lake import Lake, write_table
from pipelines.privacy.tombstones import SCHEMA, Tombstones, digest_of
from pipelines.rules.schemas import RuleBook
from pipelines.rules.sources import country_of

# One that is nobody's: by it a changed key is noticed, under which no tombstone would match.
CHECK = "check"


def read_tombstones(lake: Lake, book: RuleBook, pseudonym_key: bytes) -> Tombstones:
    """Everybody who was erased so far.

    Raises:
        C360Error: they were made with a key that is neither the current nor a former one.
    """
    keys = pseudonym_keys(lake, pseudonym_key)
    rows = read_rows(lake, keys)
    country = book.identity.default_country or country_of(book.sources.time_zone)
    return Tombstones(rows, pseudonym_key, country, keys[1:])


def read_rows(lake: Lake, keys: Collection[bytes]) -> pl.DataFrame:
    """The tombstones, which were made with these keys.

    Raises:
        C360Error: one was made with another key, under which nobody would be known by it.
    """
    path = lake.privacy / "tombstones.parquet"
    rows = pl.read_parquet(path) if path.exists() else pl.DataFrame(schema=SCHEMA)
    checks = set(rows.filter(pl.col("kind") == CHECK)["key"])
    if rows.height and (not checks or checks - {digest_of(CHECK, key) for key in keys}):
        raise C360Error(
            "C360_PSEUDONYM_KEY is not the key that erased persons are known by.",
            "Set it to what it was, or c360 keys rotate-pseudonyms; else they would all come back.",
        )
    return rows


def add_tombstones(lake: Lake, known: Tombstones, more: pl.DataFrame, day: date) -> Tombstones:
    """Write more tombstones, on disk before this returns."""
    check = pl.DataFrame(
        [(CHECK, digest_of(CHECK, known.pseudonym_key), day)], schema=SCHEMA, orient="row"
    )
    rows = pl.concat([known.rows, check, more]).sort("kind", "key", "erased_on")
    rows = rows.unique(["kind", "key"], keep="last", maintain_order=True)
    write_table(rows, lake.privacy / "tombstones.parquet")
    return replace(known, rows=rows)
