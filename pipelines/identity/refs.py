"""How a record or a shared value is written where people read it: in rules, marts and reports."""

import hmac
from base64 import b32encode
from collections.abc import Iterable

import polars as pl

from pipelines.rules.identity import RECORD_REF

RECORD = ["entity", "source", "source_account_id", "source_record_id"]
ID_BYTES = 10  # 16 characters


def write_ref(end: str = "") -> pl.Expr:
    """The reference of a record, from its key columns (with a suffix, if they have one)."""
    entity, source, account, record = (pl.col(f"{name}{end}") for name in RECORD)
    return pl.concat_str(
        pl.when(entity == "contact").then(pl.lit("")).otherwise(entity + "="),
        source,
        pl.when(account == "").then(pl.lit("")).otherwise("/" + account),
        pl.lit(":"),
        record,
    )


def read_ref(ref: str) -> tuple[str, str, str, str] | None:
    """The key of the record that a reference names; None if it is written otherwise."""
    match = RECORD_REF.fullmatch(ref)
    if match is None:
        return None
    return match["entity"] or "contact", match["source"], match["account"] or "", match["record"]


def mint_id(record: tuple[str, ...], pseudonym_key: bytes) -> str:
    """A customer id: keyed, so that nobody can guess it back to a source's id."""
    return _pseudonym(record, pseudonym_key)


def key_values(values: pl.DataFrame, pseudonym_key: bytes) -> pl.Series:
    """A pseudonym of each identifier: equal for equal values, and not to be guessed back.

    Args:
        values: id_type, value.
        pseudonym_key: key of the customer ids.
    """
    pairs = values.select("id_type", "value").iter_rows()
    return pl.Series("value_key", _pseudonyms(pairs, pseudonym_key), dtype=pl.String)


def _pseudonyms(rows: Iterable[tuple[str, ...]], pseudonym_key: bytes) -> list[str]:
    return [_pseudonym(("value", *row), pseudonym_key) for row in rows]


def _pseudonym(parts: tuple[str, ...], pseudonym_key: bytes) -> str:
    told = "\x1f".join(parts)
    if "\x1e" in told or told.count("\x1f") >= len(parts):  # else no part can be taken for two
        told = "\x1f".join(
            part.replace("\x1e", "\x1e\x1e").replace("\x1f", "\x1e-") for part in parts
        )
    digest = hmac.digest(pseudonym_key, told.encode(), "sha256")
    return b32encode(digest[:ID_BYTES]).decode().lower()
