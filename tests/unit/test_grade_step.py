"""Grades on files: what is read of the run and of the last release, overrides, and notes."""

from datetime import date, timedelta

import polars as pl
import pytest
from factories import AS_OF, rows

from pipelines.grade import find_overrides, grade
from pipelines.lake import write_table
from pipelines.release import release_run, write_manifest
from pipelines.rules import find_rules, load_rules
from pipelines.rules.grade_overrides import GradeOverrides
from tests.unit.tiers.people import NO_SCORES, buyer, hundred, prospect

DATASETS = (
    "customer_values", "grade_decisions", "grade_edges", "grade_history", "grade_overrides",
    "grade_targets",
)  # fmt: skip
LATER = AS_OF + timedelta(2)  # the second night of a review period
BOOK = load_rules(find_rules(None))


def overridden(*lines):
    told = GradeOverrides.model_validate({"overrides": lines})
    return BOOK.model_copy(update={"grade_overrides": told})


def by_hand(customer, **what):
    plain = {"reason": "Board", "owner": "Li Na", "until": "2026-12-31"}
    return {"customer": customer, **plain, **what}


def profile(run, people, keys=(), aliases=()):
    write_table(rows("customer_360", *people, group="models"), run.table("models", "customer_360"))
    for name, told in (("customer_keys", keys), ("customer_aliases", aliases)):
        frame = rows(name, *told, group="pipeline").head(len(told))
        write_table(frame, run.table("pipeline", name))


def written(run, name):
    return pl.read_parquet(run.table("pipeline", name))


def levels(run):
    told = written(run, "grade_decisions").filter(ladder="grade")
    return dict(told.select("customer_id", "level").iter_rows())


def release(lake, run):
    for name in ("grade_decisions", "grade_edges"):
        write_table(written(run, name), run.release / "state" / f"{name}.parquet")
    history = run.release / "marts" / "grade_history.parquet"
    write_table(written(run, "grade_history"), history)
    release_run(lake, run, write_manifest(run.release, {"date": run.as_of.isoformat()}))


def drop_columns(path, *names):
    write_table(pl.read_parquet(path).drop(names), path)


def test_it_goes_on_from_a_release_of_a_version_that_knew_less(lake, catalogue):
    run = lake.run(AS_OF)
    profile(run, hundred())
    grade(lake, run, catalogue, BOOK, NO_SCORES)
    release(lake, run)
    [folder] = lake.published.glob(f"{AS_OF}*")
    drop_columns(folder / "marts" / "grade_history.parquet", "cut_score")
    drop_columns(folder / "state" / "grade_decisions.parquet", "refunded")
    later = lake.run(LATER)
    profile(later, hundred())
    grade(lake, later, catalogue, BOOK, NO_SCORES)
    assert levels(later) == levels(run)
    history = written(later, "grade_history")
    assert set(history["valid_from_on"]) == {AS_OF}
    assert history["valid_to_on"].null_count() == history.height


def test_it_writes_every_dataset_in_the_catalogues_types(lake, catalogue):
    run = lake.run(AS_OF)
    profile(run, [*hundred(), prospect("nobody")])
    assert grade(lake, run, catalogue, BOOK, NO_SCORES) == ()
    for name in DATASETS:
        dataset, table = catalogue["pipeline", name], written(run, name)
        assert table.schema == dataset.schema, name
        assert table.select(dataset.key).is_duplicated().sum() == 0, name
        for column in dataset.columns:
            if column.required:
                assert table[column.name].null_count() == 0, (name, column.name)
            if column.values:
                assert set(table[column.name].drop_nulls()) <= set(column.values), column.name
    assert len(levels(run)) == 101


def test_a_company_without_any_order_is_graded_too(lake, catalogue):
    run = lake.run(AS_OF)
    profile(run, [prospect("one"), prospect("two")])
    assert grade(lake, run, catalogue, BOOK, NO_SCORES) == ()
    assert levels(run) == {"one": "D", "two": "D"}
    assert written(run, "grade_targets").is_empty()


def test_the_next_night_goes_on_from_what_was_released(lake, catalogue):
    first, second = lake.run(AS_OF), lake.run(LATER)
    profile(first, hundred())
    grade(lake, first, catalogue, BOOK, NO_SCORES)
    release(lake, first)
    poorer = [row | {"net_margin_365d_amount": 1, "tenure_days": 12} if row["customer_id"] == "p100"
              else row | {"tenure_days": 12} for row in hundred()]  # fmt: skip
    profile(second, poorer)
    notes = grade(lake, second, catalogue, BOOK, NO_SCORES)
    assert notes == (
        "The edges of grades of each person were taken anew: it is the first night of a review "
        "period.",
    )
    assert levels(second)["p100"] == levels(first)["p100"] == "A"
    warned = written(second, "grade_targets").filter(aim="keep", ladder="grade")
    assert "p100" in warned["customer_id"].to_list()
    told = written(second, "grade_history").filter(customer_id="p100", ladder="grade")
    assert told.select("valid_from_on", "valid_to_on").rows() == [(AS_OF, None)]


def test_a_release_of_a_version_without_grades_is_no_memory(lake, catalogue):
    first, second = lake.run(AS_OF), lake.run(LATER)
    first.release.mkdir(parents=True)
    release_run(lake, first, write_manifest(first.release, {"date": AS_OF.isoformat()}))
    profile(second, hundred())
    assert grade(lake, second, catalogue, BOOK, NO_SCORES) == ()
    assert set(written(second, "grade_decisions")["changed_on"]) == {LATER}


def test_whoever_asked_to_be_forgotten_is_graded_and_has_no_history(lake, catalogue):
    run = lake.run(AS_OF)
    profile(run, [*hundred(), buyer("asked", 200, is_erasure_requested=True)])
    grade(lake, run, catalogue, BOOK, NO_SCORES)
    assert "asked" in levels(run)
    assert "asked" not in written(run, "grade_history")["customer_id"].to_list()


def test_grades_set_by_hand_count_and_unknown_names_are_told(lake, catalogue):
    run = lake.run(AS_OF)
    key = {"entity": "contact", "source": "crm", "source_record_id": "77", "customer_id": "p001"}
    profile(run, hundred(), keys=[key])
    book = overridden(by_hand("crm:77", grade="A"), by_hand("crm:78", grade="B"))
    notes = grade(lake, run, catalogue, book, NO_SCORES)
    assert levels(run)["p001"] == "A"
    assert notes == ("grade_overrides.yml names 1 customer who is not there tonight.",)


@pytest.fixture
def known():
    ids = ["a" * 16, "b" * 16]
    keys = rows(
        "customer_keys",
        *({"source": "crm", "source_record_id": str(n), "customer_id": name}
          for n, name in enumerate(ids)),
        group="pipeline",
    )  # fmt: skip
    merged = {"alias_id": "c" * 16, "customer_id": "b" * 16, "event": "merged"}
    return keys, rows("customer_aliases", merged, group="pipeline")


def test_an_override_names_a_customer_by_id_former_id_or_record(known):
    told = overridden(by_hand("crm:0", grade="A"), by_hand("c" * 16, vip_band="gold"))
    found, strangers = find_overrides(told.grade_overrides, *known, AS_OF)
    assert found.rows() == [
        ("a" * 16, "A", None, date(2026, 12, 31), "Board", "Li Na"),
        ("b" * 16, None, "gold", date(2026, 12, 31), "Board", "Li Na"),
    ]
    assert strangers == 0


def test_of_two_overrides_of_one_customer_the_longer_counts_and_an_ended_one_never(known):
    told = overridden(
        by_hand("b" * 16, grade="B"),
        by_hand("c" * 16, grade="C", until="2027-01-01"),
        by_hand("crm:0", grade="A", until=AS_OF - timedelta(1)),
    )
    found, strangers = find_overrides(told.grade_overrides, *known, AS_OF)
    assert found.select("customer_id", "grade").rows() == [("b" * 16, "C")]
    assert strangers == 0
