"""Ties records into customers whose ids stay the same, night after night and over a rebuild.

Records and identifier values are the nodes of a graph; a record is tied to the values it carries,
and stated links tie values and records. A connected component with a record is one customer.

A customer is named after its oldest record. So two runs over the same records give the same ids
without any memory. The last release is still read, for what the records alone cannot say: a
record that is delivered late, yet older, must not rename a customer who already has a name.
"""

import hmac
from base64 import b32encode
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from pipelines.identity.normalise import normalise_identifiers
from pipelines.rules.schemas import Identity

RECORD = ["entity", "source", "source_account_id", "source_record_id"]
IDENTIFIER = ["id_type", "value"]
RAW = ["id_type", "raw_value", "country_code"]
AGE = ["first_seen_on", *RECORD]
ID_BYTES = 10  # 16 characters


@dataclass(frozen=True)
class Resolved:
    """Customers of one night."""

    keys: pl.DataFrame
    identifiers: pl.DataFrame
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Signals:
    """What the sources say about who is who.

    records: entity, source, source_account_id, source_record_id, first_seen_on
    signals: the record's key, id_type, raw_value, country_code
    ties: tie, source, source_account_id, id_type_a, id_a, id_type_b, id_b
    lookups: id_type, raw_value, country_code, of touches that name nobody's record
    """

    records: pl.DataFrame
    signals: pl.DataFrame
    ties: pl.DataFrame
    lookups: pl.DataFrame


def resolve_customers(
    signals: Signals, previous_keys: pl.DataFrame | None, rules: Identity, pseudonym_key: bytes
) -> Resolved:
    """Give every record its customer.

    Args:
        signals: records, identifiers and ties as of the run date.
        previous_keys: `customer_keys` of the last release before it, if any.
        rules: limits and blocked values.
        pseudonym_key: key of the customer ids.

    Returns:
        Resolved: `keys` (`customer_keys` of the catalogue) and `identifiers`
        (`customer_identifiers`), both sorted; notes for the manifest.
    """
    records = (
        signals.records.sort(AGE)
        .unique(RECORD, keep="first", maintain_order=True)
        .with_row_index("node")
    )
    identifiers = _judge_identifiers(signals, records, rules)
    values = (
        identifiers.filter(pl.col("status") == "links")
        .select(IDENTIFIER)
        .unique()
        .sort(IDENTIFIER)
        .with_row_index("node", offset=records.height)
    )
    edges = np.concatenate(
        [
            _carried(signals.signals, records, identifiers, values),
            _tied(signals.ties, records, identifiers, values),
        ]
    )
    component = _components(edges, records.height + values.height)
    records = records.with_columns(pl.Series("component", component[: records.height]))
    named, notes = _name_customers(records, previous_keys, pseudonym_key)
    owners = values.with_columns(pl.Series("component", component[records.height :])).join(
        named.unique("component").select("component", "customer_id"), on="component", how="left"
    )
    return Resolved(
        keys=named.select(*RECORD, "first_seen_on", "customer_id").sort(RECORD),
        identifiers=identifiers.join(
            owners.select(*IDENTIFIER, "customer_id"), on=IDENTIFIER, how="left"
        ).sort(RAW),
        notes=(*_identifier_notes(identifiers), *notes),
    )


def _judge_identifiers(signals: Signals, records: pl.DataFrame, rules: Identity) -> pl.DataFrame:
    """Say of every identifier as written what it is compared as, and whether it ties records."""
    ends = [
        signals.ties.select(
            pl.col(f"id_type_{end}").alias("id_type"),
            pl.col(f"id_{end}").alias("raw_value"),
            pl.lit("").alias("country_code"),
        ).filter(pl.col("id_type") != "contact_id")
        for end in ("a", "b")
    ]
    written = pl.concat([signals.signals.select(RAW), signals.lookups.select(RAW), *ends]).unique()
    compared = normalise_identifiers(written, rules.default_country)
    blocked = pl.DataFrame(
        sorted({(kind, value, "") for kind, values in rules.blocked.items() for value in values}),
        schema=dict.fromkeys(RAW, pl.String),
        orient="row",
    )
    never = (
        normalise_identifiers(blocked, rules.default_country)
        .select(IDENTIFIER)
        .unique()
        .with_columns(pl.lit(True).alias("is_blocked"))
    )
    limits = pl.DataFrame(
        [
            (kind, limit.max_accounts, limit.max_guest_orders)
            for kind, limit in rules.limits.items()
        ],
        schema={"id_type": pl.String, "max_accounts": pl.Int64, "max_guest_orders": pl.Int64},
        orient="row",
    )
    is_guest = pl.col("entity") == "guest_order"
    shared = (
        signals.signals.join(compared, on=RAW)
        .unique([*RECORD, *IDENTIFIER])
        .group_by(IDENTIFIER)
        .agg((~is_guest).sum().alias("accounts"), is_guest.sum().alias("guest_orders"))
    )
    too_common = (pl.col("accounts") > pl.col("max_accounts")) | (
        pl.col("guest_orders") > pl.col("max_guest_orders")
    )
    return (
        compared.join(shared, on=IDENTIFIER, how="left")
        .join(limits, on="id_type", how="left")
        .join(never, on=IDENTIFIER, how="left")
        .with_columns(
            pl.when(pl.col("value").is_null())
            .then(pl.lit("invalid"))
            .when(pl.col("is_blocked"))
            .then(pl.lit("blocked"))
            .when(too_common.fill_null(False))
            .then(pl.lit("too_common"))
            .otherwise(pl.lit("links"))
            .alias("status")
        )
        .select(*RAW, "value", "status")
    )


def _carried(
    signals: pl.DataFrame, records: pl.DataFrame, identifiers: pl.DataFrame, values: pl.DataFrame
) -> np.ndarray:
    """Edges from a record to each value that it carries."""
    return (
        signals.join(identifiers, on=RAW)
        .join(records.select(*RECORD, "node"), on=RECORD)
        .join(values, on=IDENTIFIER, suffix="_value")
        .select("node", "node_value")
        .unique()
        .to_numpy()
    )


def _tied(
    ties: pl.DataFrame, records: pl.DataFrame, identifiers: pl.DataFrame, values: pl.DataFrame
) -> np.ndarray:
    """Edges that somebody stated. A tie to a record or value that nobody has ties nothing.

    A contact is looked for in the source that states the tie; else, written `source:id`, in that
    one, where it ties nothing if several accounts of that source have a contact of this id.
    """
    contacts = records.filter(pl.col("entity") == "contact")
    nodes = ties.with_row_index("tie_number")
    for end in ("a", "b"):
        of_value = (
            nodes.select("tie_number", id_type=f"id_type_{end}", raw_value=f"id_{end}")
            .join(identifiers.filter(pl.col("country_code") == ""), on=["id_type", "raw_value"])
            .join(values, on=IDENTIFIER)
            .select("tie_number", pl.col("node").alias(f"node_{end}"))
        )
        elsewhere = pl.col(f"id_{end}").str.splitn(":", 2)
        of_contact = nodes.filter(pl.col(f"id_type_{end}") == "contact_id").with_columns(
            other_source=elsewhere.struct.field("field_0"),
            other_id=elsewhere.struct.field("field_1"),
        )
        here = of_contact.join(
            contacts,
            left_on=["source", "source_account_id", f"id_{end}"],
            right_on=["source", "source_account_id", "source_record_id"],
        )
        there = (
            of_contact.join(here, on="tie_number", how="anti")
            .join(
                contacts,
                left_on=["other_source", "other_id"],
                right_on=["source", "source_record_id"],
            )
            .filter(pl.len().over("tie_number") == 1)
        )
        found = [of_value] + [
            frame.select("tie_number", pl.col("node").alias(f"node_{end}"))
            for frame in (here, there)
        ]
        nodes = nodes.join(pl.concat(found), on="tie_number")
    return nodes.select("node_a", "node_b").unique().to_numpy()


def _components(edges: np.ndarray, size: int) -> np.ndarray:
    ones = np.ones(len(edges), dtype=np.int8)
    graph = coo_matrix((ones, (edges[:, 0], edges[:, 1])), shape=(size, size))
    return np.asarray(connected_components(graph, directed=False)[1])


def _name_customers(
    records: pl.DataFrame, previous_keys: pl.DataFrame | None, pseudonym_key: bytes
) -> tuple[pl.DataFrame, list[str]]:
    """Name each component after its oldest record, unless it already had a name.

    Of several names it had, the oldest stays. A name that the records of several components had
    goes to the one that holds the record it was minted from, else to the one with the oldest.
    """
    oldest = records.sort(AGE).unique("component", keep="first", maintain_order=True)
    if previous_keys is None or previous_keys.is_empty():
        named = records.join(_mint_new(oldest, set(), pseudonym_key), on="component")
        return named, [f"{oldest.height} customers, all new."]
    before = previous_keys.sort(AGE).rename({"customer_id": "previous_id"})
    by_age = before.unique("previous_id", keep="first", maintain_order=True)
    had = records.join(before.select(*RECORD, "previous_id"), on=RECORD).join(
        by_age.select("previous_id").with_row_index("age"), on="previous_id"
    )
    torn = had.unique(["previous_id", "component"]).group_by("previous_id").len()
    torn = torn.filter(pl.col("len") > 1)
    named_after = had.join(torn, on="previous_id", how="semi")
    is_mint = [
        _mint(row[:-1], pseudonym_key) == row[-1]
        for row in named_after.select(*RECORD, "previous_id").rows()
    ]
    minted_from = named_after.filter(pl.Series(is_mint, dtype=pl.Boolean)).select(
        "previous_id", pl.col("component").alias("heir")
    )
    claims = (
        had.sort(AGE)
        .unique("previous_id", keep="first", maintain_order=True)
        .join(minted_from, on="previous_id", how="left")
        .with_columns(pl.coalesce("heir", "component").alias("component"))
        .sort("age")
    )
    kept = claims.unique("component", keep="first", maintain_order=True)
    new = oldest.join(kept, on="component", how="anti")
    named_now = pl.concat(
        [
            kept.select("component", customer_id="previous_id"),
            _mint_new(new, set(kept["previous_id"]), pseudonym_key),
        ]
    )
    named = records.join(named_now, on="component")
    merged = claims.height - kept.height
    return named, [
        f"{oldest.height} customers: {oldest.height - kept.height} new, "
        f"{merged} merged into an older one, {torn.height} split."
    ]


def _mint_new(oldest: pl.DataFrame, taken: set[str], pseudonym_key: bytes) -> pl.DataFrame:
    """Names of new customers, from the oldest record of each; never one that is taken.

    A record that was gone for a night and comes back may find its name with those it was tied to.
    """
    names = []
    for record in oldest.select(RECORD).iter_rows():
        name, attempt = _mint(record, pseudonym_key), 1
        while name in taken:
            attempt += 1
            name = _mint((*record, str(attempt)), pseudonym_key)
        names.append(name)
    return oldest.select("component", pl.Series("customer_id", names, dtype=pl.String))


def _mint(record: tuple[str, ...], pseudonym_key: bytes) -> str:
    """A customer id: keyed, so that nobody can guess it back to a source's id."""
    parts = (part.replace("\x1e", "\x1e\x1e").replace("\x1f", "\x1e-") for part in record)
    digest = hmac.digest(pseudonym_key, "\x1f".join(parts).encode(), "sha256")
    return b32encode(digest[:ID_BYTES]).decode().lower()


def _identifier_notes(identifiers: pl.DataFrame) -> list[str]:
    counts = identifiers.unique([*IDENTIFIER, "status"]).group_by("id_type", "status").len()
    return [
        f"{count} {id_type} values are {status.replace('_', ' ')} and tie nobody."
        for id_type, status, count in counts.filter(pl.col("status") != "links")
        .sort(pl.all())
        .rows()
    ]
