"""The keys of a person who is to be forgotten: records, what belongs to them, and identifiers.

An identifier is the person's only if no other customer's record carries it: a family's number or an
office's address stays, with those who are left.
"""

from collections.abc import Mapping
from datetime import date
from functools import partial

import polars as pl

from pipelines.catalogue import Dataset
from pipelines.privacy.references import ENTITIES, Keys, list_keys, record_key
from pipelines.privacy.tombstones import judge_rows

ENTITY_OF_RECORD = {"contact": "contact", "account": "account", "guest_order": "order"}
# Whose rows are customers' own: an identifier that stands in another's is not the person's alone.
OWNERS = ("crm_contacts", "orders")
# Tables whose rows say by which keys a person is known.
KNOWN_BY = ("web_events", "loyalty_entries")
CARRIERS = (*OWNERS, *KNOWN_BY, "identity_links")
CARRIED = ("identifier", "visitor", "named")
FOR_EVER = date.max


def record_keys(records: pl.DataFrame) -> frozenset[str]:
    """The keys of a customer's records.

    Args:
        records: entity, source, source_account_id, source_record_id, as in customer_keys.
    """
    return frozenset(
        record_key(ENTITY_OF_RECORD[entity], source, account, record)
        for entity, source, account, record in records.select(
            "entity", "source", "source_account_id", "source_record_id"
        ).iter_rows()
    )


def find_keys(
    records: frozenset[str],
    tables: Mapping[str, pl.DataFrame],
    datasets: Mapping[str, Dataset],
    country: str | None,
) -> frozenset[str]:
    """All keys that are to be forgotten with a customer's records.

    What belongs to a record (an order, its lines, a case) is followed until nothing new is found.

    Args:
        records: keys of the customer's records.
        tables: the landed rows, by table.
        datasets: the landing tables.
        country: of phone numbers that name none.
    """
    keys = {name: list_keys(frame, datasets[name], country) for name, frame in tables.items()}
    known = records
    while True:
        goes = {
            name: judge_rows(frame, datasets[name], keys[name], partial(_erased_on, known)).goes
            for name, frame in tables.items()
        }
        found = set(known)
        for name in ENTITIES.keys() & tables.keys():
            found |= _texts(keys[name], ("own",), goes[name])
        carried: set[str] = set()
        for name in set(CARRIERS) & tables.keys():
            carried |= _texts(keys[name], CARRIED, goes[name])
        fresh = carried - found
        for name in {*OWNERS, *KNOWN_BY} & tables.keys():
            fresh -= _others(keys[name], goes[name], fresh, found | carried, name)
        found |= fresh
        if found == known:
            return known
        known = frozenset(found)


def _erased_on(known: frozenset[str], texts: pl.Series) -> pl.Series:
    hit = texts.is_in(list(known)).fill_null(value=False)
    return hit.to_frame("hit").select(pl.when("hit").then(pl.lit(FOR_EVER))).to_series()


def _texts(keys: list[Keys], roles: tuple[str, ...], rows: pl.Series) -> set[str]:
    return {
        text
        for one in keys
        if one.role in roles
        for text in one.texts.filter(rows).drop_nulls().unique()
    }


def _others(
    keys: list[Keys], goes: pl.Series, asked: set[str], his: set[str], table: str
) -> set[str]:
    """Which of the keys asked about stand in a row that is another customer's."""
    theirs = ~goes
    if table not in OWNERS:  # a row that names nobody else is of whomever its key is
        names = [one.texts for one in keys if one.role in ("contact", "identifier")]
        strangers = [told.is_not_null() & ~told.is_in(list(his)) for told in names]
        named = pl.Series([False] * len(goes), dtype=pl.Boolean)
        for told in strangers:
            named = named | told.fill_null(value=False)
        theirs = theirs & named
    listed = list(asked)
    return {
        text
        for one in keys
        if one.role in CARRIED
        for text in one.texts.filter(theirs & one.texts.is_in(listed).fill_null(value=False))
    }
