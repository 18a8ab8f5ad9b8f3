"""Which records look like those of one person although they share no identifier.

Splink gives each likeness its weight (Fellegi and Sunter: bits for or against two records being of
one person). Two corrections are ours. The prior follows the size of the base and the duplicates in
it, so that a threshold means the same as it grows. And what a home or a group shares (family name,
address, phone, mailbox) is not evidence that adds up: together it brings the odds no higher than
those of a duplicate against a neighbour; only the given name, the birth date, or a company's own
name bring them further.
"""

from dataclasses import dataclass
from math import log2

import duckdb
import numpy as np
import polars as pl

from pipelines.identity.conflicts import CONFLICT_COLUMNS, find_conflicts
from pipelines.identity.fuzzy_columns import NODE, describe_records
from pipelines.identity.fuzzy_comparisons import COMPARISONS
from pipelines.identity.splink_model import USUAL_RECORDS, build_settings, open_linker
from pipelines.rules.identity import Fuzzy
from pipelines.rules.identity_model import IdentityModel, PartyModel

MOST_GAINED = 3.0  # bits that a base may have more, or fewer, duplicates than the model expects
MOST_SHARED = 6.0  # bits: whoever shares a home is never linked by that alone
NAME_ALONE, CONFIRMED = 3.0, 3.0  # bits: nor are two of one name of whom little else agrees
ROUNDS, USUAL_PAIRS = 25, 50
TELLING = {"person": 2, "organisation": 1}  # comparisons that tell two of one home apart
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
    pairs = _weigh_evidence(records, party, model, log_odds(review_above) - MOST_GAINED)
    odds = fit_odds(pairs, model, records.height)
    weight = pl.min_horizontal(odds.prior + pl.col("shared"), odds.shared_at_most) + pl.col("own")
    is_name_alone = pl.col("confirmed") < CONFIRMED
    return (
        pairs.with_columns(
            weight=pl.when(is_name_alone)
            .then(pl.min_horizontal(weight, NAME_ALONE))
            .otherwise(weight)
            .round(DECIMALS)
        )
        .with_columns(probability=(1 / (1 + pl.lit(2.0).pow(-pl.col("weight")))).round(DECIMALS))
        .filter(pl.col("probability") >= review_above)
        .with_columns(party=pl.lit(party))
        .select(list(PREDICTED))
    )


def _weigh_evidence(
    records: pl.DataFrame, party: str, model: PartyModel, at_least: float
) -> pl.DataFrame:
    """Bits for each pair, of what is shared by a home or group, own, and what confirms a namesake.

    Returns:
        pl.DataFrame: node_a < node_b, shared, own, confirmed, and is_telling: whether so much
        is known of both that they can be told apart; sorted by node_a, node_b.
    """
    with duckdb.connect() as database:
        linker = open_linker(database, records, party, build_settings(party, model, records.height))
        predicted = linker.inference.predict(threshold_match_weight=at_least, warning_mode="never")
        table = database.table(predicted.physical_name).pl()
    weights = {
        comparison: pl.sum_horizontal(
            column
            for column in (f"mw_{comparison.name}", f"mw_tf_adj_{comparison.name}")
            if column in table.columns
        )
        for comparison in COMPARISONS[party]
    }
    return table.select(
        node_a=pl.min_horizontal(f"{NODE}_l", f"{NODE}_r"),
        node_b=pl.max_horizontal(f"{NODE}_l", f"{NODE}_r"),
        shared=pl.sum_horizontal(w for c, w in weights.items() if c.is_shared),
        own=pl.sum_horizontal(w for c, w in weights.items() if not c.is_shared),
        confirmed=pl.sum_horizontal(w.clip(0) for c, w in weights.items() if c.confirms),
        is_telling=pl.sum_horizontal((w != 0) for c, w in weights.items() if c.is_telling)
        >= TELLING[party],
    ).sort("node_a", "node_b")


@dataclass(frozen=True)
class Odds:
    """Log odds of one night, in bits.

    Attributes:
        prior: of two records taken at random.
        shared_at_most: of two that share all that a home can share.
    """

    prior: float
    shared_at_most: float


def fit_odds(pairs: pl.DataFrame, model: PartyModel, record_count: int) -> Odds:
    """Find how many duplicates and neighbours there are tonight, by expectation maximisation.

    Sources differ in how often they have somebody twice, and in how many live together. The model
    says what to expect; many pairs outweigh that, but not without bounds. Neighbours are counted
    among pairs of which enough is known to tell them apart.
    """
    shared, own = pairs["shared"].to_numpy(), pairs["own"].to_numpy()
    is_telling = pairs["is_telling"].to_numpy()
    expected = model.duplicates_per_record
    usual_share = expected / (expected + model.neighbours_per_record)
    duplicates, share = expected, usual_share
    for _ in range(ROUNDS):
        prior = log2(duplicates / (record_count - 1))
        at_most = min(max(log_odds(share), 0.0), MOST_SHARED)
        weight = np.minimum(prior + shared, at_most) + own
        probability = 1 / (1 + np.exp2(-weight))
        is_close = is_telling & (prior + shared > at_most)
        found = 2 * probability.sum() + USUAL_RECORDS * expected
        duplicates = min(
            max(found / (record_count + USUAL_RECORDS), expected / 2**MOST_GAINED),
            expected * 2**MOST_GAINED,
            (record_count - 1) / 2,
        )
        share = (probability[is_close].sum() + USUAL_PAIRS * usual_share) / (
            is_close.sum() + USUAL_PAIRS
        )
    return Odds(
        prior=round(log2(duplicates / (record_count - 1)), 3),
        shared_at_most=round(min(max(log_odds(share), 0.0), MOST_SHARED), 3),
    )


def log_odds(probability: float) -> float:
    """A probability in bits."""
    return log2(probability / (1 - probability))
