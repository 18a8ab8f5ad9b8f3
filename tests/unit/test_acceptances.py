"""`c360 accept`: what it lets through, what it refuses, and what it leaves in the audit log."""

import json
from datetime import date

import polars as pl
import pytest

from pipelines.acceptances import NUMBER, read_accepted
from pipelines.audit import read_acts, verify_acts
from pipelines.breakers.judge import Reading, judge
from pipelines.errors import C360Error
from pipelines.lake import write_json, write_table
from pipelines.release import Release

DAY = date(2026, 6, 30)
KEY = b"a key of the tests"
WIN_BACK = ("lists", "win_back", "left", "", 0.75)
BECAUSE = ("--because", "the spring sale is over")


@pytest.fixture(autouse=True)
def _key(monkeypatch):
    monkeypatch.setenv("C360_AUDIT_KEY", KEY.decode())


def verdicts(stage, *readings):
    return judge(readings, stage, DAY)


LISTS = verdicts(
    "lists",
    Reading("win_back", "left", 0.75, high=0.5),
    Reading("win_back", "entered", 0.1, high=0.5),
    Reading("vip_care", "left", 0.1, high=0.5),
)
LANDING = verdicts("landing", Reading("shop.orders", "size", 12, 340, 170, 1020, 14))
MARTS = verdicts("marts", Reading("customer_360", "size", 900, 2000, 1600, 3000, 14))


@pytest.fixture
def tripped(lake):
    """A run in which a list, a mart and an input have tripped."""
    run = lake.run(DAY)
    for stage, told in (("landing", LANDING), ("marts", MARTS), ("lists", LISTS)):
        write_table(told, run.table("pipeline", f"{stage}_breakers"))
    return lake


@pytest.mark.parametrize(
    ("name", "step"),
    [("shop.orders", "gate landing"), ("customer_360", "gate marts"), ("win_back", "publish")],
)
def test_what_tripped_is_accepted_by_name_and_the_next_command_is_told(c360, tripped, name, step):
    code, text = c360("accept", name, "--run", "2026-06-30", *BECAUSE, "--by", "Ana Li")
    assert code == 0
    assert f"next: c360 nightly --date 2026-06-30 --from '{step}'" in text
    [act] = read_acts(tripped)
    assert (act["actor"], act["action"], act["subject"], act["because"]) == (
        "Ana Li", "accept", f"{name} of 2026-06-30", "the spring sale is over",
    )  # fmt: skip
    assert verify_acts(tripped, KEY) == 1


def test_an_acceptance_holds_for_exactly_the_numbers_that_tripped(c360, tripped):
    assert c360("accept", "win_back", "--run", "2026-06-30", *BECAUSE)[0] == 0
    assert read_accepted(tripped, KEY, DAY) == {WIN_BACK}
    assert read_accepted(tripped, KEY, date(2026, 7, 1)) == frozenset()


def test_who_runs_the_command_answers_for_it_if_nobody_is_named(c360, tripped, monkeypatch):
    monkeypatch.setattr("pipelines.settings.getpass.getuser", lambda: "operator")
    c360("accept", "win_back", "--run", "2026-06-30", *BECAUSE)
    assert [act["actor"] for act in read_acts(tripped)] == ["operator"]


@pytest.mark.parametrize("because", ["", "   "])
def test_an_acceptance_without_a_reason_is_refused(c360, tripped, because):
    code, text = c360("accept", "win_back", "--run", "2026-06-30", "--because", because)
    assert (code, "An acceptance needs a reason." in text) == (1, True)
    assert c360("accept", "win_back", "--run", "2026-06-30")[0] == 2
    assert list(read_acts(tripped)) == []


@pytest.mark.parametrize(
    ("name", "run", "told"),
    [
        ("winback", "2026-06-30", "is called 'winback'"),
        ("vip_care", "2026-06-30", "vip_care has not tripped on 2026-06-30"),
        ("win_back", "2026-06-29", "There was no run of 2026-06-29"),
    ],
)
def test_an_unknown_list_or_run_is_refused_and_what_tripped_is_told(c360, tripped, name, run, told):
    code, text = c360("accept", name, "--run", run, *BECAUSE)
    assert (code, told in text) == (1, True)
    if run == "2026-06-30":
        assert "Tripped are: customer_360, shop.orders, win_back." in text
    assert list(read_acts(tripped)) == []


def test_what_is_accepted_already_is_not_accepted_again(c360, tripped):
    c360("accept", "win_back", "--run", "2026-06-30", *BECAUSE)
    code, text = c360("accept", "win_back", "--run", "2026-06-30", *BECAUSE)
    assert (code, "is accepted already" in text) == (1, True)
    assert "--from 'publish'" in text
    write_table(
        judge([Reading("win_back", "left", 0.75, high=0.5)], "lists", DAY, {WIN_BACK}),
        tripped.run(DAY).table("pipeline", "lists_breakers"),
    )
    code, text = c360("accept", "win_back", "--run", "2026-06-30", *BECAUSE)
    assert (code, "is accepted, and has passed" in text) == (1, True)
    assert len(list(read_acts(tripped))) == 1


def test_a_run_whose_files_are_gone_is_known_by_its_release(c360, lake):
    release = Release(lake.published / "2026-06-30__0a1b2c3d4e5f")
    earlier = LISTS.with_columns(as_of=date(2026, 6, 29), name=pl.lit("old_list"))
    write_table(pl.concat([earlier, LISTS]), release.path / "marts" / "breakers.parquet")
    write_json({"date": "2026-06-30"}, release.path / "manifest.json")
    code, text = c360("accept", "win_back", "--run", "2026-06-30", *BECAUSE)
    assert (code, "next: c360 nightly --date 2026-06-30\n" in text) == (0, True)
    assert c360("accept", "old_list", "--run", "2026-06-30", *BECAUSE)[0] == 1


def test_a_run_that_is_sealed_is_run_again_as_a_whole(c360, tripped):
    write_json({"state": "done"}, tripped.run(DAY).sealed)
    code, text = c360("accept", "win_back", "--run", "2026-06-30", *BECAUSE)
    assert (code, "next: c360 nightly --date 2026-06-30\n" in text) == (0, True)
    assert "clear all its tasks" in text


def test_a_log_that_was_changed_lets_nothing_through(c360, tripped):
    c360("accept", "win_back", "--run", "2026-06-30", *BECAUSE)
    path = tripped.home / "audit.jsonl"
    act = json.loads(path.read_text())
    act["facts"]["numbers"].append(
        dict(zip(NUMBER, ("lists", "vip_care", "left", "", 1.0), strict=True))
    )
    path.write_text(json.dumps(act) + "\n")
    with pytest.raises(C360Error, match="does not verify"):
        read_accepted(tripped, KEY, DAY)
    assert read_accepted(tripped, KEY, date(2026, 7, 1)) == frozenset()


def test_an_older_run_is_told_to_leave_the_current_release_alone(c360, tripped):
    release = Release(tripped.published / "2026-07-01__0a1b2c3d4e5f")
    write_json({"date": "2026-07-01"}, release.path / "manifest.json")
    tripped.current.symlink_to(release.path.name)
    code, text = c360("accept", "win_back", "--run", "2026-06-30", *BECAUSE)
    assert (code, "published/current stays at 2026-07-01" in text) == (0, True)
