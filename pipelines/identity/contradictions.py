"""Finds customers whose records contradict each other, though each tie alone looked sound.

A guest's order with one person's e-mail and another's telephone, or a chain of likenesses, may join
people who share nothing. Ties that leave no doubt (a steward's, a log-in's, the source's own) stand
whatever the names say.
"""

import numpy as np
import polars as pl

from pipelines.identity.values import judge_pairs

# Beyond so many personas in one customer each is compared with the first alone.
CROWD = 100


def find_contradictions(
    personas: pl.DataFrame, component: np.ndarray, certain: np.ndarray
) -> tuple[tuple[int, int, str], ...]:
    """Pairs of records of one component that cannot be one person.

    Args:
        personas: as `number_personas` gives them.
        component: of each node, by all ties.
        certain: of each node, by the ties that leave no doubt; within one of these nothing is a
            contradiction.

    Returns:
        Pairs of nodes, each with what speaks against one person.
    """
    nodes = personas["node"].to_numpy()
    told = personas.select(
        "node",
        "persona",
        pl.Series("component", component[nodes]),
        pl.Series("certain", certain[nodes]),
    )
    faces = told.select("component", "persona").unique()
    faces = faces.filter(pl.len().over("component") > 1).with_columns(
        (pl.col("persona") == pl.col("persona").min().over("component")).alias("is_first"),
        (pl.len().over("component") > CROWD).alias("is_crowd"),
    )
    pairs = (
        faces.join(faces, on="component", suffix="_b")
        .filter(pl.col("persona") < pl.col("persona_b"), ~pl.col("is_crowd") | pl.col("is_first"))
        .select("component", persona_a="persona", persona_b="persona_b")
    )
    conflicts = judge_pairs(pairs, personas, is_direct=False)
    for side in ("a", "b"):
        conflicts = conflicts.join(
            told.select(
                "component",
                pl.col("persona").alias(f"persona_{side}"),
                pl.col("node").alias(f"node_{side}"),
                pl.col("certain").alias(f"certain_{side}"),
            ),
            on=["component", f"persona_{side}"],
        )
    doubtful = conflicts.filter(pl.col("certain_a") != pl.col("certain_b")).select(
        "node_a", "node_b", (pl.lit("conflict ") + pl.col("conflict")).alias("reason")
    )
    return tuple(doubtful.sort("node_a", "node_b").iter_rows())
