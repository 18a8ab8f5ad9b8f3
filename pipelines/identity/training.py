"""Learns from a company's own records what likeness is worth. Done rarely; the night only reads it.

How often different persons look alike is counted in pairs taken at random (u). How one person's
records differ (m) is found by expectation maximisation among pairs that agree on something else:
on the birth date to learn about names, on the names to learn about the rest.
"""

from datetime import date
from math import log2
from typing import TYPE_CHECKING, Any

import duckdb
import polars as pl

from pipelines.errors import C360Error
from pipelines.identity.fuzzy import predict_party
from pipelines.identity.fuzzy_columns import describe_records
from pipelines.identity.fuzzy_comparisons import COMPARISONS, ELSE
from pipelines.identity.splink_model import build_settings, open_linker
from pipelines.rules.identity_model import IdentityModel, LevelWorth, PartyModel

if TYPE_CHECKING:
    from splink import Linker

SEED = 20_260_101
RANDOM_PAIRS, EM_PAIRS = 5e6, 5e6
LEAST_RECORDS, LEAST_PAIRS = 1_000, 500
AGREED: dict[str, tuple[tuple[str, ...], ...]] = {
    "person": (("birth",), ("given", "family")),
    "organisation": (("name",), ("domain",), ("phone",)),
}
LIKELY = 0.5
DIGITS = 6  # beyond them is the order in which threads add
LEAST_SHARE, KNOWN_PART = 1e-6, 0.05


def train_model(profiles: pl.DataFrame, current: IdentityModel, as_of: date) -> IdentityModel:
    """Train a model on the records of a night.

    Args:
        profiles: as for `predict_pairs`.
        current: the model in use: where training starts, and what stays for a party, or a
            comparison, of which there are too few records.
        as_of: date of the night.

    Returns:
        IdentityModel: the same for the same records, whatever their order.

    Raises:
        C360Error: if there are too few records, or they teach nothing sane.
    """
    import splink

    trained = {
        party: _train_party(
            describe_records(profiles, party), party, getattr(current, party), as_of
        )
        for party in COMPARISONS
        if profiles.filter(pl.col("party") == party).height >= LEAST_RECORDS
    }
    if not trained:
        raise C360Error(
            f"There are fewer than {LEAST_RECORDS} persons and organisations to learn from.",
            "Go on with the packaged model; train when there are more records.",
        )
    return current.model_copy(update={**trained, "splink": splink.__version__})


def _train_party(records: pl.DataFrame, party: str, current: PartyModel, as_of: date) -> PartyModel:
    agreed = [columns for columns in AGREED[party] if _count_pairs(records, columns) >= LEAST_PAIRS]
    if not agreed:
        raise C360Error(
            f"Too few records of the kind {party} agree on anything to learn how they differ.",
            "Go on with the model in use; train when more sources are connected.",
        )
    with duckdb.connect() as database:
        database.execute("set threads = 1")  # sums in one order
        linker = open_linker(
            database, records, party, build_settings(party, current, records.height)
        )
        linker.training.estimate_u_using_random_sampling(
            max_pairs=RANDOM_PAIRS, seed=SEED, min_count_per_level=None
        )
        for columns in agreed:
            linker.training.estimate_parameters_using_expectation_maximisation(
                " and ".join(f"l.{column} = r.{column}" for column in columns),
                estimate_without_term_frequencies=True,
                max_pairs=EM_PAIRS,
            )
        comparisons = read_worths(linker, current)
    refuse_nonsense(comparisons, party)
    model = current.model_copy(
        update={
            "trained_on": as_of,
            "record_count": records.height,
            "comparisons": comparisons,
        }
    )
    found = predict_party(records, party, model, LIKELY)["probability"].sum()
    duplicates = min(max(2 * float(found) / records.height, 0.01), 10.0)
    return model.model_copy(update={"duplicates_per_record": round(duplicates, 3)})


def _count_pairs(records: pl.DataFrame, columns: tuple[str, ...]) -> int:
    sizes = records.drop_nulls(columns).group_by(columns).len()["len"].cast(pl.Int64)
    return int((sizes * (sizes - 1) // 2).sum())


def read_worths(linker: "Linker", current: PartyModel) -> dict[str, dict[str, LevelWorth]]:
    """What was learnt; of a level that was never met, what was known before."""
    learnt: dict[str, Any] = {
        comparison["output_column_name"]: {
            level["label_for_charts"]: level
            for level in comparison["comparison_levels"]
            if not level.get("is_null_level")
        }
        for comparison in linker.misc.save_model_to_json()["comparisons"]
    }
    return {
        comparison: {
            name: LevelWorth(
                m=_share(learnt[comparison][name].get("m_probability"), worth.m),
                u=_share(learnt[comparison][name].get("u_probability"), worth.u),
            )
            for name, worth in levels.items()
        }
        for comparison, levels in current.comparisons.items()
    }


def _share(learnt: Any, known: float) -> float:
    """Mostly what was learnt: a level that few pairs are at is not thereby impossible."""
    share = learnt if isinstance(learnt, float) else known
    share = (1 - KNOWN_PART) * share + KNOWN_PART * known
    return float(f"{min(max(share, LEAST_SHARE), 1 - LEAST_SHARE):.{DIGITS}g}")


def refuse_nonsense(comparisons: dict[str, dict[str, LevelWorth]], party: str) -> None:
    """Agreeing must speak for one person, and differing against it."""
    for name, levels in comparisons.items():
        worths = list(levels.values())
        if log2(worths[0].m / worths[0].u) <= 0 or levels[ELSE].m >= levels[ELSE].u:
            raise C360Error(
                f"What was learnt about {name} ({party}) makes no sense: records that differ in it "
                "would look more alike.",
                "Go on with the model in use; look for a source that fills this field with one "
                "and the same value, block that value, and train again.",
            )
