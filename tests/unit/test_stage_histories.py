"""What is remembered from release to release, and of whom nothing is."""

from datetime import date, timedelta

import polars as pl
import pytest
from factories import AS_OF, rows

from pipelines.histories import (
    HISTORIES,
    MEMORY,
    bring_memory,
    list_movements,
    name_endings,
    write_histories,
)
from pipelines.intervals import VALIDITY
from pipelines.lake import write_table
from pipelines.publish import MARTS
from pipelines.release import Release
from pipelines.rules import find_rules, load_rules

TOMORROW = AS_OF + timedelta(1)


@pytest.fixture(scope="module")
def book():
    return load_rules(find_rules(None))


@pytest.fixture
def night(lake, catalogue, book):
    """Run the part of a night that histories are of: stages, who asked, and aliases."""

    def run_night(day, stages, asked=(), aliases=(), before=None):
        run = lake.run(day)
        tables = {
            ("models", "customer_lifecycle"): [
                {"customer_id": who, "lifecycle_stage": stage} for who, stage in stages.items()
            ],
            ("models", "customer_360"): [{"customer_id": who} for who in stages],
            ("pipeline", "customer_aliases"): [
                {"alias_id": alias, "customer_id": whose, "changed_on": day, "event": event}
                for alias, whose, event in aliases
            ],
        }
        for (group, name), told in tables.items():
            frame = rows(name, *told, group=group).head(len(told))
            write_table(frame, run.table(group, name))
        requests = pl.DataFrame({"customer_id": list(asked)}, {"customer_id": pl.String})
        write_table(requests, run.table("models", "int_erased_customers"))
        bring_memory(before, run, catalogue)
        write_histories(run, catalogue, book)
        for name in ("lifecycle_history", "lifecycle_movements"):
            mart = pl.read_parquet(run.table("pipeline", name))
            write_table(mart, run.release / "marts" / f"{name}.parquet")
        return Release(run.release)

    return run_night


def history(release):
    mart = pl.read_parquet(release.path / "marts" / "lifecycle_history.parquet")
    told = mart.select("customer_id", "lifecycle_stage", *VALIDITY)
    return told.rows()


def test_every_history_is_published_and_declared_with_the_columns_of_its_mart(catalogue):
    for one in HISTORIES:
        columns = set(catalogue["pipeline", one.name].schema) - set(VALIDITY)
        assert columns <= set(catalogue["models", one.mart].schema)
        assert {*one.state, *catalogue["models", one.mart].key} <= columns
    for name in {one.name for one in HISTORIES} | set(MEMORY):
        mart = catalogue[MARTS[name], name]
        assert catalogue["pipeline", f"previous_{name}"].schema == mart.schema


def test_a_stage_goes_on_changes_merges_and_goes(night):
    first = night(AS_OF, {"a": "repeat", "b": "loyal", "c": "loyal", "d": "prospect"})
    second = night(
        TOMORROW,
        {"a": "at_risk", "d": "prospect"},
        aliases=[("b", "a", "merged")],
        before=first,
    )
    assert history(second) == [
        ("a", "repeat", AS_OF, TOMORROW, "changed"),
        ("a", "at_risk", TOMORROW, None, None),
        ("b", "loyal", AS_OF, TOMORROW, "merged"),
        ("c", "loyal", AS_OF, TOMORROW, "gone"),
        ("d", "prospect", AS_OF, None, None),
    ]


def test_a_restored_customer_begins_anew_and_keeps_what_was(night):
    first = night(AS_OF, {"a": "repeat", "b": "loyal"})
    merged = [("b", "a", "merged")]
    second = night(TOMORROW, {"a": "loyal"}, aliases=merged, before=first)
    third = AS_OF + timedelta(2)
    restored = night(
        third, {"a": "loyal", "b": "loyal"}, aliases=[("b", "b", "restored")], before=second
    )
    assert history(restored)[2:] == [
        ("b", "loyal", AS_OF, TOMORROW, "merged"),
        ("b", "loyal", third, None, None),
    ]


def test_nothing_is_remembered_of_whom_is_forgotten_nor_of_their_former_ids(night):
    merged = [("b", "a", "merged")]
    first = night(AS_OF, {"a": "repeat", "b": "loyal", "c": "loyal"})
    second = night(TOMORROW, {"a": "at_risk", "c": "loyal"}, aliases=merged, before=first)
    assert len(history(second)) == 4
    third = night(
        AS_OF + timedelta(2),
        {"a": "at_risk"},
        asked=["a"],
        aliases=[*merged, ("c", None, "gone")],
        before=second,
    )
    assert history(third) == []


def test_the_same_night_again_gives_the_same_history(night):
    first = night(AS_OF, {"a": "repeat"})
    second = history(night(TOMORROW, {"a": "at_risk"}, before=first))
    assert history(night(TOMORROW, {"a": "at_risk"}, before=first)) == second


def test_movements_tell_the_changes_of_the_last_90_days(night, book):
    assert book.lifecycle.movement_days == 90
    days = [AS_OF, AS_OF + timedelta(1), AS_OF + timedelta(90), AS_OF + timedelta(91)]
    before = None
    for day, stage in zip(days, ("prospect", "first_time", "at_risk", "at_risk"), strict=True):
        before = night(day, {"a": stage}, before=before)
    columns = ["customer_id", "moved_on", "from_lifecycle_stage", "to_lifecycle_stage", "from_days"]
    moved = pl.read_parquet(before.path / "marts" / "lifecycle_movements.parquet")
    assert moved.select(columns).rows() == [("a", days[2], "first_time", "at_risk", 89)]


def test_an_interval_after_a_break_is_no_movement():
    told = rows(
        "lifecycle_history",
        {"lifecycle_stage": "loyal", "valid_from_on": AS_OF, "valid_to_on": TOMORROW},
        {"lifecycle_stage": "vip", "valid_from_on": AS_OF + timedelta(9)},
        group="pipeline",
    ).with_columns(customer_id=pl.lit("a"))
    assert list_movements(told, "lifecycle_stage").is_empty()


def test_memory_of_an_older_version_lacks_columns_and_keeps_its_rows(lake, catalogue, tmp_path):
    old = rows("rfm_edges", {}, {}, group="models").drop("customer_count")
    write_table(old, tmp_path / "marts" / "rfm_edges.parquet")
    run = lake.run(AS_OF)
    bring_memory(Release(tmp_path), run, catalogue)
    edges = pl.read_parquet(run.table("pipeline", "previous_rfm_edges"))
    assert edges.height == 2
    assert edges["customer_count"].null_count() == 2
    stages = pl.read_parquet(run.table("pipeline", "previous_lifecycle_history"))
    assert stages.is_empty()
    assert stages.schema == catalogue["pipeline", "previous_lifecycle_history"].schema


def aliases(*told):
    schema = {"alias_id": pl.String, "customer_id": pl.String, "changed_on": pl.Date,
              "event": pl.String}  # fmt: skip
    return pl.DataFrame(told, schema, orient="row")


def test_a_membership_of_a_living_customer_ends_because_it_left():
    held = pl.DataFrame(
        {"list": ["x", "x", "x"], "customer_id": ["a", "b", "c"], "valid_to_on": [None] * 3},
        schema_overrides={"valid_to_on": pl.Date},
    )
    living = pl.DataFrame({"customer_id": ["a"]})
    told = aliases(("b", "a", date(2026, 1, 1), "merged"))
    endings = name_endings(held, living, told, ("list", "customer_id"))
    assert dict(endings.select("customer_id", "ended_because").sort("customer_id").iter_rows()) == {
        "a": "left", "b": "merged", "c": "gone",
    }  # fmt: skip
