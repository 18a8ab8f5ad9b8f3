"""The `publish` step: marts and lists are put together, in the run's private folder."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb
import polars as pl

from pipelines.catalogue import Catalogue
from pipelines.lake import Run, empty_folder, with_parent, write_table
from pipelines.rules import FILES
from pipelines.rules.schemas import RuleBook
from pipelines.rules.segments import Segment
from pipelines.segments.condition import Condition, read_conditions
from pipelines.segments.cut import Cut, cut_list, needs_scores
from pipelines.segments.prepare import prepare_audience, read_events
from pipelines.segments.reasons import guard_formulas

MARTS = {
    "customer_360": "models",
    "customer_fields": "models",
    "customer_households": "models",
    "customer_companies": "models",
    "company_contacts": "models",
    "customer_network": "models",
    "customer_rfm": "models",
    "customer_grades": "models",
    "customer_lifecycle": "models",
    "customer_scores": "pipeline",
    "churn_reasons": "pipeline",
    "customer_warnings": "models",
    "customer_recommendations": "models",
    "model_reports": "pipeline",
    "model_choices": "pipeline",
    "model_drift": "pipeline",
    "audience": "models",
    "customer_identifiers": "pipeline",
    "customer_aliases": "pipeline",
    "identity_edges": "pipeline",
    "identity_reviews": "pipeline",
}  # each with the group of the catalogue that it is of
# What the next night reads of this one, and what questions about lists read of it.
STATE = {
    "customer_keys": "pipeline",
    "score_distributions": "pipeline",
    "int_event_kinds": "models",
}
# Too large to hold in memory: the model's own file, which is sorted already.
EVENT_DAYS = "int_events_summed_to_customer_days"
# Rules that name no person and hold no secret: by these a list of the release can be explained.
KEPT_RULES = tuple(name for name in FILES if name not in ("sources.yml", "identity_rules.yml"))
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


def publish(run: Run, catalogue: Catalogue, book: RuleBook) -> Published:
    """Write the run's marts, lists and state below `release/`.

    A list whose night has no consents at all holds ids only, and a note says so.
    """
    empty_folder(run.release)
    for name, group in MARTS.items():
        frame = run.scan(group, name, "publish").sort(catalogue[group, name].key)
        write_table(frame, run.release / "marts" / f"{name}.parquet")
    for name, group in STATE.items():
        kept = run.scan(group, name, "publish")
        write_table(kept, run.release / "state" / f"{name}.parquet")
    days = run.scan("models", EVENT_DAYS, "publish")
    _copy(run.table("models", EVENT_DAYS), run.release / "state" / f"{EVENT_DAYS}.parquet")
    for name in KEPT_RULES:
        _copy(run.rules / name, run.release / "rules" / name)
    _write_duckdb(run.release, catalogue)
    audience = pl.read_parquet(run.release / "marts" / "audience.parquet")
    contacts = _contacts(run)
    refusals = _refusals(run) if contacts is None else None
    segments = book.segments.segments
    conditions = read_conditions(segments, audience.schema)
    kinds = run.scan("models", "int_event_kinds", "publish")
    prepared = prepare_audience(audience, conditions, read_events(days, kinds), run.as_of)
    cuts = {
        segment.name: cut_list(
            _willing(prepared, segment, refusals), segment, conditions[segment.name], contacts
        )
        for segment in segments
    }
    for name, cut in cuts.items():
        write_table(cut.rows, run.release / "lists" / f"{name}.parquet")
        guard_formulas(cut.rows).write_csv(run.release / "lists" / f"{name}.csv")
    summary = pl.DataFrame(
        _summarise(cuts, audience, contacts, book), catalogue["pipeline", "list_summary"].schema
    )
    write_table(summary, run.table("pipeline", "list_summary"))
    return Published(
        customers=audience.height,
        lists=cuts,
        notes=_notes(run, audience, contacts, cuts, conditions),
    )


def _copy(path: Path, target: Path) -> None:
    """A copy and no link: a rerun writes the run's own files in place."""
    shutil.copyfile(path, with_parent(target))


def _contacts(run: Run) -> pl.DataFrame | None:
    """The contact points that consent allows; None if no source states any consent."""
    present = run.scan("models", "int_sources_present", "publish").collect()
    if not present["has_consents"].item():
        return None
    return run.scan("models", "customer_contacts", "publish").collect()


def _refusals(run: Run) -> pl.DataFrame:
    """Who refused what on record, for the nights on which nobody is asked for a grant.

    Returns:
        customer_id, channel, purpose; channel may be `any`.
    """
    where = ["customer_id", "channel", "purpose"]
    persons = run.scan("models", "int_consent_statements", "publish").filter(
        pl.col("customer_id").is_not_null() & pl.col("status").is_in(["denied", "withdrawn"])
    )
    points = run.scan("models", "int_contact_permissions", "publish").filter(~pl.col("is_allowed"))
    return pl.concat([persons.select(where), points.select(where)]).unique().collect()


def _willing(
    audience: pl.DataFrame, segment: Segment, refusals: pl.DataFrame | None
) -> pl.DataFrame:
    if refusals is None:
        return audience
    channel = pl.col("channel").is_in([segment.channel, "any"])
    refused = refusals.filter(channel & (pl.col("purpose") == segment.purpose))
    return audience.join(refused, on="customer_id", how="anti")


def _write_duckdb(release: Path, catalogue: Catalogue) -> None:
    """The marts as one file for BI, with every column described."""
    path = with_parent(release / "marts.duckdb")
    with duckdb.connect(path, config={"threads": 1}) as connection:
        for name, group in MARTS.items():
            mart = release / "marts" / f"{name}.parquet"
            connection.execute(f"create table {name} as from read_parquet(?)", [str(mart)])
            dataset = catalogue[group, name]
            connection.execute(f"comment on table {name} is {_quoted(dataset.description)}")
            for column in dataset.columns:
                text = _quoted(column.description)
                connection.execute(f"comment on column {name}.{column.name} is {text}")
        connection.execute("checkpoint")
    path.chmod(0o444)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _summarise(
    cuts: dict[str, Cut], audience: pl.DataFrame, contacts: pl.DataFrame | None, book: RuleBook
) -> list[dict[str, str | int]]:
    """Count each list anew from its file's rows, for the last gate: rows of `list_summary`."""
    never = audience.filter(pl.col("suppressed_because").is_not_null())["customer_id"]
    rows: list[dict[str, str | int]] = []
    for segment in book.segments.segments:
        people = cuts[segment.name].rows
        allowed = contacts if contacts is not None else people.clear()
        if contacts is not None:
            allowed = contacts.filter(
                pl.col("channel") == segment.channel, pl.col("purpose") == segment.purpose
            ).select("customer_id", contact="contact_value")
        with_contact = people.height if "contact" in people.columns else 0
        unconsented = (
            people.join(allowed, on=["customer_id", "contact"], how="anti").height
            if with_contact
            else 0
        )
        rows.append(
            {
                "list": segment.name,
                "row_count": people.height,
                "contact_count": with_contact,
                "distinct_customer_count": people["customer_id"].n_unique(),
                "without_consent_count": unconsented,
                "suppressed_count": int(people["customer_id"].is_in(never.implode()).sum()),
            }
        )
    return rows


def _notes(
    run: Run,
    audience: pl.DataFrame,
    contacts: pl.DataFrame | None,
    cuts: dict[str, Cut],
    conditions: Mapping[str, Condition],
) -> tuple[str, ...]:
    notes = []
    if contacts is None:
        notes.append("No source states any consent: the lists hold customer ids only.")
    else:
        out = sum(cut.without_consent for cut in cuts.values())
        notes.append(f"{out} places on lists were not filled for want of consent.")
    present = run.scan("models", "int_sources_present", "publish").collect().row(0, named=True)
    missing = [name.removeprefix("has_") for name, there in present.items() if not there]
    if missing:
        notes.append(f"No rows tonight: {', '.join(missing)}. Their facts are null, not zero.")
    if nobodys := _costs_of_nobody(run):
        notes.append(f"Costs that are no customer's: {nobodys}.")
    if audience["churn_risk"].null_count() == audience.height:
        empty = [name for name in cuts if needs_scores(conditions[name]) and not cuts[name].matched]
        if empty:
            notes.append(f"Without scores these lists are empty: {', '.join(empty)}.")
    return tuple(notes)


def _costs_of_nobody(run: Run) -> str:
    """What of the year's costs is in no customer's cost to serve, by the reason for it."""
    costs = run.scan("models", "int_costs_allocated", "publish")
    sums = costs.filter(pl.col("customer_id").is_null()).group_by("attribution")
    found = sums.agg(pl.col("cost_amount").sum()).sort("attribution").collect()
    return ", ".join(f"{amount:.2f} {NOBODYS[reason]}" for reason, amount in found.rows())
