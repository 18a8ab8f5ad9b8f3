"""What is told of a night's resolution: whose each identifier is, every tie, every doubt."""

import polars as pl

from pipelines.identity.refs import write_ref
from pipelines.identity.ties import FIRST_SIGNAL_RANK, FUZZY_RANK, Decided
from pipelines.identity.values import IDENTIFIER, RAW, SHARED
from pipelines.wording import count_of


def known_identifiers(
    identifiers: pl.DataFrame, carried: pl.DataFrame, owners: pl.DataFrame, named: pl.DataFrame
) -> pl.DataFrame:
    """Each identifier as written, and whose it is if it is one customer's who is still there.

    Who carries a value without being tied by it, as after a cannot-link, has it too.
    """
    living = named.filter(~pl.col("is_deleted")).select("customer_id").unique()
    carriers = carried.join(named.select("node", "customer_id"), on="node")
    holders = [frame.select(*IDENTIFIER, "customer_id") for frame in (owners, carriers)]
    whose = (
        pl.concat(holders)
        .join(living, on="customer_id", how="semi")
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


def customer_identifiers(
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


def tell_edges(
    edges: pl.DataFrame, named: pl.DataFrame, owners: pl.DataFrame, before: pl.DataFrame | None
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
        .alias("status"),
        pl.when(pl.col("rank").is_between(FIRST_SIGNAL_RANK, FUZZY_RANK, closed="left"))
        .then(pl.col("rank") - FIRST_SIGNAL_RANK)
        .alias("priority"),
    )
    return _keep_since(told, before).select(
        "end_a", "end_b", "tie", "priority", "rule", "probability", "weight", "since_on",
        "status", "dropped_because", "customer_id_a", "customer_id_b",
    ).sort("end_a", "end_b", "tie")  # fmt: skip


def _stated_values(edges: pl.DataFrame) -> pl.Series:
    """Nodes that stated ties name: a value that one record carries may join another through one."""
    stated = edges.filter(pl.col("rank") < FIRST_SIGNAL_RANK)
    return pl.concat([stated["node_a"], stated["node_b"]]).unique().implode()


def _keep_since(told: pl.DataFrame, before: pl.DataFrame | None) -> pl.DataFrame:
    """A guess is dated by the night that made it first."""
    if before is None:
        return told
    ends = ["end_a", "end_b", "tie"]
    former = before.filter(pl.col("tie") == "fuzzy").select(*ends, before="since_on")
    return told.join(former, on=ends, how="left").with_columns(
        pl.coalesce("before", "since_on").alias("since_on")
    )


def tell_reviews(
    guessed: pl.DataFrame,
    carried: pl.DataFrame,
    conflicts: pl.DataFrame,
    named: pl.DataFrame,
    owners: pl.DataFrame,
    apart: tuple[tuple[int, int, str], ...],
) -> pl.DataFrame:
    """Pairs of records that a person should look at, of customers that are not one.

    What a steward has parted needs no second look.
    """
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
    decided = pl.DataFrame(
        [(min(pair[:2]), max(pair[:2])) for pair in apart],
        schema={"node_a": pl.Int64, "node_b": pl.Int64},
        orient="row",
    )
    told = pl.concat([probable, sharing.cast({"node_a": pl.Int64, "node_b": pl.Int64})]).join(
        decided, on=["node_a", "node_b"], how="anti"
    )
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


def tell_notes(
    identifiers: pl.DataFrame, names: list[str], edges: pl.DataFrame, decided: Decided
) -> tuple[str, ...]:
    """Sentences for the manifest; `names` are those about new and merged customers."""
    return (
        *_identifier_notes(identifiers),
        *names,
        *_edge_notes(edges),
        *_rule_notes(decided),
    )


def _identifier_notes(identifiers: pl.DataFrame) -> list[str]:
    # What is not valid has no value to be told apart by but the one that is written.
    told = identifiers.select("id_type", pl.coalesce("value", "raw_value").alias("value"), "status")
    counts = told.unique().group_by("id_type", "status").len()
    found = counts.filter(pl.col("status") != "links").sort(pl.all())
    idle = found.with_columns(pl.col("status").str.replace_all("_", " ", literal=True))
    return [
        count_of(count, f"{name} value is {status} and ties", f"{name} values are {status} and tie")
        + " nobody."
        for name, status, count in idle.iter_rows()
    ]


def _edge_notes(edges: pl.DataFrame) -> list[str]:
    dropped = edges.drop_nulls("dropped_because").group_by("dropped_because").len().sort(pl.all())
    return [
        f"{count_of(count, 'tie was', 'ties were')} dropped by {reason}: see identity_edges."
        for reason, count in dropped.iter_rows()
    ]


def _rule_notes(decided: Decided) -> list[str]:
    if not decided.unknown:
        return []
    return [
        "identity_rules.yml names "
        f"{count_of(len(decided.unknown), 'record that is', 'records that are')} not there "
        f"tonight: {', '.join(decided.unknown[:5])}."
    ]
