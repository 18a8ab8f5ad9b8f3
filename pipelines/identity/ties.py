"""Ties that somebody stated: sources that merged records, log-ins, stewards."""

from dataclasses import dataclass

import polars as pl

from pipelines.identity.refs import RECORD, mint_id, read_ref
from pipelines.identity.values import IDENTIFIER
from pipelines.rules.identity import CUSTOMER_ID, IdentityRules, PairDecision

EDGE = {
    "node_a": pl.Int64, "node_b": pl.Int64, "tie": pl.String, "rank": pl.Int64,
    "probability": pl.Float64, "weight": pl.Float64, "since_on": pl.Date, "rule": pl.String,
}  # fmt: skip
# A steward knows better than a source, and a source better than what two records share.
RANKS = {"must_link": 0, "merged_into": 1, "stated_link": 2}
FIRST_SIGNAL_RANK, FUZZY_RANK = 10, 1000


@dataclass(frozen=True)
class Decided:
    """What stewards decided, in numbers of nodes.

    links: edges; apart: pairs of nodes that are never one customer, and "cannot_link"; unknown:
    references of records that are not there tonight.
    """

    links: pl.DataFrame
    apart: tuple[tuple[int, int, str], ...]
    unknown: tuple[str, ...]


def make_edges(frame: pl.DataFrame) -> pl.DataFrame:
    """A frame with node_a, node_b, tie, rank and since_on as edges of the graph."""
    absent = [
        pl.lit(None, dtype).alias(name) for name, dtype in EDGE.items() if name not in frame.columns
    ]
    return frame.with_columns(absent).select(
        pl.col(name).cast(dtype) for name, dtype in EDGE.items()
    )


def apply_decisions(
    decisions: IdentityRules, records: pl.DataFrame, bearers: pl.DataFrame, pseudonym_key: bytes
) -> Decided:
    """Find the records that must-link and cannot-link decisions name.

    A customer id names the record that it was minted from, whatever customer that is in today; if
    that record was erased, the oldest of those that bore the id.

    Args:
        decisions: what stewards decided.
        records: node and RECORD.
        bearers: customer_id and RECORD, of the last release, the oldest first.
        pseudonym_key: key of the customer ids.
    """
    told = [*decisions.must_link, *decisions.cannot_link]
    refs = {ref for pair in told for ref in (pair.a, pair.b)}
    nodes = _find_nodes(refs, records, bearers, pseudonym_key)

    def known(pairs: tuple[PairDecision, ...]) -> dict[tuple[int, int], PairDecision]:
        """Decisions by nodes: one may be told twice, by two references."""
        found = {}
        for pair in sorted(pairs, key=lambda pair: (pair.a, pair.b), reverse=True):
            if pair.a in nodes and pair.b in nodes:
                found[min(nodes[pair.a], nodes[pair.b]), max(nodes[pair.a], nodes[pair.b])] = pair
        return found

    # The reason and the owner stay in the file: an edge is read by many.
    links = pl.DataFrame(
        [
            (a, b, "must_link", RANKS["must_link"], pair.date, f"must_link {pair.a} {pair.b}")
            for (a, b), pair in sorted(known(decisions.must_link).items())
            if a != b
        ],
        schema={
            name: EDGE[name] for name in ("node_a", "node_b", "tie", "rank", "since_on", "rule")
        },
        orient="row",
    )
    return Decided(
        links=make_edges(links),
        apart=tuple((a, b, "cannot_link") for a, b in sorted(known(decisions.cannot_link))),
        unknown=tuple(
            sorted({ref for pair in told for ref in (pair.a, pair.b) if ref not in nodes})
        ),
    )


def _find_nodes(
    refs: set[str], records: pl.DataFrame, bearers: pl.DataFrame, pseudonym_key: bytes
) -> dict[str, int]:
    named = {ref: key for ref in sorted(refs) if (key := read_ref(ref)) is not None}
    wanted = pl.DataFrame(
        [(ref, *key) for ref, key in named.items()],
        schema=dict.fromkeys(["ref", *RECORD], pl.String),
        orient="row",
    )
    found = dict(wanted.join(records, on=RECORD).select("ref", "node").iter_rows())
    ids = {ref for ref in refs if CUSTOMER_ID.fullmatch(ref)} - set(found)
    borne = (
        bearers.filter(pl.col("customer_id").is_in(sorted(ids)))
        .join(records.select("node", *RECORD), on=RECORD, maintain_order="left")
        .unique("customer_id", keep="first", maintain_order=True)
    )
    heirs = dict(borne.select("customer_id", "node").iter_rows())
    return found | heirs | find_minted(ids, records, pseudonym_key)


def find_minted(ids: set[str], records: pl.DataFrame, pseudonym_key: bytes) -> dict[str, int]:
    """The nodes of the records that customer ids were minted from."""
    if not ids:
        return {}
    keyed = records.select("node", *RECORD).iter_rows()
    minted = ((mint_id(tuple(record), pseudonym_key), node) for node, *record in keyed)
    return {name: node for name, node in minted if name in ids}


def find_ties(
    ties: pl.DataFrame, records: pl.DataFrame, identifiers: pl.DataFrame, values: pl.DataFrame
) -> pl.DataFrame:
    """Edges that sources stated. A tie to a record or value that nobody has ties nothing.

    A contact is looked for in the source that states the tie; else, written `source:id`, in that
    one, where it ties nothing if several accounts of that source have a contact of this id. Nor
    does a value that different people share.

    Args:
        ties: tie, source, source_account_id, id_type_a, id_a, id_type_b, id_b, since_on.
        records: node and RECORD.
        identifiers: RAW, value, status.
        values: node, id_type, value, party; one row for each group of a value's carriers.
    """
    contacts = records.filter(pl.col("entity") == "contact")
    sole = values.filter(pl.col("party") == "person").filter(pl.len().over(IDENTIFIER) == 1)
    written = identifiers.filter(pl.col("country_code") == "", pl.col("status") == "links")
    nodes = ties.with_row_index("tie_number")
    for end in ("a", "b"):
        of_value = (
            nodes.select("tie_number", id_type=f"id_type_{end}", raw_value=f"id_{end}")
            .join(written, on=["id_type", "raw_value"])
            .join(sole, on=IDENTIFIER)
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
    ranked = nodes.with_columns(pl.col("tie").replace_strict(RANKS).alias("rank"))
    return (
        make_edges(ranked)
        .filter(pl.col("node_a") != pl.col("node_b"))
        .group_by("node_a", "node_b", "tie", "rank")
        .agg(pl.col("since_on").min())
        .pipe(make_edges)
    )
