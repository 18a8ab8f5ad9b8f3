"""The `resolve` step: reads what the sources say about who is who, and writes customers."""

from dataclasses import fields
from pathlib import Path

import polars as pl

from pipelines.catalogue import Catalogue
from pipelines.errors import C360Error
from pipelines.identity.names import normalise_names
from pipelines.identity.resolve import Memory, Policy, Resolved, Signals, resolve_customers
from pipelines.identity.training import train_model
from pipelines.lake import Lake, Run, write_json, write_table
from pipelines.release import Release, previous_release
from pipelines.rules import IDENTITY_MODEL
from pipelines.rules.schemas import RuleBook
from pipelines.rules.sources import country_of
from pipelines.steps import StepResult
from pipelines.wording import count_of

DATASETS = tuple(field.name for field in fields(Resolved) if field.name != "notes")
# What an order can say of whose it is.
NAMES = ("customer_source_id", "customer_email", "customer_phone", "account_source_id")


def resolve(
    lake: Lake, run: Run, catalogue: Catalogue, book: RuleBook, pseudonym_key: bytes
) -> StepResult:
    """Tie the records of a run into customers.

    Raises:
        C360Error: nobody is known by the run date.
    """
    signals = read_signals(run, "resolve")
    if signals.records.is_empty():
        raise _nobody_known(run)
    before = previous_release(lake, run.as_of)
    country = book.identity.default_country or country_of(book.sources.time_zone)
    policy = Policy(
        identity=book.identity.model_copy(update={"default_country": country}),
        decisions=book.identity_rules,
        logins=tuple(
            source.part_of or source.name
            for source in book.sources.sources
            if source.one_record_per_person
        ),
        model=book.identity_model,
    )
    resolved = resolve_customers(
        signals, _memory(before) if before else None, policy, pseudonym_key, run.as_of
    )
    for name in DATASETS:
        dataset = catalogue["pipeline", name]
        frame: pl.DataFrame = getattr(resolved, name)
        write_table(dataset.conform(frame.lazy()), run.table("pipeline", name))
    count = resolved.customer_keys["customer_id"].n_unique()
    return StepResult(
        f"{count_of(resolved.customer_keys.height, 'record')} of {count_of(count, 'customer')}",
        resolved.notes,
        {"previous_release": before.path.name if before else None},
    )


def read_signals(run: Run, needed_by: str) -> Signals:
    """What `transform signals` found."""
    names = [field.name for field in fields(Signals)]
    return Signals(
        **{name: run.scan("models", f"int_identity_{name}", needed_by).collect() for name in names}
    )


def train(run: Run, book: RuleBook, rules_dir: Path | None) -> Path:
    """Learn from a run's records what likeness is worth; returns the model's file.

    Raises:
        C360Error: there is no rules directory to write to, or the records teach nothing.
    """
    if rules_dir is None:
        raise C360Error(
            "A trained model is a rule of your own, and there is no directory of your rules.",
            "Set C360_RULES_DIR to it.",
        )
    profiles = normalise_names(read_signals(run, "identity train").profiles)
    model = train_model(profiles, book.identity_model, run.as_of)
    path = rules_dir / IDENTITY_MODEL
    write_json(model.model_dump(mode="json"), path)
    return path


def _memory(before: Release) -> Memory:
    """What the last release knew; one of an older version knows less."""
    marts = {
        name: before.path / "marts" / f"{name}.parquet"
        for name in ("customer_aliases", "identity_edges")
    }
    told = {name: pl.read_parquet(path) if path.exists() else None for name, path in marts.items()}
    return Memory(
        keys=pl.read_parquet(before.path / "state" / "customer_keys.parquet"),
        aliases=told["customer_aliases"],
        edges=told["identity_edges"],
    )


def _nobody_known(run: Run) -> C360Error:
    orders = pl.scan_parquet(run.inputs / "orders" / "*.parquet")
    first, named = (
        orders.select(
            pl.col("ordered_at").min(), pl.any_horizontal(pl.col(NAMES).is_not_null()).any()
        )
        .collect()
        .row(0)
    )
    told = f"No customer is known by {run.as_of}"
    if first and not named:
        return C360Error(
            f"{told}; no order says whose it is.",
            f"Orders need {', '.join(NAMES[:-1])} or {NAMES[-1]}, by these names: docs/landing.md.",
        )
    since = f"; the first order is of {first:%Y-%m-%d}" if first else ""
    return C360Error(f"{told}{since}.", "Choose a later --date, or check the dates in the data.")
