"""Histories: what the last release remembers, tonight added, written whole into this release.

`bring_memory` lays what tonight's models need of the last release into the run, before they are
built; `write_histories` adds tonight to it once they are. A history is a line in `HISTORIES` and a
dataset of the catalogue: its columns are those of tonight's mart that are kept, and the validity.
"""

from dataclasses import dataclass

import polars as pl

from pipelines.aliases import find_forgotten, newest_aliases
from pipelines.catalogue import Catalogue
from pipelines.intervals import GONE, VALIDITY, carry_intervals
from pipelines.lake import Run, write_table
from pipelines.release import Release, recall
from pipelines.rules.schemas import RuleBook

STEP = "publish"
LEFT, MERGED = "left", "merged"


@dataclass(frozen=True)
class History:
    """A mart of which every change is remembered.

    name: dataset of the history, in the group `pipeline`.
    mart: tonight's rows, in the group `models`; its key is whose history it is.
    state: columns of it whose change ends an interval.
    """

    name: str
    mart: str
    state: tuple[str, ...]


HISTORIES = (History("lifecycle_history", "customer_lifecycle", ("lifecycle_stage",)),)
# Marts of the last release that tonight's models read, each as `previous_<mart>`.
MEMORY = ("lifecycle_history", "rfm_edges")


def bring_memory(before: Release | None, run: Run, catalogue: Catalogue) -> None:
    """Write the marts of `MEMORY` as the last release has them into the run; else empty ones."""
    for name in MEMORY:
        dataset = catalogue["pipeline", f"previous_{name}"]
        told = recall(before, f"marts/{name}", dataset.schema)
        nothing = pl.DataFrame(schema=dataset.schema)
        write_table(nothing if told is None else told, run.table("pipeline", dataset.name))


def write_histories(run: Run, catalogue: Catalogue, book: RuleBook) -> None:
    """Add tonight to each history, and tell what moved; nothing is kept of whom is forgotten."""
    aliases = run.scan("pipeline", "customer_aliases", STEP).collect()
    requests = run.scan("models", "int_erased_customers", STEP).collect()
    living = run.scan("models", "customer_360", STEP).select("customer_id").collect()
    forgotten = find_forgotten(requests, aliases)
    for history in HISTORIES:
        dataset = catalogue["pipeline", history.name]
        key = catalogue["models", history.mart].key
        kept = [name for name in dataset.schema.names() if name not in VALIDITY]
        tonight = run.scan("models", history.mart, STEP).select(kept).collect()
        before = run.scan("pipeline", f"previous_{history.name}", STEP).collect()
        told = carry_intervals(
            before.join(forgotten, on="customer_id", how="anti"),
            tonight.join(forgotten, on="customer_id", how="anti"),
            run.as_of,
            key,
            history.state,
            name_endings(before, living, aliases, key),
        )
        write_table(dataset.conform(told.lazy()), run.table("pipeline", history.name))
    stages = run.scan("pipeline", "lifecycle_history", STEP).collect()
    recent = (pl.lit(run.as_of) - pl.col("moved_on")).dt.total_days() < book.lifecycle.movement_days
    moved = list_movements(stages, "lifecycle_stage").filter(recent)
    dataset = catalogue["pipeline", "lifecycle_movements"]
    write_table(
        moved.select(dataset.schema.names()).cast(dataset.schema),
        run.table("pipeline", dataset.name),
    )


def name_endings(
    history: pl.DataFrame, living: pl.DataFrame, aliases: pl.DataFrame, key: tuple[str, ...]
) -> pl.DataFrame:
    """Why an open interval ends that is not there tonight.

    Args:
        history: intervals of the last release.
        living: customer_id of tonight's customers.
        aliases: customer_aliases.
        key: columns that name whose history it is; customer_id is one of them.

    Returns:
        key, ended_because: `left` of a customer that is still there, `merged`, else `gone`.
    """
    merged = (
        newest_aliases(aliases).filter(pl.col("event") == MERGED).select(customer_id="alias_id")
    )
    here, other = pl.lit(value=True).alias("is_living"), pl.lit(value=True).alias("is_merged")
    return (
        history.filter(pl.col("valid_to_on").is_null())
        .select(key)
        .unique()
        .join(living.with_columns(here), on="customer_id", how="left")
        .join(merged.with_columns(other), on="customer_id", how="left")
        .select(
            *key,
            pl.when("is_living")
            .then(pl.lit(LEFT))
            .when("is_merged")
            .then(pl.lit(MERGED))
            .otherwise(pl.lit(GONE))
            .alias("ended_because"),
        )
    )


def list_movements(history: pl.DataFrame, state: str) -> pl.DataFrame:
    """The changes of a history: an interval that begins on the day on which another one ended.

    Args:
        history: customer_id, `state`, `<state>_label`, `<state>_label_zh`, others, the validity.
        state: the column that changes.

    Returns:
        customer_id, moved_on, from_ and to_ of the state and its labels, from_days, others of the
        interval that began; by customer and day.
    """
    names = (state, f"{state}_label", f"{state}_label_zh")
    before = [pl.col(name).shift().over("customer_id").alias(f"from_{name}") for name in names]
    began = pl.col("valid_from_on").shift().over("customer_id")
    ended = pl.col("valid_to_on").shift().over("customer_id")
    return (
        history.sort("customer_id", "valid_from_on")
        .with_columns(
            *before,
            from_days=(ended - began).dt.total_days(),
            is_moved=ended == pl.col("valid_from_on"),
        )
        .filter("is_moved")
        .rename({name: f"to_{name}" for name in names} | {"valid_from_on": "moved_on"})
        .drop("valid_to_on", "ended_because", "is_moved")
    )
