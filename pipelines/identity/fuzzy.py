"""Which records look like those of one person although they share no identifier.

Splink gives each likeness its weight (Fellegi and Sunter: bits for or against two records being of
one person). Two corrections are ours. The prior follows the size of the base, so that a threshold
means the same as it grows. And what a home or a group shares (family name, address, phone, mailbox)
is not evidence that adds up: together it brings the odds no higher than those of a duplicate
against a neighbour, and only the given name, birth date or a company's own name bring them further.
"""

from math import log2

import duckdb
import polars as pl

from pipelines.identity.conflicts import CONFLICT_COLUMNS, find_conflicts
from pipelines.identity.fuzzy_columns import NODE, describe_records
from pipelines.identity.fuzzy_comparisons import COMPARISONS
from pipelines.identity.splink_model import build_settings, open_linker, prior_weight
from pipelines.rules.identity import Fuzzy
from pipelines.rules.identity_model import IdentityModel, PartyModel

DECIMALS = 6  # what is below is the order in which threads add
PREDICTED = {
    "node_a": pl.Int64,
    "node_b": pl.Int64,
    "party": pl.String,
    "weight": pl.Float64,
    "probability": pl.Float64,
}


def predict_pairs(profiles: pl.DataFrame, model: IdentityModel, rules: Fuzzy) -> pl.DataFrame:
    """Find the pairs of records that may be of one person or one organisation.

    Args:
        profiles: node, party, gender, birth_date, street, city, postal_code, email, phone, domain
            and the names of `normalise_names`; one row per record.
        model: what likeness is worth.
        rules: probability from which a pair is named.

    Returns:
        pl.DataFrame: node_a < node_b, party, weight (bits), probability, and conflict: what
        `find_conflicts` says against a pair that the model would link. A pair below `link_above`
        that something speaks against is not named. Sorted by node_a, node_b.

    Raises:
        C360Error: if the model was trained for other comparisons.
    """
    found = [
        predict_party(
            describe_records(profiles, party), party, getattr(model, party), rules.review_above
        )
        for party in COMPARISONS
    ]
    pairs = pl.concat(found).sort("node_a", "node_b")
    sides = (
        pairs.select(pl.col(f"node_{end}").alias(NODE))
        .join(profiles.select(NODE, *CONFLICT_COLUMNS), on=NODE, how="left", maintain_order="left")
        .select(pl.col(CONFLICT_COLUMNS).name.suffix(f"_{end}"))
        for end in ("a", "b")
    )
    conflict = find_conflicts(pl.concat(sides, how="horizontal"))
    return pairs.with_columns(conflict).filter(
        pl.col("conflict").is_null() | (pl.col("probability") >= rules.link_above)
    )


def predict_party(
    records: pl.DataFrame, party: str, model: PartyModel, review_above: float
) -> pl.DataFrame:
    """Weigh the pairs of one party.

    Args:
        records: what `describe_records` says of them.
        party: person or organisation.
        model: what likeness is worth.
        review_above: probability from which a pair is named.

    Returns:
        pl.DataFrame: node_a < node_b, party, weight (bits) and probability.
    """
    if records.height < 2:
        return pl.DataFrame(schema=PREDICTED)
    prior = prior_weight(records.height, model)
    with duckdb.connect() as database:
        linker = open_linker(database, records, party, build_settings(party, model, records.height))
        # Splink's own sum is never below ours, which is capped.
        predicted = linker.inference.predict(
            threshold_match_weight=log2(review_above / (1 - review_above)), warning_mode="never"
        )
        table = database.table(predicted.physical_name).pl()
    most = log2(model.duplicates_per_record / model.neighbours_per_record)
    shared, own = (_sum_weights(table, party, is_shared=kind) for kind in (True, False))
    return (
        table.select(
            node_a=pl.min_horizontal(f"{NODE}_l", f"{NODE}_r"),
            node_b=pl.max_horizontal(f"{NODE}_l", f"{NODE}_r"),
            party=pl.lit(party),
            weight=(pl.min_horizontal(prior + shared, most) + own).round(DECIMALS),
        )
        .with_columns(probability=(1 / (1 + pl.lit(2.0).pow(-pl.col("weight")))).round(DECIMALS))
        .filter(pl.col("probability") >= review_above)
        .cast(pl.Schema(PREDICTED))
    )


def _sum_weights(table: pl.DataFrame, party: str, *, is_shared: bool) -> pl.Expr:
    """Bits of the comparisons that are, or are not, shared by a home or group."""
    parts = [
        column
        for comparison in COMPARISONS[party]
        if comparison.is_shared == is_shared
        for column in (f"mw_{comparison.name}", f"mw_tf_adj_{comparison.name}")
        if column in table.columns
    ]
    return pl.sum_horizontal(parts)
