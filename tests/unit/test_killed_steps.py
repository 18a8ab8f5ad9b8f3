"""`publish` or `release` dies at any change that it makes: readers see one release, whole.

What kill -9 leaves is what the system has been told by then. So a step runs once, and before each
event by which Python changes a file or folder the home is copied: each copy is what a process
killed there leaves. Python tells of no write or fsync to a file that is open already, nor of what
Polars and DuckDB write by themselves into the run; `benchmarks/kills.py` kills a release at those.
"""

import json
import multiprocessing
import os
import shutil
import subprocess
import sys
from functools import cache, partial

import pytest
from factories import AS_OF, PROJECT

from pipelines import publish as publish_module
from pipelines.catalogue import load_catalogue
from pipelines.lake import Lake, sha256_of, write_json
from pipelines.line import Line
from pipelines.publish import publish
from pipelines.release import NOT_IN_NAME, current_release, find_releases, previous_release
from pipelines.rules import find_rules, load_rules
from pipelines.settings import Settings
from pipelines.steps import GATES, LINE, StepResult, run_step
from tests.unit.page.page_frames import manifest
from tests.unit.small_run import SEGMENTS, lists_of, make_run

OLD = "2026-06-29__0123456789ab"
CHANGES = {
    "os.chmod", "os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink",
    "os.truncate",
}  # fmt: skip
FEW_MARTS = ("customer_360", "audience", "customer_aliases", "list_history")  # written by one loop
GREEN = {
    "passed": True, "checks": 1, "checks_passed": 1, "warnings_count": 0, "not_run_count": 0,
    "datasets": [],
}  # fmt: skip
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


def prepare(lake):
    """A run as the gate of marts leaves it, and the release of the day before."""
    run = make_run(lake, publish_module.MARTS)
    for name, path in find_rules(None).items():
        shutil.copyfile(path, run.rules / name)
    told = {
        "land": {"base_currency": "GBP", "inputs": []},
        "resolve": {"previous_release": None},
    }
    for step in LINE[: LINE.index("publish")]:
        report = {"step": step, "status": "ok", "notes": [], "facts": told.get(step, {})}
        write_json(report, run.steps / f"{step.replace(' ', '_')}.json")
    for stage in GATES:
        write_json(GREEN, run.gates / f"{stage}.json")
    (run.gates / "index.html").write_text("<p>all green</p>")
    write_json(manifest()["models"], run.path / "pipeline" / "model_report.json")
    old = lake.published / OLD
    (old / "marts").mkdir(parents=True)
    mart = old / "marts" / "audience.parquet"
    shutil.copyfile(run.table("models", "audience"), mart)
    files = [{"path": "marts/audience.parquet", "sha256": sha256_of(mart), "rows": 4}]
    write_json({"files": files, "gates": {}, "notes": []}, old / "manifest.json")
    lake.current.symlink_to(old.name)
    (lake.published / "history.jsonl").write_text(json.dumps({"current": old.name}) + "\n")


def do(home, step):
    """The step as the command does it; `publish` with few lists, and the gate that follows."""
    line = Line(Settings(home=home), AS_OF, lambda _: None)
    line._rules = rules
    work = partial(line.work, step)
    if step == "publish":
        work = partial(publish_few, line)
    run_step(line.run, step, work)
    if step == "publish":
        report = {"step": "gate lists", "status": "ok", "notes": [], "facts": {}}
        write_json(report, line.run.steps / "gate_lists.json")
        write_json(GREEN, line.run.gates / "lists.json")


@cache  # read once: that changes no file
def rules():
    book = load_rules(find_rules(None))
    return book.model_copy(update={"segments": lists_of(SEGMENTS[:2])})


def publish_few(line):
    before = previous_release(line.lake, line.run.as_of)
    done = publish(line.run, load_catalogue(PROJECT), rules(), before)
    return StepResult("done", done.notes, {"customers": done.customers, "lists": []})


def use_few():
    publish_module.MARTS = {name: publish_module.MARTS[name] for name in FEW_MARTS}
    publish_module.KEPT_RULES = ("segments.yml", "tiers.yml")


def watch(home, copies, step):
    """Do a step, with a copy of the home before each change; the last copy is of its end."""
    use_few()
    is_copying, count = False, 0

    def keep():
        nonlocal is_copying, count
        is_copying = True
        subprocess.run(["cp", "-a", home, copies / f"{count:04}"], check=True)  # links stay links
        count += 1
        is_copying = False

    def see(event, arguments):
        if is_copying:
            return
        if event in CHANGES or (event == "open" and (arguments[2] or 0) & WRITES):
            keep()

    rules()
    sys.addaudithook(see)
    do(home, step)
    keep()


@pytest.fixture(scope="module", params=["publish", "release"])
def deaths(request, tmp_path_factory):
    """The step, and what is left of the home wherever it died."""
    folder = tmp_path_factory.mktemp(request.param)
    home, copies = folder / "home", folder / "copies"
    copies.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(publish_module, "MARTS", publish_module.MARTS)
        patch.setattr(publish_module, "KEPT_RULES", publish_module.KEPT_RULES)
        use_few()
        prepare(Lake(home))
        if request.param == "release":
            do(home, "publish")
        process = multiprocessing.get_context("spawn").Process(
            target=watch, args=(home, copies, request.param)
        )
        process.start()
        process.join(120)
        assert process.exitcode == 0
        yield request.param, sorted(copies.iterdir())
    shutil.rmtree(folder)


def seen(home):
    """The release that a reader gets, after a look at every file of every release."""
    lake = Lake(home)
    for release in find_releases(lake):
        for file in release.manifest["files"]:
            assert sha256_of(release.path / file["path"]) == file["sha256"]
    return current_release(lake).path.name


def made(home):
    """What a step has made in the run and their digests, but for what differs each time."""
    folder = Lake(home).run(AS_OF).release
    return {
        path.relative_to(folder).as_posix(): sha256_of(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in (*NOT_IN_NAME, "manifest.json")
    }


def test_wherever_a_step_dies_readers_see_one_release_and_the_step_done_again_makes_the_same(
    deaths,
):
    step, homes = deaths
    *dead, undisturbed = homes
    wanted, name, found = made(undisturbed), seen(undisturbed), []
    for home in dead:
        found.append(seen(home))
        do(home, step)
        assert made(home) == wanted
        assert seen(home) == name
        assert not {".staging", ".current"} & {path.name for path in (home / "published").iterdir()}
    assert len(found) > 40
    if step == "publish":
        assert {*found, name} == {OLD}
    else:
        assert found == sorted(found), "once the new release is seen, the old one is not"
        assert {*found} == {OLD, name}
        assert name.startswith(str(AS_OF))
        do(undisturbed, "publish")  # what it writes anew is shared with the release no more
        do(undisturbed, "release")
        assert seen(undisturbed) == name
