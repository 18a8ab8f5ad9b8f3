"""Grades within the `score` step: reads the run and the last release, writes datasets."""

from datetime import date

import polars as pl

from pipelines.aliases import newest_aliases
from pipelines.catalogue import Catalogue
from pipelines.identity.refs import RECORD, read_ref
from pipelines.lake import Lake, Run, write_table
from pipelines.release import Release, previous_release, recall
from pipelines.rules.grade_overrides import GradeOverrides
from pipelines.rules.schemas import RuleBook
from pipelines.tiers.edges import EDGES, read_edges, write_edges
from pipelines.tiers.gaps import find_targets
from pipelines.tiers.history import carry_grades
from pipelines.tiers.memory import STANDING
from pipelines.tiers.night import Facts, Graded, Memory, grade_customers
from pipelines.tiers.values import READ
from pipelines.wording import count_of

CAUSES = {
    "review": "it is the first night of a review period",
    "rules_changed": "the rules have changed",
    "base_grew": "there are many more customers than when they were taken",
}
SET = {
    "grade": pl.String(), "vip_band": pl.String(), "until": pl.Date(), "reason": pl.String(),
    "owner": pl.String(),
}  # fmt: skip
NAMED = {"customer": pl.String(), **dict.fromkeys(RECORD, pl.String()), **SET}


def grade(
    lake: Lake, run: Run, catalogue: Catalogue, book: RuleBook, scores: pl.DataFrame
) -> tuple[str, ...]:
    """Grade everybody from where the last release left them; returns notes.

    Args:
        lake: where releases are.
        run: tonight's.
        catalogue: types of the datasets written.
        book: tonight's rules.
        scores: customer_id, clv_365d_amount; empty on a night without scores.
    """
    before = previous_release(lake, run.as_of)
    memory = read_memory(before)
    profiles = run.scan("models", "customer_360", "score")
    customers = profiles.select(*READ, "is_erasure_requested").collect()
    aliases = run.scan("pipeline", "customer_aliases", "score").collect()
    keys = run.scan("pipeline", "customer_keys", "score").collect()
    overrides, strangers = find_overrides(book.grade_overrides, keys, aliases, run.as_of)
    facts = Facts(customers, scores, aliases, overrides)
    graded = grade_customers(facts, memory, book.tiers, book.influence, run.as_of)
    requests = customers.filter("is_erasure_requested").select("customer_id")
    known = recall(before, "marts/grade_history", catalogue["pipeline", "grade_history"].schema)
    history = carry_grades(known, graded.standing, aliases, requests, run.as_of)
    targets = find_targets(graded.values, graded.standing, graded.edges, book.tiers, run.as_of)
    tables = {
        "customer_values": graded.values,
        "grade_decisions": graded.standing,
        "grade_overrides": overrides.rename({"until": "until_on"}),
        "grade_edges": write_edges(graded.edges),
        "grade_history": history,
        "grade_targets": targets,
    }
    for name, frame in tables.items():
        dataset = catalogue["pipeline", name]
        write_table(dataset.conform(frame.lazy()), run.table("pipeline", name))
    return _notes(graded, strangers, run.as_of)


def find_overrides(
    overrides: GradeOverrides, keys: pl.DataFrame, aliases: pl.DataFrame, as_of: date
) -> tuple[pl.DataFrame, int]:
    """The grades set by hand that hold on a day, by customer, and how many name nobody.

    Of two that have become one customer, the one that holds longer counts.

    Args:
        overrides: the rules.
        keys: `customer_keys`.
        aliases: `customer_aliases`.
        as_of: the run date.
    """
    standing = [told for told in overrides.overrides if told.until >= as_of]
    rows = [
        (told.customer, *(read_ref(told.customer) or (None,) * len(RECORD)),
         told.grade, told.vip_band, told.until, told.reason, told.owner)
        for told in standing
    ]  # fmt: skip
    named = pl.DataFrame(rows, NAMED, orient="row")
    merged = newest_aliases(aliases).filter(event="merged")
    stands_for = merged.select("alias_id", stands_for="customer_id")
    found = (
        named.join(keys.select(*RECORD, "customer_id"), on=RECORD, how="left")
        .join(stands_for, left_on="customer", right_on="alias_id", how="left")
        .with_columns(customer_id=pl.coalesce("customer_id", "stands_for", "customer"))
        .join(keys.select("customer_id").unique(), on="customer_id", how="semi")
    )
    one = found.sort("customer_id", "until", "customer", descending=[False, True, False])
    kept = one.unique("customer_id", keep="first", maintain_order=True).select("customer_id", *SET)
    return kept, len(standing) - found.height


def read_memory(before: Release | None) -> Memory | None:
    """What the last release knew of grades; None if it is of older make, or there is none."""
    edges = recall(before, "state/grade_edges", EDGES)
    decisions = recall(before, "state/grade_decisions", STANDING)
    return None if edges is None or decisions is None else Memory(read_edges(edges), decisions)


def _notes(graded: Graded, strangers: int, as_of: date) -> tuple[str, ...]:
    notes = [
        f"The edges of grades of each {group} were taken anew: {CAUSES[cause]}."
        for group, cause in graded.causes.items()
    ]
    if graded.unmoved:
        notes.append(
            f"No {' and no '.join(graded.unmoved)} was moved between grades tonight: a measure "
            "that counts is missing, as on a night without scores."
        )
    if strangers:
        named = count_of(strangers, "customer who is", "customers who are")
        notes.append(f"grade_overrides.yml names {named} not there tonight.")
    return tuple(notes)
