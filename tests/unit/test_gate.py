"""The gates: each kind of fault, made on purpose, stops the line and is told without its values."""

import json
import re
import shutil
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from pipelines.catalogue import Catalogue, Column, Dataset, load_catalogue
from pipelines.errors import C360Error
from pipelines.gate import GateResult, run_gate
from pipelines.gate_checks import basic_suite, read_suites
from pipelines.gate_frames import repeated_rows
from pipelines.lake import Lake, Run, read_json, write_table

PROJECT = Path(__file__).resolve().parents[2]
AS_OF = date(2026, 6, 30)
CANARY = "canary@example.com"
ROWS = 3

# What the expectations ask beyond a plausible value of each type.
OVERRIDES: dict[str, Any] = {
    "as_of": AS_OF,
    "consented_on": date(2026, 1, 1),
    "consent_expires_on": date(2027, 1, 1),
    "without_consent_count": 0,
    "held_out_count": 0,
    "twice_contacted_count": 0,
    "suppressed_count": 0,
    "quarantined_count": 0,
    "unaccounted_count": 0,
    "quarantined_share": 0.0,
    "max_quarantined_share": 0.05,
    "base_currency": "GBP",
    "household_size": 2,
    "hierarchy_problem": None,
    "member_count": 2,
    "csat_score": 4.0,
    "churn_risk_band": ["high", "low", "low"],
    "churn_risk": [0.9, 0.1, 0.2],
    "grade": ["B", "C", "D"],
    "is_grade_changed": False,
    "grade_review_on": date(2026, 10, 1),
    "until_on": date(2026, 7, 30),
    "from_grade": ["A", "B", "C"],
    "psi": 0.1,
    "next_order_from_on": date(2026, 7, 1),
    "next_order_to_on": date(2026, 7, 9),
    "lifecycle_stage": ["repeat", "churned", "vip"],
    "valid_to_on": date(2026, 6, 2),
    "score": [1, 2, 3],
    "moved_rate": 0.01,
    "months_since": [0, 1, 2],
}
PLAIN: dict[type[pl.DataType], Any] = {
    pl.Boolean: True,
    pl.Int32: 1,
    pl.Int64: 1,
    pl.Float64: 0.5,
    pl.Date: date(2026, 6, 1),
    pl.Datetime: datetime(2026, 6, 1),  # noqa: DTZ001 - the lake's timestamps are UTC without a zone
    pl.Decimal: Decimal("12.5"),
    pl.List: ["x"],
}

type_of = type
Break = Callable[[pl.DataFrame], pl.DataFrame]


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return load_catalogue(PROJECT)


@pytest.fixture(scope="session")
def good_run(tmp_path_factory: pytest.TempPathFactory, catalogue: Catalogue) -> Run:
    """A run folder with three good rows in every dataset that a gate judges."""
    run = Lake(tmp_path_factory.mktemp("good")).run(AS_OF)
    for stage in ("landing", "profile", "scores", "marts", "lists"):
        for dataset, _ in read_suites(stage, PROJECT, catalogue):
            if dataset.group == "landing":
                write_table(dataset_rows(dataset).clear(), place(run, dataset, "empty"))
            if dataset.group != "landing" or dataset.name == "orders":
                write_table(dataset_rows(dataset), place(run, dataset, "part"))
    return run


@pytest.fixture
def run(tmp_path: Path, good_run: Run) -> Run:
    """A good run to break."""
    run = Lake(tmp_path / "home").run(AS_OF)
    shutil.copytree(good_run.path, run.path)
    return run


def place(run: Run, dataset: Dataset, part: str) -> Path:
    if dataset.group == "landing":
        return run.inputs / dataset.name / f"{part}.parquet"
    return run.table(dataset.group, dataset.name)


def dataset_rows(dataset: Dataset) -> pl.DataFrame:
    """Rows that fit the catalogue, made from its own lines."""
    columns = {column.name: column_values(column, dataset.key) for column in dataset.columns}
    return pl.DataFrame(columns, schema=dataset.schema)


def column_values(column: Column, key: tuple[str, ...]) -> list[Any]:
    if column.name in OVERRIDES:
        value = OVERRIDES[column.name]
        return value if isinstance(value, list) else [value] * ROWS
    if column.values:
        return [column.values[n if key == (column.name,) else 0] for n in range(ROWS)]
    if isinstance(column.dtype, pl.String):
        return [f"{column.name}-{n}" if column.name in key else column.name for n in range(ROWS)]
    return [PLAIN[type_of(column.dtype)]] * ROWS


def break_table(run: Run, dataset: Dataset, change: Break) -> None:
    path = place(run, dataset, "part")
    change(pl.read_parquet(path)).write_parquet(path)


def judge(stage: str, run: Run, catalogue: Catalogue, project: Path = PROJECT) -> GateResult:
    return run_gate(stage, run, catalogue, project)


def set_first(column: str, value: Any) -> Break:
    """Put a value into the first row only."""
    first = pl.int_range(pl.len()) == 0

    def change(frame: pl.DataFrame) -> pl.DataFrame:
        replaced = pl.when(first).then(pl.lit(value, frame.schema[column])).otherwise(column)
        return frame.with_columns(replaced.alias(column))

    return change


def own_project(tmp_path: Path, **stages: str) -> Path:
    """A project with its own expectations; the catalogue is passed, not read from it."""
    folder = tmp_path / "project" / "expectations"
    shutil.copytree(PROJECT / "expectations", folder, dirs_exist_ok=True)
    for stage, text in stages.items():
        (folder / f"{stage}.yml").write_text(text, encoding="utf-8")
    return folder.parent


@pytest.mark.parametrize("stage", ["landing", "profile", "scores", "marts", "lists"])
def test_a_good_night_passes_every_gate(stage: str, run: Run, catalogue: Catalogue) -> None:
    result = judge(stage, run, catalogue)

    assert result.warnings == ()
    assert result.passed == result.checks > 0
    report = read_json(run.gates / f"{stage}.json")
    assert report["passed"] is True
    assert report["failed_count"] == 0
    assert result.page.is_file()


FAULTS: dict[str, tuple[str, tuple[str, str], Break, str]] = {
    "null in a required column": (
        "profile",
        ("models", "customer_contacts"),
        lambda frame: set_first("contact_value", None)(
            frame.with_columns(contact_value=pl.lit(CANARY), full_name=pl.lit(CANARY))
        ),
        r"customer_contacts: contact_value is never missing, but 1 of 3 rows break it",
    ),
    "unknown value in a set": (
        "profile",
        ("models", "customer_360"),
        set_first("kind", CANARY),
        r"customer_360: kind is one of person, company, institution, but 1 of 3 rows break it",
    ),
    "repeated key": (
        "profile",
        ("models", "customer_360"),
        lambda frame: frame.with_columns(
            customer_id=pl.Series([CANARY, CANARY, "another"], dtype=pl.String)
        ),
        r"customer_360: no customer_id is repeated, but 2 of 3 rows break it",
    ),
    "repeated compound key": (
        "profile",
        ("pipeline", "known_identifiers"),
        lambda frame: frame.with_columns(
            id_type=pl.lit("email"), raw_value=pl.lit(CANARY), country_code=pl.lit("")
        ),
        r"known_identifiers: no id_type, raw_value, country_code is repeated, but 3 of 3 rows",
    ),
    "missing column": (
        "marts",
        ("models", "customer_grades"),
        lambda frame: frame.drop("grade"),
        r"customer_grades: it has the catalogue's columns and types, but it lacks \[grade \(String",
    ),
    "undeclared column": (
        "marts",
        ("models", "customer_grades"),
        lambda frame: frame.with_columns(email=pl.lit(CANARY)),
        r"customer_grades: .* but it lacks \[\] and has \[email \(String\)\]",
    ),
    "retyped column": (
        "scores",
        ("pipeline", "customer_scores"),
        lambda frame: frame.with_columns(churn_risk=pl.lit(CANARY)),
        r"customer_scores: .* lacks \[churn_risk \(Float64\)\] and has \[churn_risk \(String\)\]",
    ),
    "columns in another order": (
        "marts",
        ("models", "customer_rfm"),
        lambda frame: frame.select(reversed(frame.columns)),
        r"customer_rfm: it has the catalogue's columns and types, but they are in another order",
    ),
    "probability out of range": (
        "scores",
        ("pipeline", "customer_scores"),
        set_first("churn_risk", 1.5),
        r"customer_scores: churn_risk is at least 0 and at most 1, but 1 of 3 rows break it",
    ),
    "not a number": (
        "scores",
        ("pipeline", "customer_scores"),
        set_first("p_alive", float("nan")),
        r"customer_scores: p_alive is never missing, but 1 of 3 rows break it",
    ),
    "amounts that are all nought": (
        "landing",
        ("landing", "orders"),
        lambda frame: frame.with_columns(total_amount=pl.lit(0).cast(pl.Decimal(18, 4))),
        r"orders: the greatest total_amount is greater than 0, but it is 0.0",
    ),
    "no rows": (
        "profile",
        ("models", "customer_360"),
        lambda frame: frame.clear(),
        r"customer_360: the number of rows is at least 1, but it is 0",
    ),
    "another number of rows than a dataset it goes with": (
        "marts",
        ("models", "audience"),
        lambda frame: frame.head(2),
        r"audience: the number of rows is that of customer_360, but it is 2",
    ),
    "too much in quarantine": (
        "landing",
        ("pipeline", "landing_summary"),
        set_first("quarantined_share", 0.2),
        r"landing_summary: max_quarantined_share is at least quarantined_share, but 1 of 3 rows "
        r"break it \(source-0 table-0\)",
    ),
    "nothing landed": (
        "landing",
        ("pipeline", "landing_summary"),
        lambda frame: frame.with_columns(landed_count=pl.lit(0, pl.Int64)),
        r"landing_summary: the sum of landed_count is at least 1, but it is 0",
    ),
    "an expired consent": (
        "profile",
        ("models", "customer_contacts"),
        set_first("consent_expires_on", AS_OF),
        r"customer_contacts: consent_expires_on is greater than 2026-06-30, but 1 of 3 rows",
    ),
    "a list with somebody who did not consent": (
        "lists",
        ("pipeline", "list_summary"),
        set_first("without_consent_count", 1),
        r"list_summary: without_consent_count is at most 0, but 1 of 3 rows break it",
    ),
    "somebody on a list twice": (
        "lists",
        ("pipeline", "list_summary"),
        set_first("distinct_customer_count", 0),
        r"list_summary: distinct_customer_count equals row_count, but 1 of 3 rows break it",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_stops_the_line_and_is_told_without_values(
    fault: str, run: Run, catalogue: Catalogue, tmp_path: Path
) -> None:
    stage, key, change, told = FAULTS[fault]
    break_table(run, catalogue[key], change)
    lines = yaml.safe_load((PROJECT / "expectations" / f"{stage}.yml").read_text())
    only = own_project(tmp_path, **{stage: yaml.safe_dump({key[1]: lines[key[1]]})})

    with pytest.raises(C360Error, match=told) as caught:
        judge(stage, run, catalogue, only)

    assert "published/current is unchanged" in caught.value.hint
    written = (run.gates / f"{stage}.json").read_text()
    page = (run.gates / "index.html").read_text()
    assert json.loads(written)["passed"] is False
    for text in (written, page, str(caught.value)):
        assert CANARY not in text


def test_numbers_over_personal_columns_are_not_kept(
    run: Run, catalogue: Catalogue, tmp_path: Path
) -> None:
    line = "expect_column_{}_to_be_between: {{column: {}, min_value: 0}}"
    lines = [line.format("mean", "age_years"), line.format("mean", "order_count")]
    lines.append("expect_column_distinct_values_to_be_in_set: {column: kind, value_set: [person]}")
    project = own_project(
        tmp_path, profile="customer_360:\n" + "".join(f"  - {x}\n" for x in lines)
    )
    judge("profile", run, catalogue, project)

    checks = read_json(run.gates / "profile.json")["datasets"][0]["checks"]
    assert [check.get("observed") for check in checks[-3:]] == [None, 1, None]


def test_a_landing_table_without_rows_is_left_out(run: Run, catalogue: Catalogue) -> None:
    judge("landing", run, catalogue)

    datasets = read_json(run.gates / "landing.json")["datasets"]
    assert [(dataset["name"], dataset["rows"]) for dataset in datasets] == [
        ("orders", 3),
        ("landing_summary", 3),
        ("landing_breakers", 3),
    ]


def test_a_landing_part_of_another_shape_is_refused(run: Run, catalogue: Catalogue) -> None:
    orders = catalogue["landing", "orders"]
    old = dataset_rows(orders).drop("status").with_columns(pl.col("currency").cast(pl.Binary))
    old.write_parquet(place(run, orders, "crm__2026-01-01__part"))

    with pytest.raises(C360Error, match=r"orders: .* it lacks \[status \(String\), currency \(Str"):
        judge("landing", run, catalogue)


def test_scores_may_be_empty(run: Run, catalogue: Catalogue) -> None:
    judged = [dataset for dataset, _ in read_suites("scores", PROJECT, catalogue)]
    graded = ("customer_values", "grade_decisions")  # everybody is graded, with scores or without
    for dataset in [one for one in judged if one.name not in graded]:
        break_table(run, dataset, lambda frame: frame.clear())

    result = judge("scores", run, catalogue)

    assert result.checks > len(judged) > 1
    assert result.not_run > 0


def test_a_warning_is_told_and_passes(run: Run, catalogue: Catalogue) -> None:
    break_table(run, catalogue["pipeline", "list_summary"], empty_first_list)

    result = judge("lists", run, catalogue)

    told = "list_summary: row_count is at least 1, but 1 of 3 rows break it (list-0)"
    assert result.warnings == (told,)
    assert read_json(run.gates / "lists.json")["warnings_count"] == 1


def empty_first_list(frame: pl.DataFrame) -> pl.DataFrame:
    return set_first("row_count", 0)(set_first("distinct_customer_count", 0)(frame))


@pytest.mark.parametrize(
    ("until", "passes"), [("2026-06-30", True), ("2026-06-29", False)], ids=["holds", "expired"]
)
def test_a_waiver_holds_until_its_day(
    until: str, passes: bool, run: Run, catalogue: Catalogue, tmp_path: Path
) -> None:
    lines = f"""
        customer_scores:
          - expect_column_values_to_be_between:
              {{column: churn_risk, max_value: 1, until: {until}, because: known fault}}
          - expect_column_values_to_be_in_set:
              {{column: churn_risk_band, value_set: [low], until: {until}, because: new bands}}
    """
    project = own_project(tmp_path, scores=lines)
    scores = catalogue["pipeline", "customer_scores"]
    break_table(run, scores, set_first("churn_risk", 2.0))
    break_table(run, scores, set_first("churn_risk_band", "unheard of"))

    if not passes:
        with pytest.raises(C360Error, match="churn_risk is at most 1, but 1 of 3 rows break it"):
            judge("scores", run, catalogue, project)
        return
    result = judge("scores", run, catalogue, project)
    assert len(result.warnings) == 2, (
        "the waiver of the set stands in for the catalogue's own check"
    )
    assert "Waived until 2026-06-30" in result.page.read_text()


MISSPELT = {
    "unknown expectation": (
        "customer_scores: [{expect_column_value_to_be_between: {column: p_alive, max_value: 1}}]",
        r"scores.yml, customer_scores, line 1 asks expect_column_value_to_be_between, which is "
        r"unknown; did you mean expect_column_values_to_be_between",
    ),
    "unknown setting": (
        "customer_scores: [{expect_column_values_to_be_between: {column: p_alive, maximum: 1}}]",
        r"line 1 \(expect_column_values_to_be_between\) has a fault: maximum: extra fields",
    ),
    "unknown severity": (
        "customer_scores: [{expect_table_row_count_to_equal: {value: 1, severity: fatal}}]",
        r"line 1 \(expect_table_row_count_to_equal\): severity: Input should be 'critical' or 'wa",
    ),
    "unknown column": (
        "customer_scores: [{expect_column_values_to_not_be_null: {column: p_alife}}]",
        r"names p_alife, which customer_scores does not have; did you mean p_alive",
    ),
    "unknown dataset": ("customer_score: []", "names customer_score, .* mean customer_scores"),
    "unknown dataset to count": (
        "customer_scores: [{expect_table_row_count_to_equal: {rows_of: customers_360}}]",
        "names customers_360, which no dataset is; did you mean customer_360",
    ),
    "a waiver without a reason": (
        "customer_scores: [{expect_table_row_count_to_equal: {value: 1, until: 2027-01-01}}]",
        r"a waiver \(until\) needs a reason \(because\)",
    ),
    "a condition on other columns": (
        "customer_scores: [{expect_table_row_count_to_equal: {value: 1, row_condition: x}}]",
        "row_condition is not supported",
    ),
    "no list": ("customer_scores: {expect: 1}", "needs datasets as keys, each with a list"),
    "no settings": ("customer_scores: [{expect_table_row_count_to_equal: 3}]", "has no {setting"),
    "no expectation": ("customer_scores: [3]", "line 1 is not `expectation: "),
    "a dataset twice": ("customer_scores: []\ncustomer_scores: []", "line 2: .* twice"),
    "a day that is none": (
        "customer_scores: [{expect_table_row_count_to_equal: {value: 1, until: 2026-06-31}}]",
        "line 1: '2026-06-31' cannot be read",
    ),
    "no YAML": ("customer_scores: [", "is not YAML"),
}


@pytest.mark.parametrize("fault", MISSPELT)
def test_a_misspelt_line_is_told_in_one_sentence(
    fault: str, run: Run, catalogue: Catalogue, tmp_path: Path
) -> None:
    text, told = MISSPELT[fault]

    with pytest.raises(C360Error, match=told):
        judge("scores", run, catalogue, own_project(tmp_path, scores=text))


def test_of_many_rows_that_break_a_check_of_a_summary_the_first_are_named(
    run: Run, catalogue: Catalogue
) -> None:
    summary = catalogue["pipeline", "landing_summary"]
    frame = pl.concat([dataset_rows(summary)] * 3).with_columns(
        table=pl.format("t{}", pl.int_range(pl.len())), quarantined_share=pl.lit(0.05)
    )
    break_table(run, summary, lambda before: frame.with_columns(max_quarantined_share=pl.lit(0.5)))

    [warning] = judge("landing", run, catalogue).warnings
    assert warning.endswith(
        "but 9 of 9 rows break it (source-0 t0, source-1 t1, source-2 t2, source-0 t3, "
        "source-1 t4 and 4 more)"
    )


def test_an_unknown_gate_is_refused(run: Run, catalogue: Catalogue) -> None:
    with pytest.raises(C360Error, match="There is no gate profil"):
        judge("profil", run, catalogue)


def test_a_missing_dataset_says_which_step_to_run(run: Run, catalogue: Catalogue) -> None:
    run.table("models", "audience").unlink()

    with pytest.raises(C360Error, match="The gate needs audience, and this run has none"):
        judge("marts", run, catalogue)


def test_what_cannot_be_computed_fails(run: Run, catalogue: Catalogue, tmp_path: Path) -> None:
    line = "customer_keys: [{expect_column_mean_to_be_between: {column: source, min_value: 0}}]"
    break_table(run, catalogue["pipeline", "customer_keys"], set_first("source", CANARY))

    told = "the mean of source is at least 0, but it could not be computed"
    with pytest.raises(C360Error, match=told) as caught:
        judge("profile", run, catalogue, own_project(tmp_path, profile=line))
    assert CANARY not in str(caught.value) + (run.gates / "profile.json").read_text()


def test_the_same_run_gives_the_same_bytes(run: Run, catalogue: Catalogue) -> None:
    written = []
    for _ in range(2):
        judge("profile", run, catalogue)
        judge("scores", run, catalogue)
        written.append([path.read_bytes() for path in sorted(run.gates.iterdir())])

    assert written[0] == written[1]
    assert len(written[0]) == 3


def test_the_page_needs_nothing_from_outside(
    run: Run, catalogue: Catalogue, tmp_path: Path
) -> None:
    hostile = "<script>alert(1)</script>"
    line = f"expect_table_row_count_to_be_between: {{min_value: 1, because: '{hostile}'}}"
    project = own_project(tmp_path, profile=f"customer_keys:\n  - {line}\n")
    for stage in ("profile", "lists"):
        judge(stage, run, catalogue, project)

    page = (run.gates / "index.html").read_text()
    assert "default-src 'none'; style-src 'unsafe-inline'" in page
    assert not re.search(r"<script|https?:|//[a-z]|url\(|@import|<link|<img|<iframe|\son\w+=", page)
    assert page.index("<h2>profile") < page.index("<h2>lists")


def test_pages_tell_no_count_of_few_persons(run: Run, catalogue: Catalogue) -> None:
    break_table(run, catalogue["pipeline", "list_summary"], empty_first_list)

    page = judge("lists", run, catalogue).page.read_text()

    assert "fewer than 10" in page


def test_only_repeated_keys_are_handed_on() -> None:
    rows = pl.LazyFrame({"a": ["x", "x", "y", None], "b": [1, 1, 1, 1], "c": [1, 2, 3, 4]})

    assert repeated_rows(rows, ["a", "b"]).shape == (2, 2)
    assert repeated_rows(rows, ["a", "c"]).shape == (0, 2)


def test_the_catalogue_gives_the_basic_suite(catalogue: Catalogue) -> None:
    asked = [check.expectation for check in basic_suite(catalogue["pipeline", "customer_keys"])]

    assert asked == [
        "expect_table_columns_to_match_ordered_list",
        *["expect_column_values_to_not_be_null"] * 10,
        *["expect_column_values_to_be_in_set"] * 2,
        "expect_compound_columns_to_be_unique",
    ]
