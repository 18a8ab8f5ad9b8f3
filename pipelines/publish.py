"""The `publish` step: marts and lists are put together, in the run's private folder."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import polars as pl

from pipelines.breakers.judge import NOBODY_ACCEPTED, TRIPPED, Accepted
from pipelines.catalogue import Catalogue, Dataset
from pipelines.gate_breakers import write_history
from pipelines.lake import Run, empty_folder, with_parent, write_table
from pipelines.list_breakers import NEVER
from pipelines.lists import EVENT_DAYS, Lists, make_lists
from pipelines.release import Release
from pipelines.rules import FILES
from pipelines.rules.schemas import RuleBook
from pipelines.segments.cut import Cut, needs_scores
from pipelines.segments.funnel import NO_CONSENT
from pipelines.wording import count_of

MARTS = {
    "customer_360": "models",
    "customer_fields": "models",
    "customer_households": "models",
    "customer_companies": "models",
    "company_contacts": "models",
    "customer_network": "models",
    "customer_rfm": "models",
    "rfm_edges": "models",
    "rfm_drift": "models",
    "customer_grades": "models",
    "grade_history": "pipeline",
    "grade_movements": "models",
    "grade_migration": "models",
    "grade_gaps": "models",
    "grade_warnings": "models",
    "customer_lifecycle": "models",
    "lifecycle_history": "pipeline",
    "lifecycle_movements": "pipeline",
    "customer_psychographics": "models",
    "customer_segments": "models",
    "customer_scores": "pipeline",
    "churn_reasons": "pipeline",
    "customer_warnings": "models",
    "customer_recommendations": "models",
    "model_reports": "pipeline",
    "model_choices": "pipeline",
    "model_drift": "pipeline",
    "customer_measures": "models",
    "kpi_by_grade": "pipeline",
    "kpi_daily": "pipeline",
    "metrics": "pipeline",
    "feedback_topics": "pipeline",
    "feedback_topics_by_grade": "models",
    "churn_causes": "models",
    "grade_economics": "models",
    "retention_cohorts": "models",
    "audience": "models",
    "breakers": "pipeline",
    "list_decisions": "pipeline",
    "list_history": "pipeline",
    "list_effectiveness": "pipeline",
    "holdout_balance": "pipeline",
    "customer_identifiers": "pipeline",
    "customer_aliases": "pipeline",
    "identity_edges": "pipeline",
    "identity_reviews": "pipeline",
}  # each with the group of the catalogue that it is of
# These are not there yet when marts are judged.
MADE_BY_PUBLISH = {
    "lifecycle_history", "lifecycle_movements", "breakers", "list_decisions", "list_history",
    "list_effectiveness", "holdout_balance",
}  # fmt: skip
# What the next night reads of this one, and what questions about lists read of it.
STATE = {
    "customer_keys": "pipeline",
    "order_state": "pipeline",
    "score_distributions": "pipeline",
    "grade_decisions": "pipeline",
    "grade_overrides": "pipeline",
    "grade_edges": "pipeline",
    "int_event_kinds": "models",
}
# Rules that name no person and hold no secret: by these a list of the release can be explained.
PRIVATE_RULES = (
    "sources.yml",
    "identity_rules.yml",
    "grade_overrides.yml",
    "deliveries.yml",
    "serving.yml",
)
KEPT_RULES = tuple(name for name in FILES if name not in PRIVATE_RULES)
NOBODYS = {
    "grade_unknown": "of one grade, and grades are given after costs",
    "customer_unknown": "of somebody unknown",
    "nobody_to_share": "with nobody to share it",
}


@dataclass(frozen=True)
class Published:
    """What a run is about to release."""

    customers: int
    lists: dict[str, Cut]
    notes: tuple[str, ...]


def publish(
    run: Run,
    catalogue: Catalogue,
    book: RuleBook,
    before: Release | None = None,
    accepted: Accepted = NOBODY_ACCEPTED,
) -> Published:
    """Write the run's marts, lists and state below `release/`.

    A list whose night has no consents at all holds ids only, and a note says so. `before` is the
    last release, which knows who was on which list; `accepted` are the numbers of lists that
    somebody has let through.
    """
    empty_folder(run.release)
    lists = make_lists(run, catalogue, book, before, accepted)
    write_history(before, run, catalogue, book.breakers)
    for name, group in MARTS.items():
        _publish_mart(run, catalogue[group, name])
    for name, group in STATE.items():
        kept = run.scan(group, name, "publish")
        write_table(kept, run.release / "state" / f"{name}.parquet")
    # Too large to hold in memory: the model's own file, which is sorted already.
    _copy(run.table("models", EVENT_DAYS), run.release / "state" / f"{EVENT_DAYS}.parquet")
    for name in KEPT_RULES:
        _copy(run.rules / name, run.release / "rules" / name)
    write_duckdb(run.release, catalogue)
    audience = pl.read_parquet(run.release / "marts" / "audience.parquet")
    notes = (*_kept_notes(run, lists), *_notes(run, audience, lists))
    return Published(audience.height, lists.cuts, notes)


def _publish_mart(run: Run, mart: Dataset) -> None:
    """A mart of dbt is in the order of its key already; it may be too large to hold in memory."""
    target = run.release / "marts" / f"{mart.name}.parquet"
    frame = run.scan(mart.group, mart.name, "publish")
    if mart.group == "models":
        _copy(run.table(mart.group, mart.name), target)
    else:
        write_table(frame.sort(mart.key), target)


def _copy(path: Path, target: Path) -> None:
    """A copy and no link: a rerun writes the run's own files in place."""
    shutil.copyfile(path, with_parent(target))


def write_duckdb(release: Path, catalogue: Catalogue) -> None:
    """The marts as one file for BI, with every column described.

    A mart or a column that a release of another version has, or has not, does no harm.
    """
    path = with_parent(release / "marts.duckdb")
    with duckdb.connect(path, config={"threads": 1}) as connection:
        connection.execute("set enable_progress_bar = false")  # standard output is not DuckDB's
        connection.begin()  # one commit for all: each would wait for the disk
        for name, group in MARTS.items():
            mart = release / "marts" / f"{name}.parquet"
            if not mart.exists():
                continue
            connection.execute(f"create table {name} as from read_parquet(?)", [str(mart)])
            dataset = catalogue[group, name]
            connection.execute(f"comment on table {name} is {_quoted(dataset.description)}")
            there = pl.read_parquet_schema(mart)
            for column in dataset.columns:
                if column.name not in there:
                    continue
                text = _quoted(column.description)
                connection.execute(f"comment on column {name}.{column.name} is {text}")
        connection.commit()
        connection.execute("checkpoint")
    path.chmod(0o440)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _kept_notes(run: Run, lists: Lists) -> Iterator[str]:
    """Lists that are not tonight's, why, and what to do."""
    verdicts = run.scan("pipeline", "lists_breakers", "publish").collect()
    for name, cut in lists.cuts.items():
        if cut.kept_from is None:
            continue
        tripped = verdicts.filter(pl.col("name") == name, pl.col("outcome") == TRIPPED)
        told = ". And ".join(tripped["told"])
        kept = f"is that of {cut.kept_from}, {told_off(cut)}"
        yield (
            f"List {name} {kept if cut.kept_from != NEVER else 'stays empty'}: {told}. "
            f"If tonight's is right: c360 accept {name} --run {run.as_of} --because '…'."
        )


def told_off(cut: Cut) -> str:
    """How many had to come off a list that was kept, and why."""
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(cut.taken_off.items()))
    return f"less {sum(cut.taken_off.values())} ({reasons})" if reasons else "nobody taken off"


def _notes(run: Run, audience: pl.DataFrame, lists: Lists) -> tuple[str, ...]:
    notes = []
    if not lists.has_consents:
        notes.append("No source states any consent: the lists hold customer ids only.")
    else:
        out = sum(cut.left_out.get(NO_CONSENT, 0) for cut in lists.cuts.values())
        places = count_of(out, "place on lists was", "places on lists were")
        notes.append(f"{places} not filled for want of consent.")
    present = run.scan("models", "int_sources_present", "publish").collect().row(0, named=True)
    missing = [name.removeprefix("has_") for name, there in present.items() if not there]
    if missing:
        notes.append(f"No rows tonight: {', '.join(missing)}. Their facts are null, not zero.")
    if nobodys := _costs_of_nobody(run):
        notes.append(f"Costs that are no customer's: {nobodys}.")
    if audience["churn_risk"].null_count() == audience.height:
        empty = [
            name
            for name, cut in lists.cuts.items()
            if needs_scores(lists.conditions[name]) and not cut.matched
        ]
        if empty:
            notes.append(f"Without scores these lists are empty: {', '.join(empty)}.")
    return tuple(notes)


def _costs_of_nobody(run: Run) -> str:
    """What of the year's costs is in no customer's cost to serve, by the reason for it."""
    costs = run.scan("models", "int_costs_allocated", "publish")
    sums = costs.filter(pl.col("customer_id").is_null()).group_by("attribution")
    found = sums.agg(pl.col("cost_amount").sum()).sort("attribution").collect()
    return ", ".join(f"{amount:.2f} {NOBODYS[reason]}" for reason, amount in found.rows())
