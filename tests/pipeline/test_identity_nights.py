"""Who is who, night after night: a merge undone by one line and made again, a rebuild, and answers.

On the second of three nights a steward says that two records, which the first night made one
customer, are never one; before the third the line is taken back.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import polars as pl
import pytest
import yaml

from pipelines.identity.refs import RECORD, mint_id, write_ref
from pipelines.lake import Lake
from pipelines.rules import find_rules, load_rules
from pipelines.steps import LINE, run_step
from tests.pipeline.nights import DAY, make_company, open_line, personal_values, run_night

pytestmark = pytest.mark.slow
FIRST, SECOND, THIRD = DAY - timedelta(30), DAY - timedelta(1), DAY
C360 = Callable[..., tuple[int, str]]


@dataclass(frozen=True)
class Nights:
    """A home with three released nights; tests must leave it as it is.

    one, other: the records, the elder first, that were one customer, two, and one again.
    """

    home: Path
    rules: Path
    one: str
    other: str


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Nights:
    root = tmp_path_factory.mktemp("nights")
    company, home = root / "company", root / "home"
    rules = make_company(company, until=FIRST)
    run_night(home, rules, FIRST)
    one, other = find_pair(home)
    pair = {"a": other, "b": one, "reason": "Twins", "owner": "Li Na", "date": SECOND}
    make_company(company, until=SECOND, after=FIRST)
    (rules / "identity_rules.yml").write_text(yaml.safe_dump({"cannot_link": [pair]}))
    run_night(home, rules, SECOND)
    make_company(company, until=THIRD, after=SECOND)
    (rules / "identity_rules.yml").unlink()
    run_night(home, rules, THIRD)
    return Nights(home, rules, one, other)


def find_pair(home: Path) -> tuple[str, str]:
    """Two contacts that are one customer, and all of it, by an e-mail address or telephone."""
    keys = keys_of(home, FIRST)
    are_two = (pl.len() == 2) & (pl.col("entity") == "contact").all()
    alone = keys.filter(are_two.over("customer_id"))
    edges = pl.read_parquet(home / "runs" / f"{FIRST}" / "pipeline" / "identity_edges.parquet")
    ties = edges.filter(
        pl.col("customer_id_a").is_in(alone["customer_id"].implode()),
        (pl.col("tie").is_in(["email", "phone"]).all() & (pl.len() > 1)).over("customer_id_a"),
    )
    customer = ties["customer_id_a"].min()
    pair = alone.filter(pl.col("customer_id") == customer).select(*RECORD, write_ref())
    named_after = {mint_id(tuple(record), b""): ref for *record, ref in pair.iter_rows()}
    (other,) = set(named_after.values()) - {named_after[customer]}
    return named_after[customer], other


def keys_of(home: Path, day: date) -> pl.DataFrame:
    return pl.read_parquet(home / "runs" / f"{day}" / "pipeline" / "customer_keys.parquet")


def customers_of(home: Path, day: date) -> dict[str, str]:
    keys = keys_of(home, day).select(write_ref(), "customer_id")
    return dict(keys.iter_rows())


@pytest.fixture
def ask(c360: C360, nights: Nights, monkeypatch: pytest.MonkeyPatch) -> C360:
    """The command line on the home of the three nights."""
    monkeypatch.setenv("C360_HOME", str(nights.home))
    return c360


def test_one_line_parts_a_merge_and_taking_it_back_restores_it(nights: Nights) -> None:
    first, second, third = (customers_of(nights.home, day) for day in (FIRST, SECOND, THIRD))
    assert first[nights.other] == first[nights.one] == second[nights.one] != second[nights.other]
    assert third[nights.one] == third[nights.other] == first[nights.one]
    assert second[nights.other] not in set(first.values())
    assert stands_for(nights.home)[second[nights.other]] == first[nights.one]


def test_ids_survive_a_month_and_go_into_older_ones_alone(nights: Nights) -> None:
    first, third = (customers_of(nights.home, day) for day in (FIRST, THIRD))
    assert len(third) > len(first)
    became = stands_for(nights.home)
    for record, customer in first.items():
        assert third[record] == became.get(customer, customer)
        assert third[record] in set(first.values())


def stands_for(home: Path) -> dict[str, str]:
    """Whom each alias stands for in the current release."""
    mart = Lake(home).current / "marts" / "customer_aliases.parquet"
    newest = pl.read_parquet(mart).unique("alias_id", keep="last", maintain_order=True)
    return dict(newest.select("alias_id", "customer_id").iter_rows())


def test_why_answers_for_each_night_as_it_was(nights: Nights, ask: C360) -> None:
    for day in (FIRST, SECOND, THIRD):
        code, text = ask("why", nights.other, "--date", f"{day}", "--json")
        told = json.loads(text)
        assert code == 0
        assert told["customer_id"] == customers_of(nights.home, day)[nights.other]
        assert told["profile"]["as_of"] == f"{day}"
        assert (
            told["profile"]["record_count"] == len(told["records"]) == (1 if day == SECOND else 2)
        )
        assert told["fields"]
    code, text = ask("why", nights.other)
    assert (code, f"as of {THIRD}" in text, "Golden record" in text) == (0, True, True)


def test_an_id_of_the_night_between_still_finds_its_customer(nights: Nights, ask: C360) -> None:
    between = customers_of(nights.home, SECOND)[nights.other]
    now = customers_of(nights.home, THIRD)[nights.other]
    code, text = ask("why", between)
    assert (code, f"{between} is {now} in this release." in text) == (0, True)
    assert f"{between} stands for it since {THIRD}." in text


def test_why_merged_tells_the_path_on_one_night_and_what_parts_them_on_the_next(
    nights: Nights, ask: C360
) -> None:
    pair = (nights.one, nights.other)
    code, text = ask("why-merged", *pair, "--date", f"{FIRST}")
    assert (code, "are one customer" in text, "#" in text) == (0, True, True)
    code, text = ask("why-merged", *pair, "--date", f"{SECOND}")
    assert (code, "two customers" in text, "dropped: cannot_link" in text) == (0, True, True)
    code, text = ask("why-merged", *pair)
    assert (code, "are one customer" in text) == (0, True)


def test_history_tells_when_it_was_parted_and_made_whole(nights: Nights, ask: C360) -> None:
    code, text = ask("history", nights.one, "--all")
    counts = [line.split() for line in text.splitlines() if " record_count " in line]
    assert code == 0
    assert counts == [
        [f"{FIRST}", "record_count", "·", "2"],
        [f"{SECOND}", "record_count", "2", "1"],
        [f"{THIRD}", "record_count", "1", "2"],
    ]


def test_the_history_of_stages_tells_when_it_was_a_customer_of_its_own(nights: Nights) -> None:
    marts = Lake(nights.home).current / "marts"
    history = pl.read_parquet(marts / "lifecycle_history.parquet")
    between = customers_of(nights.home, SECOND)[nights.other]
    own = history.filter(customer_id=between)
    told = own.select("valid_from_on", "valid_to_on", "ended_because")
    assert told.rows() == [(SECOND, THIRD, "merged")]
    whole = history.filter(customer_id=customers_of(nights.home, THIRD)[nights.one])
    assert whole["valid_from_on"].min() == FIRST
    assert whole["valid_to_on"].null_count() == 1


def test_a_stage_is_since_the_night_on_which_its_interval_began(nights: Nights) -> None:
    marts = Lake(nights.home).current / "marts"
    history = pl.read_parquet(marts / "lifecycle_history.parquet")
    living = pl.read_parquet(marts / "customer_360.parquet").filter(~pl.col("is_erasure_requested"))
    key = ["customer_id", "lifecycle_stage", "lifecycle_stage_since_on"]
    stages = pl.read_parquet(marts / "customer_lifecycle.parquet").select(key)
    since = stages.join(living, on="customer_id", how="semi")
    opened = history.filter(pl.col("valid_to_on").is_null()).rename(
        {"valid_from_on": "lifecycle_stage_since_on"}
    )
    assert since.sort(key).equals(opened.select(key).sort(key))
    moved = pl.read_parquet(marts / "lifecycle_movements.parquet")
    assert {*moved["moved_on"]} == {SECOND, THIRD}
    ended = history.filter(ended_because="changed")
    assert ended.height == moved.height > 20


def test_no_answer_shows_a_name_an_address_or_a_number(nights: Nights, ask: C360) -> None:
    values = personal_values(nights.home)
    words = [("why", nights.one), ("why", nights.one, "--json"), ("history", nights.one),
             ("why-merged", nights.one, nights.other)]  # fmt: skip
    for day in ([], ["--date", f"{SECOND}"]):
        for asked in words:
            code, text = ask(*asked, *(day if asked[0] != "history" else []))
            assert code == 0
            assert [value for value in values if value in text] == []


@pytest.fixture(scope="module")
def rebuilt(nights: Nights, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home of which nothing was left but the files as received, built anew in one night."""
    home = tmp_path_factory.mktemp("rebuilt") / "home"
    shutil.copytree(nights.home / "raw", home / "raw")
    line = open_line(home, nights.rules, THIRD)
    for step in LINE[1:]:
        run_step(line.run, step, partial(line.work, step))
    return home


def test_a_full_rebuild_from_raw_files_gives_every_record_the_id_it_had(
    nights: Nights, rebuilt: Path
) -> None:
    assert customers_of(rebuilt, THIRD) == customers_of(nights.home, THIRD)
    assert keys_of(rebuilt, THIRD).equals(keys_of(nights.home, THIRD))


def test_after_a_rebuild_an_id_of_before_still_finds_its_customer(
    nights: Nights, rebuilt: Path, c360: C360, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("C360_HOME", str(rebuilt))
    between = customers_of(nights.home, SECOND)[nights.other]
    code, text = c360("why", between, "--json")
    told = json.loads(text)
    assert (code, told["customer_id"]) == (0, customers_of(rebuilt, THIRD)[nights.other])
    assert told["aliases"] == []


def test_one_setting_turns_guesses_off(nights: Nights, rebuilt: Path, tmp_path: Path) -> None:
    def ties(home: Path) -> set[str]:
        edges = pl.read_parquet(home / "runs" / f"{THIRD}" / "pipeline/identity_edges.parquet")
        return set(edges["tie"])

    assert "fuzzy" in ties(rebuilt)
    home = Path(shutil.copytree(rebuilt, tmp_path / "home", symlinks=True))
    rules = Path(shutil.copytree(nights.rules, tmp_path / "rules"))
    packaged = find_rules(None)["identity.yml"].read_text(encoding="utf-8")
    (rules / "identity.yml").write_text(packaged.replace("is_on: true", "is_on: false"))
    run_night(home, rules, THIRD, until="resolve")
    assert ties(home) == ties(rebuilt) - {"fuzzy"}
    reviews = pl.read_parquet(home / "runs" / f"{THIRD}" / "pipeline/identity_reviews.parquet")
    assert reviews["probability"].null_count() == reviews.height


def test_a_model_trained_on_a_night_is_a_rule_that_the_next_night_can_use(
    nights: Nights, ask: C360, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = Path(shutil.copytree(nights.rules, tmp_path / "rules"))
    monkeypatch.setenv("C360_RULES_DIR", str(rules))
    code, text = ask("identity", "train", "--date", f"{THIRD}")
    assert code == 0, text
    assert f"Wrote {rules / 'identity_model.json'}." in text
    model = load_rules(find_rules(rules)).identity_model
    assert model.person.trained_on == THIRD
    assert model.person != load_rules(find_rules(None)).identity_model.person
