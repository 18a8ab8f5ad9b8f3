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
from pipelines.identity.fuzzy import predict_pairs
from pipelines.identity.graph import Limits, connect, find_components
from pipelines.identity.households import read_homes
from pipelines.identity.names import normalise_names
from pipelines.identity.naming import append_aliases, name_customers
from pipelines.identity.refs import RECORD, key_values, write_ref
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
    group_carriers,
    judge_identifiers,
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

    records: node (by age), RECORD, party, first_landed_on, first_seen_on, is_deleted
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
    values = _number_values(carried, identifiers, records.height)
    decided = apply_decisions(policy.decisions, records, pseudonym_key)
    certain = pl.concat(
        [
            _carried_edges(carried, values, policy.identity),
            find_ties(signals.ties, records, identifiers, values),
            decided.links,
        ]
    )
    size = records.height + values.height
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
    named, notes = name_customers(records, keys, pseudonym_key)
    owners = _own(values, component, named, pseudonym_key)
    return Resolved(
        customer_keys=named.drop("component", "node").sort(RECORD),
        known_identifiers=_known_identifiers(identifiers, owners, named),
        customer_identifiers=_customer_identifiers(carried, named, owners),
        customer_aliases=append_aliases(
            memory.aliases if memory else None, keys, named, as_of, pseudonym_key
        ),
        identity_edges=_tell_edges(edges, named, owners, memory),
        identity_reviews=_tell_reviews(guessed, carried, conflicts, named, owners),
        record_homes=records.select("node", *RECORD)
        .join(read_homes(profiles), on="node")
        .drop("node")
        .sort(RECORD),
        notes=(*_identifier_notes(identifiers), *notes, *_edge_notes(edges), *_rule_notes(decided)),
    )


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


def _known_identifiers(
    identifiers: pl.DataFrame, owners: pl.DataFrame, named: pl.DataFrame
) -> pl.DataFrame:
    """Each identifier as written, and whose it is if it is one customer's who is still there."""
    living = named.filter(~pl.col("is_deleted")).select("customer_id").unique()
    whose = (
        owners.join(living, on="customer_id", how="semi")
        .group_by(IDENTIFIER)
        .agg(pl.col("customer_id").n_unique().alias("owners"), pl.col("customer_id").first())
    )
    is_shared = pl.col("owners") > 1
    return (
        identifiers.join(whose, on=IDENTIFIER, how="left")
        .with_columns(
            pl.when(is_shared).then(pl.lit("shared")).otherwise("status").alias("status"),
            pl.when(is_shared.fill_null(False))
            .then(None)
            .otherwise("customer_id")
            .alias("customer_id"),
        )
        .select(*RAW, "value", "status", "customer_id")
        .sort(RAW)
    )


def _customer_identifiers(
    carried: pl.DataFrame, named: pl.DataFrame, owners: pl.DataFrame
) -> pl.DataFrame:
    """The values of each customer, as pseudonyms."""
    keyed = carried.join(owners.drop("node", "customer_id"), on=[*SHARED, "group"])
    held = keyed.join(named.select("node", "customer_id", "source"), on="node")
    shared = held.group_by("id_type", "value_key").agg(
        (pl.col("customer_id").n_unique() > 1).alias("is_shared")
    )
    return (
        held.group_by("customer_id", "id_type", "value_key")
        .agg(
            pl.col("node").n_unique().cast(pl.Int64).alias("record_count"),
            pl.col("source").n_unique().cast(pl.Int64).alias("source_count"),
            pl.col("landed_on").min().alias("first_landed_on"),
        )
        .join(shared, on=["id_type", "value_key"])
        .sort("customer_id", "id_type", "value_key")
    )


def _name_nodes(named: pl.DataFrame, owners: pl.DataFrame) -> pl.DataFrame:
    """How each node is written, and whose it is: node, ref, customer_id."""
    records = named.select("node", write_ref().alias("ref"), "customer_id")
    # One number of two people is two nodes, and no path leads through it from one to the other.
    place = pl.int_range(1, pl.len() + 1).over(IDENTIFIER)
    values = owners.select(
        "node",
        pl.concat_str(
            "id_type",
            pl.lit("#"),
            "value_key",
            pl.when(place == 1).then(pl.lit("")).otherwise(pl.format("/{}", place)),
        ).alias("ref"),
        "customer_id",
    )
    return pl.concat([records.cast({"node": pl.Int64}), values])


def _tell_edges(
    edges: pl.DataFrame, named: pl.DataFrame, owners: pl.DataFrame, memory: Memory | None
) -> pl.DataFrame:
    """The ties that join something, and those that were dropped.

    A value that one record alone carries joins nothing.
    """
    carriers = edges.group_by("node_b").len("carriers")
    bearing = edges.join(carriers, on="node_b").filter(
        (pl.col("node_b") < named.height)
        | (pl.col("carriers") > 1)
        | ~pl.col("rank").is_between(FIRST_SIGNAL_RANK, FUZZY_RANK, closed="left")
        | pl.col("node_b").is_in(_stated_values(edges))
    )
    nodes = _name_nodes(named, owners)
    told = bearing.cast({"node_a": pl.Int64, "node_b": pl.Int64})
    for end in ("a", "b"):
        told = told.join(
            nodes.rename(
                {"node": f"node_{end}", "ref": f"end_{end}", "customer_id": f"customer_id_{end}"}
            ),
            on=f"node_{end}",
        )
    told = told.with_columns(
        pl.when(pl.col("dropped_because").is_null())
        .then(pl.lit("links"))
        .otherwise(pl.lit("dropped"))
        .alias("status")
    )
    return _keep_since(told, memory).select(
        "end_a", "end_b", "tie", "probability", "weight", "since_on", "status", "dropped_because",
        "customer_id_a", "customer_id_b",
    ).sort("end_a", "end_b", "tie")  # fmt: skip


def _stated_values(edges: pl.DataFrame) -> pl.Series:
    """Nodes that stated ties name: a value that one record carries may join another through one."""
    stated = edges.filter(pl.col("rank") < FIRST_SIGNAL_RANK)
    return pl.concat([stated["node_a"], stated["node_b"]]).unique().implode()


def _keep_since(told: pl.DataFrame, memory: Memory | None) -> pl.DataFrame:
    """A guess is dated by the night that made it first."""
    if memory is None or memory.edges is None:
        return told
    ends = ["end_a", "end_b", "tie"]
    before = memory.edges.filter(pl.col("tie") == "fuzzy").select(*ends, before="since_on")
    return told.join(before, on=ends, how="left").with_columns(
        pl.coalesce("before", "since_on").alias("since_on")
    )


def _tell_reviews(
    guessed: pl.DataFrame,
    carried: pl.DataFrame,
    conflicts: pl.DataFrame,
    named: pl.DataFrame,
    owners: pl.DataFrame,
) -> pl.DataFrame:
    """Pairs of records that a person should look at, of customers that are not one."""
    probable = guessed.select(
        "node_a",
        "node_b",
        pl.coalesce(pl.lit("conflict ") + pl.col("conflict"), pl.lit("probable")).alias("reason"),
        pl.lit(None, pl.String).alias("shared"),
        "probability",
        "weight",
    )
    bearers = (
        carried.filter(pl.col("persona").is_not_null())
        .sort("node")
        .unique([*SHARED, "persona"], keep="first", maintain_order=True)
        .select("node", *SHARED, "persona")
    )
    keys = owners.unique(IDENTIFIER).select(
        *IDENTIFIER, (pl.col("id_type") + "#" + pl.col("value_key")).alias("shared")
    )
    sharing = (
        conflicts.join(
            bearers.rename({"node": "node_a", "persona": "persona_a"}), on=[*SHARED, "persona_a"]
        )
        .join(bearers.rename({"node": "node_b", "persona": "persona_b"}), on=[*SHARED, "persona_b"])
        .join(keys, on=IDENTIFIER)
        .select(
            pl.min_horizontal("node_a", "node_b").alias("node_a"),
            pl.max_horizontal("node_a", "node_b").alias("node_b"),
            (pl.lit("conflict ") + pl.col("conflict")).alias("reason"),
            "shared",
            pl.lit(None, pl.Float64).alias("probability"),
            pl.lit(None, pl.Float64).alias("weight"),
        )
    )
    nodes = named.select("node", write_ref().alias("ref"), "customer_id").cast({"node": pl.Int64})
    told = pl.concat([probable, sharing.cast({"node_a": pl.Int64, "node_b": pl.Int64})])
    for end in ("a", "b"):
        told = told.join(
            nodes.rename(
                {"node": f"node_{end}", "ref": f"end_{end}", "customer_id": f"customer_id_{end}"}
            ),
            on=f"node_{end}",
        )
    return (
        told.filter(pl.col("customer_id_a") != pl.col("customer_id_b"))
        .select(
            "end_a",
            "end_b",
            "reason",
            "shared",
            "probability",
            "weight",
            "customer_id_a",
            "customer_id_b",
        )
        .unique()
        .sort("end_a", "end_b", "reason", "shared", nulls_last=False)
    )


def _identifier_notes(identifiers: pl.DataFrame) -> list[str]:
    counts = identifiers.unique([*IDENTIFIER, "status"]).group_by("id_type", "status").len()
    return [
        f"{count} {id_type} values are {status.replace('_', ' ')} and tie nobody."
        for id_type, status, count in counts.filter(pl.col("status") != "links")
        .sort(pl.all())
        .rows()
    ]


def _edge_notes(edges: pl.DataFrame) -> list[str]:
    dropped = edges.drop_nulls("dropped_because").group_by("dropped_because").len().sort(pl.all())
    return [
        f"{count} ties were dropped by {reason}: see identity_edges."
        for reason, count in dropped.iter_rows()
    ]


def _rule_notes(decided: Decided) -> list[str]:
    if not decided.unknown:
        return []
    return [
        f"identity_rules.yml names {len(decided.unknown)} records that are not there tonight: "
        f"{', '.join(decided.unknown[:5])}."
    ]
