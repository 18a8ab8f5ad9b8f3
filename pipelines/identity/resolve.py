"""Ties records into customers whose ids stay the same, night after night and over a rebuild.

Records and identifier values are the nodes of a graph; a record is tied to the values it carries,
stated links and stewards tie records and values, and records that merely look alike are tied by a
probability. A connected component with a record is one customer (see `graph` for its limits).
"""

from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import polars as pl

from pipelines.identity.contradictions import find_contradictions
from pipelines.identity.evidence import (
    customer_identifiers,
    known_identifiers,
    tell_edges,
    tell_notes,
    tell_reviews,
)
from pipelines.identity.fuzzy import predict_pairs
from pipelines.identity.graph import Limits, connect, find_components
from pipelines.identity.guests import part_guests
from pipelines.identity.households import read_homes
from pipelines.identity.names import normalise_names
from pipelines.identity.naming import append_aliases, name_customers
from pipelines.identity.refs import RECORD, key_values
from pipelines.identity.ties import (
    EDGE,
    FIRST_SIGNAL_RANK,
    FUZZY_RANK,
    Decided,
    apply_decisions,
    find_ties,
    make_edges,
)
from pipelines.identity.values import (
    IDENTIFIER,
    RAW,
    SHARED,
    find_crowded,
    forget_untying,
    group_carriers,
    judge_identifiers,
    mark_crowded,
    number_personas,
)
from pipelines.rules.identity import Identity, IdentityRules
from pipelines.rules.identity_model import IdentityModel

# Types of which nobody but one person, or one organisation, has the value.
PERSONAL = {"unionid", "external_userid", "user_id"}
LEAVES_NO_DOUBT = (pl.col("rank") < FIRST_SIGNAL_RANK) | pl.col("tie").is_in(PERSONAL)
LOGIN = "login "


@dataclass(frozen=True)
class Signals:
    """What the sources say about who is who.

    records: node (by age), RECORD, party, first_known_on, first_seen_on, is_deleted
    signals: node, id_type, raw_value, country_code, landed_on
    ties: tie, source, source_account_id, id_type_a, id_a, id_type_b, id_b, since_on
    lookups: id_type, raw_value, country_code, of touches that name nobody's record
    profiles: node, party, and what the record says of its person or organisation
    """

    records: pl.DataFrame
    signals: pl.DataFrame
    ties: pl.DataFrame
    lookups: pl.DataFrame
    profiles: pl.DataFrame


@dataclass(frozen=True)
class Policy:
    """The rules of one night.

    logins: sources in which a person has one record at most.
    model: the trained model of `fuzzy`.
    """

    identity: Identity
    decisions: IdentityRules
    logins: tuple[str, ...]
    model: IdentityModel


@dataclass(frozen=True)
class Memory:
    """What the last release knew: `customer_keys`, `customer_aliases`, `identity_edges`."""

    keys: pl.DataFrame
    aliases: pl.DataFrame | None = None
    edges: pl.DataFrame | None = None


@dataclass(frozen=True)
class Resolved:
    """Customers of one night; each frame is the catalogue's dataset of that name, sorted."""

    customer_keys: pl.DataFrame
    known_identifiers: pl.DataFrame
    customer_identifiers: pl.DataFrame
    customer_aliases: pl.DataFrame
    identity_edges: pl.DataFrame
    identity_reviews: pl.DataFrame
    record_homes: pl.DataFrame
    notes: tuple[str, ...]


def resolve_customers(
    signals: Signals, memory: Memory | None, policy: Policy, pseudonym_key: bytes, as_of: date
) -> Resolved:
    """Give every record its customer, and say why.

    Args:
        signals: records, identifiers, ties and profiles as of the run date.
        memory: the last release before it, if any.
        policy: limits, thresholds and the decisions of stewards.
        pseudonym_key: key of the customer ids.
        as_of: the run date.
    """
    records = signals.records.sort("node")
    profiles = normalise_names(signals.profiles)
    ends = [
        signals.ties.select(
            pl.col(f"id_type_{end}").alias("id_type"),
            pl.col(f"id_{end}").alias("raw_value"),
            pl.lit("").alias("country_code"),
        ).filter(pl.col("id_type") != "contact_id")
        for end in ("a", "b")
    ]
    identifiers = judge_identifiers(
        signals.signals, pl.concat([signals.lookups, *ends]), records,
        policy.identity, policy.decisions.blocked,
    )  # fmt: skip
    personas = number_personas(profiles)
    carried, conflicts = group_carriers(
        _carry(signals.signals, identifiers, records),
        personas,
        [kind for kind in policy.identity.signals if kind not in PERSONAL],
    )
    guests = records.filter(pl.col("entity") == "guest_order").select("node")
    crowded = find_crowded(carried, records, policy.identity)
    identifiers = mark_crowded(identifiers, crowded)
    carried, conflicts = (
        frame.join(crowded, on=IDENTIFIER, how="anti") for frame in (carried, conflicts)
    )
    carried = part_guests(carried, guests, personas)
    values = _number_values(carried, identifiers, records.height)
    decided = apply_decisions(policy.decisions, records, _bearers(memory), pseudonym_key)
    certain = pl.concat(
        [
            _carried_edges(carried, values, policy.identity),
            find_ties(signals.ties, records, identifiers, values),
            decided.links,
        ]
    )
    size = records.height + values.height
    profiles = forget_untying(profiles, signals.signals, identifiers)
    guessed = _guess(profiles, find_components(certain, size), policy, as_of)
    alike = guessed.filter(pl.col("conflict").is_null(), pl.col("is_link"))
    limits = _limits(records, carried, values, decided, policy)
    tied = pl.concat([certain, make_edges(alike)])
    _, component = connect(tied, size, limits)
    undoubted = find_components(tied.filter(LEAVES_NO_DOUBT), size)
    contradictions = find_contradictions(personas, component, undoubted)
    edges, component = connect(tied, size, replace(limits, apart=(*contradictions, *limits.apart)))
    records = records.with_columns(pl.Series("component", component[: records.height]))
    keys = memory.keys.sort("first_seen_on", *RECORD) if memory else None
    named, notes = name_customers(records, keys, memory.aliases if memory else None, pseudonym_key)
    owners = _own(values, component, named, pseudonym_key)
    return Resolved(
        customer_keys=named.drop("component", "node").sort(RECORD),
        known_identifiers=known_identifiers(identifiers, carried, owners, named),
        customer_identifiers=customer_identifiers(carried, named, owners),
        customer_aliases=append_aliases(
            memory.aliases if memory else None, keys, named, as_of, pseudonym_key
        ),
        identity_edges=tell_edges(edges, named, owners, memory.edges if memory else None),
        identity_reviews=tell_reviews(guessed, carried, conflicts, named, owners, decided.apart),
        record_homes=records.select("node", *RECORD)
        .join(read_homes(profiles), on="node")
        .drop("node")
        .sort(RECORD),
        notes=tell_notes(identifiers, notes, edges, decided),
    )


def _bearers(memory: Memory | None) -> pl.DataFrame:
    """Records that bore each customer id in the last release, and those of ids that went."""
    schema = dict.fromkeys(["customer_id", *RECORD], pl.String)
    if memory is None:
        return pl.DataFrame(schema=schema)
    borne = memory.keys.sort("first_seen_on", *RECORD).select(list(schema))
    if memory.aliases is None:
        return borne
    latest = memory.aliases.unique("alias_id", keep="last", maintain_order=True)
    return pl.concat([borne, latest.select(pl.col("alias_id").alias("customer_id"), *RECORD)])


def _carry(signals: pl.DataFrame, identifiers: pl.DataFrame, records: pl.DataFrame) -> pl.DataFrame:
    """The values that each record carries and that tie: node, id_type, value, party, landed_on."""
    return (
        signals.join(identifiers.filter(pl.col("status") == "links"), on=RAW)
        .group_by("node", *IDENTIFIER)
        .agg(pl.col("landed_on").min())
        .join(records.select("node", "party"), on="node")
    )


def _number_values(carried: pl.DataFrame, identifiers: pl.DataFrame, first: int) -> pl.DataFrame:
    """A node for each value and group of its carriers, and for values that only ties name."""
    linking = identifiers.filter(pl.col("status") == "links").select(IDENTIFIER)
    groups = carried.select(*SHARED, "group").unique()
    persons = groups.filter(pl.col("party") == "person")
    bare = linking.unique().join(persons, on=IDENTIFIER, how="anti")
    nobody = bare.with_columns(pl.lit("person").alias("party"), pl.lit(0, pl.Int64).alias("group"))
    return (
        pl.concat([groups, nobody])
        .sort(*SHARED, "group")
        .with_row_index("node", offset=first)
        .with_columns(pl.col("node").cast(pl.Int64))
    )


def _carried_edges(carried: pl.DataFrame, values: pl.DataFrame, identity: Identity) -> pl.DataFrame:
    ranks = {kind: FIRST_SIGNAL_RANK + signal.priority for kind, signal in identity.signals.items()}
    tied = carried.join(values, on=[*SHARED, "group"], suffix="_value")
    return make_edges(
        tied.select(
            node_a="node",
            node_b="node_value",
            tie="id_type",
            rank=pl.col("id_type").replace_strict(ranks),
            since_on="landed_on",
        )
    )


def _guess(
    profiles: pl.DataFrame, component: np.ndarray, policy: Policy, as_of: date
) -> pl.DataFrame:
    """Pairs of records that look alike and that nothing ties: EDGE, conflict, is_link."""
    fuzzy = policy.identity.fuzzy
    if not fuzzy.is_on:
        return pl.DataFrame(schema={**EDGE, "conflict": pl.String, "is_link": pl.Boolean})
    pairs = predict_pairs(profiles, policy.model, fuzzy)
    here, there = (pl.Series(component[pairs[end].to_numpy()]) for end in ("node_a", "node_b"))
    return pairs.filter(here != there).select(
        "node_a",
        "node_b",
        pl.lit("fuzzy").alias("tie"),
        pl.lit(FUZZY_RANK, pl.Int64).alias("rank"),
        "probability",
        "weight",
        pl.lit(as_of).alias("since_on"),
        pl.lit(None, pl.String).alias("rule"),
        "conflict",
        (pl.col("probability") >= fuzzy.link_above).alias("is_link"),
    )


def _limits(
    records: pl.DataFrame,
    carried: pl.DataFrame,
    values: pl.DataFrame,
    decided: Decided,
    policy: Policy,
) -> Limits:
    """A customer is a person or an organisation, has one log-in of a shop, and so many numbers."""
    logins = records.filter(
        pl.col("entity") == "contact", pl.col("source").is_in(list(policy.logins))
    ).select(
        "node",
        (pl.lit(LOGIN) + pl.col("source")).alias("id_type"),
        pl.concat_str("source_account_id", "source_record_id", separator="\x1f").alias("value"),
    )
    parties = records.filter(pl.col("entity") != "guest_order").select(
        "node", pl.lit("party").alias("id_type"), pl.col("party").alias("value")
    )
    most: dict[str, int] = {
        kind: signal.max_per_customer
        for kind, signal in policy.identity.signals.items()
        if signal.max_per_customer is not None
    }
    most |= {"party": 1} | {f"{LOGIN}{source}": 1 for source in policy.logins}
    said = pl.concat([frame.select("node", *IDENTIFIER) for frame in (carried, values)])
    return Limits(
        apart=decided.apart,
        held=pl.concat([said.filter(pl.col("id_type").is_in(list(most))), logins, parties]),
        most=pl.DataFrame(
            list(most.items()),
            schema={"id_type": pl.String, "max_per_customer": pl.Int64},
            orient="row",
        ),
    )


def _own(
    values: pl.DataFrame, component: np.ndarray, named: pl.DataFrame, pseudonym_key: bytes
) -> pl.DataFrame:
    """Whose each value is: node, SHARED, group, value_key, customer_id (null: nobody's)."""
    customers = named.unique("component").select("component", "customer_id")
    first = named.height
    owned = values.with_columns(pl.Series("component", component[first:])).join(
        customers, on="component", how="left", maintain_order="left"
    )
    return owned.with_columns(key_values(owned, pseudonym_key)).drop("component")
