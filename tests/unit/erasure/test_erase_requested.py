"""`c360 erase --requested`: everybody whom a landed request names, and nobody else."""

import polars as pl
import pytest

from pipelines.audit import read_acts
from pipelines.lake import Lake, read_json
from pipelines.release import current_release
from tests.pipeline.scan import find_texts
from tests.unit.erasure.erasure_home import CANARY, CHEN, DAYS, LI, WANG, make_home

BY_THEN = ("erase", "--requested", "--date", str(DAYS[1]))


@pytest.fixture
def home_of(tmp_path, monkeypatch):
    """A home with requests of the given customers, and the lake in it."""

    def make(*requested: str) -> Lake:
        settings = make_home(tmp_path, frozenset(requested))
        for name, value in (
            ("HOME", settings.home), ("RULES_DIR", settings.rules_dir), ("PSEUDONYM_KEY", "k"),
            ("AUDIT_KEY", "a"),
        ):  # fmt: skip
            monkeypatch.setenv(f"C360_{name}", str(value))
        return Lake(settings.home)

    return make


def customers(lake):
    marts = current_release(lake).path / "marts"
    return pl.read_parquet(marts / "customer_360.parquet")["customer_id"].to_list()


def test_everybody_whom_a_request_names_is_erased_everywhere(c360, home_of):
    lake = home_of(LI)
    assert c360(*BY_THEN)[0] == 0
    assert find_texts(lake.home, CANARY) == set()
    assert customers(lake) == [WANG, CHEN]
    acts = [(act["actor"], act["because"]) for act in read_acts(lake)]
    assert set(acts) == {("privacy requests", "requests that landed")}
    # The morning after nothing is left to do.
    assert c360(*BY_THEN) == (0, "Nobody is to be erased.\n")


def test_several_requests_of_one_night_are_one_erasure(c360, home_of):
    lake = home_of(LI, CHEN)
    assert c360(*BY_THEN)[0] == 0
    assert customers(lake) == [WANG]
    assert len({act["subject"] for act in read_acts(lake)}) == 1


def test_a_night_without_requests_erases_nobody(c360, home_of):
    lake = home_of()
    assert c360(*BY_THEN) == (0, "Nobody is to be erased.\n")
    assert customers(lake) == [LI, WANG, CHEN]


def test_a_dry_run_counts_and_leaves_all_as_it_is(c360, home_of):
    lake = home_of(LI)
    code, _ = c360(*BY_THEN, "--dry-run")
    assert (code, customers(lake), list(read_acts(lake))) == (0, [LI, WANG, CHEN], [])


def test_requests_are_read_from_the_night_that_is_current_and_else_the_alert_says_why(
    c360, home_of
):
    lake = home_of(LI)
    code, said = c360("erase", "--requested")
    assert (code, "Add --date YYYY-MM-DD." in said) == (1, True)
    code, said = c360("erase", "--requested", "--date", str(DAYS[0]))
    assert (code, f"published/current is the release of {DAYS[1]}" in said) == (1, True)
    [report] = lake.run(DAYS[0]).steps.glob("erase*.json")
    assert read_json(report)["status"] == "failed"
    assert read_json(report)["reason"] in said
    assert customers(lake) == [LI, WANG, CHEN]
