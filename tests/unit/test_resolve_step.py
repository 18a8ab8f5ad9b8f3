"""The `resolve` step on files: what it reads of the run and of the last release, and writes."""

from dataclasses import fields

import polars as pl
import pytest
from factories import rows
from small_releases import release_night

from pipelines.errors import C360Error
from pipelines.identity.resolve import Signals
from pipelines.lake import write_table
from pipelines.resolve import DATASETS, resolve, train
from pipelines.rules import find_rules, load_rules
from pipelines.rules.sources import Sources
from tests.unit.identity.identity_people import (
    EXACT,
    KEY,
    contact,
    day,
    guest,
    ids,
    signals_of,
)
from tests.unit.identity.identity_people import resolve as resolve_frames

LI, WANG, ORDER = contact("li"), contact("wang", "shop"), guest(7)
SEEN = [(LI, 0), (WANG, 1), (ORDER, 2)]
CARRIED = [(record, "email", "li@example.com") for record in (LI, WANG)]
MARTS = ("customer_aliases", "customer_identifiers", "identity_edges", "identity_reviews",
         "customer_fields")  # fmt: skip
FILES = {"type": "files", "path": "/nowhere"}
# What version 0.1 knew of a record.
FORMER_KEYS = ["entity", "source", "source_account_id", "source_record_id", "first_seen_on",
               "customer_id"]  # fmt: skip


@pytest.fixture
def book():
    """The packaged rules, without guesses."""
    packaged = load_rules(find_rules(None))
    identity = packaged.identity.model_copy(update={"fuzzy": EXACT})
    return packaged.model_copy(update={"identity": identity})


@pytest.fixture
def step(lake, catalogue, book):
    """Run the step on what the sources say by a night; gives what it reported, and the run."""

    def take(signals, on, *sources):
        run = lake.run(day(on))
        for field in fields(Signals):
            write_table(
                getattr(signals, field.name), run.table("models", f"int_identity_{field.name}")
            )
        told = Sources.model_validate({"sources": [FILES | source for source in sources]})
        rules = book.model_copy(update={"sources": told})
        return resolve(lake, run, catalogue, rules, KEY), run

    return take


def test_each_dataset_is_written_as_the_catalogue_says(step, catalogue):
    result, run = step(signals_of(SEEN, CARRIED), on=1)
    assert result.summary == "3 records of 2 customers"
    assert "2 customers, all new." in result.notes
    assert result.facts == {"previous_release": None}
    for name in DATASETS:
        assert pl.read_parquet_schema(run.table("pipeline", name)) == (
            catalogue["pipeline", name].schema
        ), name


def test_it_goes_on_from_the_last_release_before_the_night(step, lake):
    first = resolve_frames(signals_of(SEEN), on=1)
    before = release_night(lake, first, 1)
    release_night(lake, resolve_frames(signals_of(SEEN, CARRIED), on=9), 9)
    result, run = step(signals_of(SEEN, CARRIED), on=2)
    assert result.facts == {"previous_release": before.path.name}
    aliases = pl.read_parquet(run.table("pipeline", "customer_aliases"))
    assert aliases.select("alias_id", "customer_id", "changed_on").rows() == [
        (ids(first)[WANG], ids(first)[LI], day(2))
    ]


def test_a_release_of_an_older_version_is_gone_on_from_by_what_it_knew(step, lake):
    first = resolve_frames(signals_of(SEEN), on=1)
    before = release_night(lake, first, 1, without=MARTS)
    path = before.path / "state" / "customer_keys.parquet"
    former = pl.read_parquet(path).select(FORMER_KEYS)
    path.unlink()  # shared with its run as a hard link
    write_table(former, path)
    _, run = step(signals_of([*SEEN[1:]], CARRIED[1:]), on=2)
    aliases = pl.read_parquet(run.table("pipeline", "customer_aliases"))
    assert aliases.select("alias_id", "event", "source_record_id").rows() == [
        (ids(first)[LI], "gone", "li")
    ]
    keys = pl.read_parquet(run.table("pipeline", "customer_keys"))
    assert set(keys["customer_id"]) == {ids(first)[WANG], ids(first)[ORDER]}


def test_a_night_before_anybody_is_known_names_the_first_order(step, lake):
    nobody = signals_of([])
    orders = rows("orders", *({"ordered_at": at} for at in (day(5), None, day(3)))).with_columns(
        customer_email=pl.lit("li@example.com")
    )
    write_table(orders, lake.run(day(1)).inputs / "orders" / "part.parquet")
    with pytest.raises(C360Error, match=r"known by 2026-01-02; the first order is of 2026-01-04\."):
        step(nobody, on=1)
    write_table(orders.clear(), lake.run(day(1)).inputs / "orders" / "part.parquet")
    with pytest.raises(C360Error, match=r"No customer is known by 2026-01-02\. Choose"):
        step(nobody, on=1)


def test_orders_that_name_nobody_are_told_and_not_their_dates(step, lake):
    orders = rows("orders", {"ordered_at": day(0)}, {"ordered_at": day(1)})
    write_table(orders, lake.run(day(1)).inputs / "orders" / "part.parquet")
    with pytest.raises(C360Error, match="no order says whose it is") as error:
        step(signals_of([]), on=1)
    assert "customer_email" in error.value.hint


@pytest.mark.parametrize(
    ("sources", "customers"),
    [
        ([{"name": "shop"}], 1),
        ([{"name": "shop", "one_record_per_person": True}], 2),
        ([{"name": "other", "one_record_per_person": True}, {"name": "shop"}], 1),
        ([{"name": "shop"}, {"name": "app", "part_of": "shop", "one_record_per_person": True}], 2),
    ],
)
def test_two_log_ins_of_a_source_with_one_record_per_person_are_two_people(
    step, sources, customers
):
    log_ins = [contact(1, "shop"), contact(2, "shop")]
    signals = signals_of(
        [(who, 0) for who in log_ins], [(who, "email", "li@example.com") for who in log_ins]
    )
    result, _ = step(signals, 1, *sources)
    assert result.summary == f"2 records of {customers} customer{'s' if customers > 1 else ''}"


def test_training_refuses_without_a_place_for_what_is_learnt(step, book):
    _, run = step(signals_of(SEEN), on=1)
    with pytest.raises(C360Error, match="no directory of your rules") as told:
        train(run, book, None)
    assert told.value.hint == "Set C360_RULES_DIR to it."


def test_training_on_a_handful_of_records_refuses_and_leaves_the_rules_alone(step, book, tmp_path):
    rules = tmp_path / "rules"
    rules.mkdir()
    _, run = step(signals_of(SEEN, profiles={LI: {"full_name": "李娜"}}), on=1)
    with pytest.raises(C360Error, match="fewer than 1000"):
        train(run, book, rules)
    assert list(rules.iterdir()) == []


def test_training_on_a_run_that_never_was_says_how_to_run_it(lake, book, tmp_path):
    with pytest.raises(C360Error, match="this run has none") as told:
        train(lake.run(day(10)), book, tmp_path)
    assert "c360 nightly --date 2026-01-11" in told.value.hint
