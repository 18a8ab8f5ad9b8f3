"""Tombstones: keyed digests of the keys of erased persons, and the rows that they keep out.

Nothing can be read from a tombstone; whoever holds a value and the key of the pseudonyms can tell
whether it was erased. A record's key is out for good. An identifier is out in rows that are of the
time before the erasure, or of no known time: who comes back later is a new customer.
"""

import hmac
from base64 import b32encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date

import polars as pl

from pipelines.catalogue import Dataset
from pipelines.privacy.references import (
    SEPARATOR,
    Keys,
    keys_of,
    list_keys,
    record_key,
)

SCHEMA = {"kind": pl.String, "key": pl.String, "erased_on": pl.Date}
DIGEST_BYTES = 16
# Where a text of many values parts them; an unreadable row has no columns to look at.
TOKENS = r'[^\s,;|"\'\[\]{}<>()]+'
# When each text's key was erased; null where it was not.
Erased = Callable[[pl.Series], pl.Series]


def bury(texts: Iterable[str], pseudonym_key: bytes, erased_on: date) -> pl.DataFrame:
    """The tombstones of keys: kind, key, erased_on; by kind and key."""
    rows = [
        (text.split(SEPARATOR, 1)[0], digest_of(text, pseudonym_key), erased_on) for text in texts
    ]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row").unique().sort("kind", "key")


def digest_of(text: str, pseudonym_key: bytes) -> str:
    """The keyed digest of a key; apart from every pseudonym that is published."""
    told = f"tombstone{SEPARATOR}{text}".encode()
    return b32encode(hmac.digest(pseudonym_key, told, "sha256")[:DIGEST_BYTES]).decode().lower()


@dataclass(frozen=True)
class Judged:
    """What becomes of rows: which go, and where the others mention who is gone."""

    goes: pl.Series
    mentions: dict[str, pl.Series]

    @property
    def has_any(self) -> bool:
        """Whether anything goes."""
        return bool(self.goes.any() or any(told.any() for told in self.mentions.values()))

    def clean(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The rows that stay, without mentions."""
        return self.without_mentions(frame).filter(~self.goes)

    def without_mentions(self, frame: pl.DataFrame) -> pl.DataFrame:
        """All rows, without mentions."""
        return frame.with_columns(
            pl.when(~told).then(pl.col(column)).alias(column)
            for column, told in self.mentions.items()
        )


@dataclass(frozen=True)
class Tombstones:
    """The tombstones of an installation, the keys that they were made with, and its country."""

    rows: pl.DataFrame
    pseudonym_key: bytes
    country: str | None
    former_keys: tuple[bytes, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nobody was ever erased."""
        return self.rows.is_empty()

    def erased_on(self, texts: pl.Series) -> pl.Series:
        """When each key was erased; null where it was not."""
        kinds = set(self.rows["kind"])
        distinct = [
            text for text in texts.unique() if text and text.split(SEPARATOR, 1)[0] in kinds
        ]
        keys = (self.pseudonym_key, *self.former_keys)
        digests = [digest_of(text, key) for key in keys for text in distinct]
        told = pl.DataFrame(
            {"text": distinct * len(keys), "key": digests},
            schema={"text": pl.String, "key": pl.String},
        )
        found = told.join(self.rows, on="key").group_by("text").agg(pl.col("erased_on").max())
        asked = pl.DataFrame({"text": texts}, schema={"text": pl.String})
        joined = asked.join(found, on="text", how="left", maintain_order="left")
        return joined["erased_on"]

    def judge(self, frame: pl.DataFrame, dataset: Dataset) -> Judged:
        """What of the rows of a landing table goes."""
        return judge_rows(frame, dataset, list_keys(frame, dataset, self.country), self.erased_on)

    def judge_texts(self, frame: pl.DataFrame) -> pl.Series:
        """Which rows hold a word that is a key of who was erased, in whatever column.

        An id counts as one of any record of the source. Rather too many go than too few: nobody
        reads these rows but to mend them.

        Args:
            frame: source, raw.
        """
        words = frame.with_row_index("at").select(
            "at", "source", word=pl.col("raw").str.extract_all(TOKENS)
        )
        told = words.explode("word", keep_nulls=False, empty_as_null=False).unique()
        texts: list[pl.Series] = []
        for kind in ("contact", "order", "case", "deal", "account"):
            key = pl.concat_str(pl.lit(kind), "source", pl.lit(""), "word", separator=SEPARATOR)
            texts.append(told.select(key).to_series())
        probe = told.select(
            "source", source_account_id=pl.lit(""), email="word", phone="word",
            social_handle="word",
        )  # fmt: skip
        texts += [keys.texts for keys in _identifiers(probe, self.country)]
        hit = pl.Series([False] * told.height, dtype=pl.Boolean)
        for keys in texts:
            hit = hit | self.erased_on(keys).is_not_null()
        at = set(told.filter(hit)["at"])
        return pl.Series([number in at for number in range(frame.height)], dtype=pl.Boolean)

    def holds_record(self, kind: str, source: str, account: str, record: str) -> bool:
        """Whether a record was erased."""
        text = record_key(kind, source, account, record)
        return not self.erased_on(pl.Series([text], dtype=pl.String)).is_null().any()


def _identifiers(probe: pl.DataFrame, country: str | None) -> list[Keys]:
    return [
        keys
        for column in ("email", "phone", "social_handle")
        for keys in keys_of(probe, column, "crm_contacts", country)
    ]


def judge_rows(
    frame: pl.DataFrame, dataset: Dataset, named: list[Keys], erased_on: Erased
) -> Judged:
    """What of the rows of a landing table goes, and which values of the others.

    A row that names a contact is that contact's, whatever address stands in it beside.

    Args:
        frame: rows of the table, typed.
        dataset: the landing table.
        named: the keys that they name.
        erased_on: tells of key texts when they were erased.
    """
    happened = _happened_on(frame, dataset)
    nobody = pl.Series([False] * frame.height, dtype=pl.Boolean)
    goes, reached, names_contact = nobody, nobody, nobody
    mentions: dict[str, pl.Series] = {}
    for keys in named:
        if keys.role == "named":
            continue
        day = erased_on(keys.texts)
        hit = day.is_not_null()
        if keys.role == "identifier":
            hit = hit & ((happened <= day) | happened.is_null()).fill_null(value=False)
        if keys.role in ("own", "contact", "owner"):
            goes = goes | hit
        if keys.role in ("identifier", "visitor", "account"):
            reached = reached | hit
        if keys.role == "contact":
            names_contact = names_contact | keys.texts.is_not_null()
        if keys.role != "own":
            mentions[keys.column] = mentions.get(keys.column, nobody) | hit
    goes = goes | (reached & ~names_contact)
    for column in dataset.required:
        goes = goes | mentions.pop(column, nobody)
    return Judged(goes, {column: told & ~goes for column, told in mentions.items() if told.any()})


def _happened_on(frame: pl.DataFrame, dataset: Dataset) -> pl.Series:
    """The day that a row is of: that of its making, else the time that its table requires."""
    times = ["source_created_at"]
    times += [
        column.name
        for column in dataset.columns
        if column.required and column.dtype == pl.Datetime and column.name != "extracted_at"
    ]
    known = [pl.col(name).cast(pl.Date) for name in times if name in frame.columns]
    return frame.with_columns(pl.coalesce(*known, pl.lit(None, pl.Date)).alias("happened"))[
        "happened"
    ]
