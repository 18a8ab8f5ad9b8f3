import json
import multiprocessing
import os
import signal
from datetime import date

import polars as pl
import pytest

from pipelines.errors import C360Error
from pipelines.lake import Lake, write_json
from pipelines.steps import (
    GATES,
    LINE,
    MADE_BY_LAND,
    StepResult,
    read_report,
    report_path,
    run_step,
)

DAY = date(2026, 6, 30)
AFTER_LAND = LINE[LINE.index("land") + 1 :]


@pytest.fixture
def run(tmp_path):
    return Lake(tmp_path).run(DAY)


def fine():
    return StepResult("done")


def run_until(run, last):
    """Run the line up to a step; gates and publish leave what the real ones leave."""
    for step in LINE[1 : LINE.index(last) + 1]:
        run_step(run, step, lambda step=step: _leave_files(run, step))


def _leave_files(run, step):
    if step.startswith("gate "):
        write_json({"passed": True}, run.gates / f"{step.removeprefix('gate ')}.json")
    if step == "publish":
        write_json({}, run.release / "lists" / "vip_care.json")
    if step == "land":
        for folder in ("inputs", "rules"):
            write_json({}, run.path / folder / "x.json")
    return StepResult(f"{step} done")


def reported(run):
    return {path.stem for path in run.steps.glob("*.json")}


def test_the_line_has_a_gate_before_whatever_a_consumer_sees():
    assert LINE[0] == "extract"
    assert LINE[-2:] == ("gate lists", "release")
    assert GATES == ("landing", "profile", "scores", "marts", "lists")
    for gate, guarded in zip(
        GATES, ("transform signals", "score", "transform marts", "publish", "release"), strict=True
    ):
        assert LINE[LINE.index(f"gate {gate}") + 1] == guarded


def test_a_step_that_succeeds_reports_what_it_did(run):
    result = StepResult("3 files", ("a note",), {"inputs": [1, 2]})
    assert run_step(run, "land", lambda: result) == result
    report = read_report(run, "land")
    assert report.pop("seconds") >= 0
    assert report == {
        "step": "land", "status": "ok", "summary": "3 files", "notes": ["a note"],
        "facts": {"inputs": [1, 2]}, "reason": None, "hint": None,
        "log": str(run.steps / "land.log"),
    }  # fmt: skip


def test_the_whole_line_runs_in_its_order(run):
    run_until(run, "release")
    assert all(read_report(run, step)["status"] == "ok" for step in LINE[1:])


@pytest.mark.parametrize("step", AFTER_LAND)
def test_no_step_runs_before_the_one_it_comes_after(run, step):
    before = LINE[LINE.index(step) - 1]
    with pytest.raises(C360Error) as refused:
        run_step(run, step, lambda: pytest.fail("it ran"))
    assert refused.value.message == (
        f"{step} comes after {before}, which has not run for 2026-06-30."
    )
    assert refused.value.hint == (
        f"Run c360 {before} --date 2026-06-30, or the whole line: c360 nightly --date 2026-06-30."
    )
    assert read_report(run, step)["status"] == "failed"


@pytest.mark.parametrize("step", AFTER_LAND)
def test_no_step_runs_after_one_that_failed(run, step):
    before = LINE[LINE.index(step) - 1]

    def fail():
        raise C360Error("The disk is full.", "Make room.")

    run_until(run, step)
    with pytest.raises(C360Error, match=r"The disk is full\."):
        run_step(run, before, fail)
    with pytest.raises(C360Error, match=f"comes after {before}, which failed for 2026-06-30"):
        run_step(run, step, lambda: pytest.fail("it ran"))


def test_sources_are_extracted_and_landed_without_a_step_before(run):
    run_step(run, "extract shop", fine)
    run_step(run, "extract crm_2", fine)
    run_step(run, "land", fine)
    assert reported(run) == {"extract_shop", "extract_crm_2", "land"}


@pytest.mark.parametrize(
    "step",
    ["extract ../../../etc/x", "extract a/b", "extract ..", "extract Shop", "extract ",
     "extract a b",
     "extract shop\n", "extract \0", "extract " + "a" * 300, "gate", "gate nothing", "nightly", "",
     "../land", "transform"],
)  # fmt: skip
def test_a_step_that_is_none_is_refused_and_writes_nothing(run, step):
    with pytest.raises(C360Error, match="There is no step"):
        run_step(run, step, lambda: pytest.fail("it ran"))
    assert not run.path.exists()


@pytest.mark.parametrize("step", LINE[1:])
def test_running_a_step_again_takes_back_all_that_came_after_it(run, step):
    run_until(run, "release")
    place = LINE.index(step)
    run_step(run, step, fine)
    assert reported(run) == {earlier.replace(" ", "_") for earlier in LINE[1 : place + 1]}
    gates = {path.stem for path in run.gates.glob("*.json")}
    assert gates == {
        name.removeprefix("gate ") for name in LINE[1:place] if name.startswith("gate ")
    }
    assert run.release.exists() is (place > LINE.index("publish"))


@pytest.mark.parametrize("step", LINE[1:])
def test_also_if_the_step_fails_this_time(run, step):
    def fail():
        raise C360Error("No.", "Try again.")

    run_until(run, "release")
    with pytest.raises(C360Error):
        run_step(run, step, fail)
    later = LINE[LINE.index(step) + 1 :]
    assert not any(report_path(run, name).exists() for name in later)
    assert read_report(run, step)["status"] == "failed"
    for name in later:
        with pytest.raises(C360Error, match="comes after"):
            run_step(run, name, lambda: pytest.fail("it ran"))


def test_landing_anew_begins_a_run_without_the_files_of_the_former_one(run):
    run_until(run, "release")
    run_step(run, "land", fine)
    assert not any((run.path / folder).exists() for folder in MADE_BY_LAND)


def test_extracting_more_leaves_a_finished_run_alone_until_it_is_landed(run):
    run_until(run, "release")
    before = reported(run)
    run_step(run, "extract shop", fine)
    assert reported(run) == before | {"extract_shop"}
    assert run.release.exists()


def test_a_step_that_fails_leaves_reason_hint_and_log(run):
    def fail():
        raise C360Error("Source shop: the folder is gone.", "Put it back.")

    with pytest.raises(C360Error, match="the folder is gone"):
        run_step(run, "land", fail)
    report = read_report(run, "land")
    assert (report["status"], report["reason"], report["hint"]) == (
        "failed", "Source shop: the folder is gone.", "Put it back.",
    )  # fmt: skip
    log = run.steps / "land.log"
    assert report["log"] == str(log)
    assert log.read_text() == "land failed: Source shop: the folder is gone.\nPut it back.\n"


PERSON = "li.wei@example.com"


def _raise_plainly():
    raise ValueError(f"cannot read {PERSON}")


def _raise_with_a_cause():
    try:
        _raise_plainly()
    except ValueError as error:
        raise KeyError(PERSON) from error


def _raise_from_polars():
    pl.DataFrame({"x": [PERSON]}).select(pl.col("x").cast(pl.Int64))


def _panic():
    def explode(_):
        raise pl.exceptions.PanicException(PERSON)

    explode(0)


@pytest.mark.parametrize("fail", [_raise_plainly, _raise_with_a_cause, _raise_from_polars, _panic])
def test_a_fault_of_the_program_shows_its_kind_and_only_the_log_its_message(run, fail):
    with pytest.raises(C360Error) as failed:
        run_step(run, "land", fail)
    report = report_path(run, "land").read_text()
    assert PERSON not in str(failed.value)
    assert PERSON not in report
    assert json.loads(report)["reason"].startswith("land met a fault in the program: ")
    log = (run.steps / "land.log").read_text()
    assert PERSON in log
    assert "Traceback" in log
    assert str(run.steps / "land.log") in failed.value.hint


def test_a_step_that_a_person_interrupts_counts_as_not_run(run):
    def interrupt():
        raise KeyboardInterrupt

    run_until(run, "gate landing")
    with pytest.raises(KeyboardInterrupt):
        run_step(run, "land", interrupt)
    assert read_report(run, "land") is None
    run_step(run, "land", fine)


def _work_long(home, step, begun, go_on):
    def work():
        begun.set()
        go_on.wait(60)
        return StepResult("done by the first")

    run_step(Lake(home).run(DAY), step, work)


@pytest.fixture
def at_work(run, tmp_path):
    """Another process in the midst of a step of the same date."""
    context = multiprocessing.get_context("spawn")
    started = []

    def start(step):
        begun, go_on = context.Event(), context.Event()
        child = context.Process(target=_work_long, args=(tmp_path, step, begun, go_on))
        child.start()
        started.append((child, go_on))
        assert begun.wait(60)
        return child, go_on

    yield start
    for child, go_on in started:
        if child.is_alive():  # a killed one would never answer
            go_on.set()
        child.join(60)


def test_two_runs_of_one_date_do_not_mix_the_second_is_told_and_harms_nothing(run, at_work):
    run_until(run, "transform signals")
    child, go_on = at_work("resolve")
    before = {path.name: path.read_bytes() for path in run.steps.glob("*.json")}
    for step in ("land", "gate landing", "resolve", "release"):
        with pytest.raises(C360Error) as refused:
            run_step(run, step, lambda: pytest.fail("it ran"))
        assert refused.value.message == "Another run of 2026-06-30 is at work."
        assert refused.value.hint == "Wait until it ends, then try again."
    assert {path.name: path.read_bytes() for path in run.steps.glob("*.json")} == before
    go_on.set()
    child.join(60)
    assert child.exitcode == 0
    assert read_report(run, "resolve")["summary"] == "done by the first"
    run_step(run, "transform profile", fine)


def test_two_sources_are_extracted_side_by_side_one_source_only_once_at_a_time(run, at_work):
    at_work("extract shop")
    run_step(run, "extract crm", fine)
    with pytest.raises(C360Error, match="at work"):
        run_step(run, "extract shop", lambda: pytest.fail("it ran"))


def test_two_dates_do_not_wait_for_each_other(run, at_work, tmp_path):
    at_work("land")
    run_step(Lake(tmp_path).run(date(2026, 7, 1)), "land", fine)


def test_a_killed_run_holds_nobody_up_and_its_step_counts_as_not_run(run, at_work):
    run_until(run, "gate landing")
    child, _ = at_work("land")
    os.kill(child.pid, signal.SIGKILL)
    child.join(60)
    assert read_report(run, "land") is None
    with pytest.raises(C360Error, match="comes after land, which has not run"):
        run_step(run, "gate landing", fine)
    run_step(run, "land", fine)


def test_a_sealed_run_can_be_released_again_and_any_other_step_needs_it_landed_anew(run):
    run_until(run, "release")
    write_json({"state": "done"}, run.sealed)
    run_step(run, "release", fine)
    for step in AFTER_LAND[:-1]:
        with pytest.raises(C360Error, match="is over") as told:
            run_step(run, step, fine)
        assert "c360 nightly --date 2026-06-30" in told.value.hint
    run_until(run, "release")
    assert not run.sealed.exists()
