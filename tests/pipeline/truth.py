"""How well customers are told apart, measured against the truth of the made-up company."""

from pathlib import Path
from typing import NamedTuple

import polars as pl

ENTITIES = {"crm_contacts": "contact", "crm_accounts": "account", "orders": "guest_order"}


class PairScore(NamedTuple):
    """Shares of pairs of records.

    precision: of the pairs that are one customer, those that are one person indeed.
    recall: of the pairs that are one person, those that are one customer.
    """

    precision: float
    recall: float


def score_pairs(keys: pl.DataFrame, truth: pl.DataFrame) -> PairScore:
    """Compare customers with persons over all records that both know.

    Args:
        keys: entity, source, source_record_id, customer_id.
        truth: table, source, source_record_id, person_id.
    """
    named = truth.with_columns(pl.col("table").replace_strict(ENTITIES).alias("entity"))
    known = keys.join(named, on=["entity", "source", "source_record_id"])
    both = _count_pairs(known, "customer_id", "person_id")
    return PairScore(
        both / _count_pairs(known, "customer_id"), both / _count_pairs(known, "person_id")
    )


def read_truth(company: Path) -> pl.DataFrame:
    """Whose each record of the made-up company is."""
    return pl.read_parquet(company / "truth" / "people*.parquet")


def _count_pairs(known: pl.DataFrame, *same: str) -> int:
    sizes = known.group_by(same).len()["len"].cast(pl.Int64)
    return int((sizes * (sizes - 1) // 2).sum())
