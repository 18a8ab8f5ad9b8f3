import json
import multiprocessing
import os
import shutil
import signal
import threading
import time
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from pipelines import release as release_module
from pipelines.errors import C360Error
from pipelines.lake import Lake, sha256_of, write_table
from pipelines.release import (
    Release,
    current_release,
    find_releases,
    previous_release,
    release_run,
    roll_back,
    write_manifest,
)

MONDAY, TUESDAY, WEDNESDAY = date(2026, 6, 29), date(2026, 6, 30), date(2026, 7, 1)
MEMORY = Path("/dev/shm")  # noqa: S108 - a second filesystem, where there is one


@pytest.fixture
def lake(tmp_path):
    return Lake(tmp_path / "home")


def stage(lake, day, content):
    """Put a small release together, as `publish` and the gates do."""
    run = lake.run(day)
    shutil.rmtree(run.release, ignore_errors=True)
    write_table(pl.DataFrame({"version": [content] * 3}), run.release / "marts" / "m.parquet")
    lists = run.release / "lists"
    lists.mkdir()
    (lists / "l.csv").write_text(f"version\n{content}\n")
    (run.release / "marts.duckdb").write_bytes(os.urandom(2000))
    (run.release / "marts.duckdb").chmod(0o444)
    return run


def release(lake, day, content):
    run = stage(lake, day, content)
    return finish(lake, run, content)


def finish(lake, run, content):
    """The `release` step: it may be called again on the same run folder."""
    (run.release / "gates.html").write_bytes(f"<p>{content}</p>".encode())
    return release_run(lake, run, write_manifest(run.release, {"date": run.as_of.isoformat()}))


def read_whole(folder):
    """Check every file against the manifest; returns the one version that all of them hold."""
    folder = folder.resolve()
    files = json.loads((folder / "manifest.json").read_text())["files"]
    there = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert there == {file["path"] for file in files} | {"manifest.json"}
    for file in files:
        assert sha256_of(folder / file["path"]) == file["sha256"]
    version = pl.read_parquet(folder / "marts" / "m.parquet")["version"].unique().to_list()
    assert (folder / "lists" / "l.csv").read_text().split() == ["version", *version]
    assert (folder / "gates.html").read_text() == f"<p>{version[0]}</p>"
    return version[0]


def names(lake):
    return [found.path.name for found in find_releases(lake)]


def version_now(lake):
    return read_whole(lake.current)


def test_a_release_is_named_after_its_date_and_content(lake):
    done, is_current = release(lake, MONDAY, "one")
    assert is_current
    assert done.path.name.startswith("2026-06-29__")
    assert done.path.name.removeprefix("2026-06-29__") == done.manifest["run_id"]
    assert len(done.manifest["run_id"]) == 12
    assert current_release(lake) == Release(done.path.resolve())
    assert version_now(lake) == "one"


def test_the_manifest_counts_the_rows_of_tables_and_names_paths_within_the_release(lake):
    done, _ = release(lake, MONDAY, "one")
    assert {file["path"]: file["rows"] for file in done.manifest["files"]} == {
        "marts/m.parquet": 3, "lists/l.csv": None, "marts.duckdb": None, "gates.html": None,
    }  # fmt: skip


def test_the_same_content_again_is_the_same_release_and_moves_nothing(lake):
    first, _ = release(lake, MONDAY, "one")
    link = os.lstat(lake.current)
    history = (lake.published / "history.jsonl").read_bytes()
    again, is_current = release(lake, MONDAY, "one")  # with another marts.duckdb: see NOT_IN_NAME
    assert (again, is_current) == (first, True)
    assert os.lstat(lake.current) == link
    assert (lake.published / "history.jsonl").read_bytes() == history
    assert len(names(lake)) == 1
    assert version_now(lake) == "one"


def test_other_content_of_the_same_date_is_another_release(lake):
    release(lake, MONDAY, "one")
    release(lake, MONDAY, "two")
    assert len(names(lake)) == 2
    assert version_now(lake) == "two"


def test_another_date_with_the_same_content_is_another_release(lake):
    release(lake, MONDAY, "one")
    release(lake, TUESDAY, "one")
    assert [name[:10] for name in names(lake)] == ["2026-06-29", "2026-06-30"]


def test_the_index_shows_all_releases_the_newest_first_and_what_is_current(lake):
    for day, content in ((MONDAY, "one"), (TUESDAY, "two")):
        release(lake, day, content)
    monday, tuesday = names(lake)
    assert listed(lake) == [(tuesday, True), (monday, False)]
    roll_back(lake)
    assert listed(lake) == [(tuesday, False), (monday, True)]


def listed(lake):
    """The releases on the index, and which is marked as current."""
    rows = (lake.published / "index.html").read_text().split("<tr>")[2:]
    return [(row.split("<small>")[1].split("<")[0], "<mark>" in row) for row in rows]


def test_an_older_date_never_replaces_a_newer_one(lake):
    release(lake, TUESDAY, "tuesday")
    done, is_current = release(lake, MONDAY, "monday, run again later")
    assert not is_current
    assert done.path.exists()
    assert version_now(lake) == "tuesday"


def test_a_run_can_be_released_again_and_keeps_its_files(lake):
    run = stage(lake, MONDAY, "one")
    first = finish(lake, run, "one")
    assert finish(lake, run, "one") == first
    assert names(lake) == [first[0].path.name]
    assert version_now(lake) == "one"


def test_what_a_run_does_later_in_its_own_folder_changes_no_release(lake):
    run = stage(lake, MONDAY, "one")
    finish(lake, run, "one")
    write_table(pl.DataFrame({"version": ["other"]}), run.release / "marts" / "m.parquet")
    (run.release / "gates.html").write_text("other")
    assert version_now(lake) == "one"
    stage(lake, MONDAY, "two")
    assert version_now(lake) == "one"


def test_tables_are_shared_with_the_run_and_copied_where_links_cannot_be_made(lake, monkeypatch):
    linked, _ = release(lake, MONDAY, "one")
    assert (linked.path / "marts" / "m.parquet").stat().st_nlink == 2

    def cross_device(*_):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", cross_device)
    copied, _ = release(lake, TUESDAY, "two")
    assert (copied.path / "marts" / "m.parquet").stat().st_nlink == 1
    assert version_now(lake) == "two"


@pytest.mark.skipif(not MEMORY.is_dir(), reason="no second filesystem to test with")
def test_a_run_on_another_filesystem_is_released_just_the_same(lake, tmp_path):
    if MEMORY.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("the same filesystem")
    other = MEMORY / f"c360-test-{os.getpid()}"
    try:
        other.mkdir()
        lake.home.mkdir()
        lake.runs.symlink_to(other)
        release(lake, MONDAY, "one")
        assert version_now(lake) == "one"
    finally:
        shutil.rmtree(other)


def test_scratch_files_of_a_crash_are_no_part_of_a_release(lake):
    run = stage(lake, MONDAY, "one")
    clean = finish(lake, run, "one")[0].path.name
    (run.release / ".manifest.json.part").write_text("half a mani")
    (run.release / "marts" / ".m.parquet.part").write_bytes(b"PAR")
    done, _ = finish(lake, run, "one")
    assert done.path.name == clean
    (run.release / "lists" / "l.csv").unlink()
    (run.release / "lists" / "l.csv").write_text("version\none\n\n")
    assert finish(lake, run, "one")[0].path.name != clean
    assert version_now(lake) == "one"


@pytest.mark.parametrize(
    "name", [".staging", "2026-06-29__torn", "2026-06-29__", "notes", ".current"]
)
def test_a_folder_without_a_manifest_is_no_release(lake, name):
    release(lake, TUESDAY, "one")
    (lake.published / name).mkdir()
    assert [found[:10] for found in names(lake)] == ["2026-06-30"]
    assert previous_release(lake, TUESDAY) is None
    with pytest.raises(C360Error, match="There is no release"):
        roll_back(lake, name)
    if name == ".current":
        (lake.published / name).rmdir()
    release(lake, WEDNESDAY, "two")
    assert version_now(lake) == "two"


# What the next run goes on from


def test_a_run_goes_on_from_the_newest_release_of_an_earlier_date(lake):
    assert previous_release(lake, WEDNESDAY) is None
    monday, _ = release(lake, MONDAY, "monday")
    tuesday, _ = release(lake, TUESDAY, "tuesday")
    assert previous_release(lake, WEDNESDAY) == tuesday
    assert previous_release(lake, TUESDAY) == monday
    assert previous_release(lake, MONDAY) is None


def test_of_several_releases_of_that_date_it_is_the_one_that_was_current_last(lake):
    made = [release(lake, MONDAY, content)[0] for content in ("a", "b", "c", "d")]
    assert previous_release(lake, TUESDAY) == made[-1]
    roll_back(lake, made[1].path.name)
    assert previous_release(lake, TUESDAY) == made[1]
    release(lake, MONDAY, "c")
    assert previous_release(lake, TUESDAY) == made[2]


# Rolling back


def test_rolling_back_points_at_what_was_current_before(lake):
    monday, _ = release(lake, MONDAY, "monday")
    tuesday, _ = release(lake, TUESDAY, "tuesday")
    assert roll_back(lake) == (Release(tuesday.path.resolve()), monday)
    assert version_now(lake) == "monday"


def test_also_between_releases_of_one_date_whatever_their_names(lake):
    for content in "abcdefgh":
        release(lake, MONDAY, content)
    for content in "gfedcba":
        roll_back(lake)
        assert version_now(lake) == content
    with pytest.raises(C360Error, match=r"There is no release before .* to go back to\."):
        roll_back(lake)
    assert version_now(lake) == "a"


def test_rolling_back_twice_goes_two_releases_back_and_not_to_and_fro(lake):
    for day, content in ((MONDAY, "one"), (TUESDAY, "two"), (WEDNESDAY, "three")):
        release(lake, day, content)
    roll_back(lake)
    roll_back(lake)
    assert version_now(lake) == "one"


def test_rolling_back_after_a_repaired_run_goes_to_what_it_replaced(lake):
    release(lake, MONDAY, "one")
    release(lake, TUESDAY, "broken")
    roll_back(lake)
    release(lake, TUESDAY, "mended")
    roll_back(lake)
    assert version_now(lake) == "one"


def test_the_same_content_released_again_after_others_is_before_them_too(lake):
    for content in ("a", "b", "a"):
        release(lake, MONDAY, content)
    roll_back(lake)
    assert version_now(lake) == "b"


def test_a_named_release_can_be_gone_to_forward_too(lake):
    release(lake, MONDAY, "monday")
    tuesday, _ = release(lake, TUESDAY, "tuesday")
    roll_back(lake)
    assert roll_back(lake, tuesday.path.name)[1] == tuesday
    assert version_now(lake) == "tuesday"
    roll_back(lake)
    assert version_now(lake) == "monday"


@pytest.mark.parametrize("name", ["2026-06-28__x", "../../etc", "/etc", ".", "", "current"])
def test_a_release_that_does_not_exist_cannot_be_gone_to(lake, name):
    release(lake, MONDAY, "monday")
    with pytest.raises(C360Error, match="There is no release") as refused:
        roll_back(lake, name)
    assert names(lake)[0] in refused.value.hint
    assert version_now(lake) == "monday"


def test_before_the_first_release_there_is_nothing_to_go_back_to(lake):
    with pytest.raises(C360Error, match="Nothing has been released yet"):
        roll_back(lake)


def test_releases_that_were_removed_are_passed_over(lake):
    release(lake, MONDAY, "one")
    gone, _ = release(lake, TUESDAY, "two")
    release(lake, WEDNESDAY, "three")
    shutil.rmtree(gone.path)
    roll_back(lake)
    assert version_now(lake) == "one"


def test_a_current_whose_release_was_removed_can_be_rolled_back(lake):
    release(lake, MONDAY, "one")
    gone, _ = release(lake, TUESDAY, "two")
    shutil.rmtree(gone.path)
    roll_back(lake)
    assert version_now(lake) == "one"


@pytest.mark.parametrize(
    "tail", ['{"current": "2026-0', '{"current": "x"', "\0\0\0", "[]\n", "\xff"]
)
def test_a_torn_line_of_the_history_hinders_nothing(lake, tail):
    release(lake, MONDAY, "one")
    with (lake.published / "history.jsonl").open("a", encoding="latin-1") as history:
        history.write(tail)
    tuesday, _ = release(lake, TUESDAY, "two")
    assert previous_release(lake, WEDNESDAY) == tuesday
    roll_back(lake)
    assert version_now(lake) == "one"


def test_with_the_history_lost_it_goes_to_the_newest_release_of_an_older_date(lake):
    for day, content in ((MONDAY, "one"), (TUESDAY, "two"), (WEDNESDAY, "three")):
        release(lake, day, content)
    (lake.published / "history.jsonl").unlink()
    roll_back(lake)
    assert version_now(lake) == "two"
    roll_back(lake)
    assert version_now(lake) == "one"


def test_a_release_that_was_put_in_later_for_an_older_date_can_be_rolled_back_to(lake):
    release(lake, TUESDAY, "tuesday")
    release(lake, MONDAY, "monday_later")
    roll_back(lake)
    assert version_now(lake) == "monday_later"


def test_a_crash_before_the_history_was_written_is_made_good_by_the_rerun(lake):
    release(lake, MONDAY, "a")
    release(lake, MONDAY, "b")
    history = lake.published / "history.jsonl"
    history.write_text(history.read_text().splitlines()[0] + "\n")
    done, _ = release(lake, MONDAY, "b")
    assert previous_release(lake, TUESDAY) == done
    roll_back(lake)
    assert version_now(lake) == "a"


def test_a_current_that_is_a_folder_is_refused_with_a_sentence(lake):
    release(lake, MONDAY, "one")
    lake.current.unlink()
    shutil.copytree(find_releases(lake)[0].path, lake.current)
    with pytest.raises(C360Error, match="is a folder and should be a link"):
        release(lake, TUESDAY, "two")


# Dying


CALLS = [
    "open",
    "link",
    "mkdir",
    "rename",
    "replace",
    "symlink",
    "fsync",
    "unlink",
    "rmdir",
    "scandir",
]


def _die_at(home, point, content):
    """Child process: release, and SIGKILL at the point-th call into the system."""
    count = 0
    lake = Lake(home)

    def counted(name, call):
        def wrapper(*args, **kwargs):
            nonlocal count
            # Die before the call and after it: each is a state that a crash can leave.
            count += 1
            if count == point:
                os.kill(os.getpid(), signal.SIGKILL)
            result = call(*args, **kwargs)
            count += 1
            if count == point:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return wrapper

    for name in CALLS:
        setattr(os, name, counted(name, getattr(os, name)))
    real_open = Path.open
    Path.open = counted("Path.open", real_open)
    finish(lake, lake.run(TUESDAY), content)
    os._exit(17)  # the point lies after the last call


def _kill_release(home, point, content):
    child = multiprocessing.get_context("fork").Process(target=_die_at, args=(home, point, content))
    child.start()
    child.join(60)
    assert child.exitcode in (-signal.SIGKILL, 17)
    return child.exitcode == 17


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*fork.*:RuntimeWarning")
def test_killed_at_any_call_into_the_system_it_breaks_no_reader_and_the_rerun_succeeds(tmp_path):
    template = Lake(tmp_path / "template")
    release(template, MONDAY, "old")
    stage(template, TUESDAY, "new")
    points, finished, seen = 0, False, set()
    while not finished:
        points += 1
        lake = Lake(tmp_path / f"{points}")
        shutil.copytree(template.home, lake.home, symlinks=True)
        finished = _kill_release(lake.home, points, "new")
        version = version_now(lake)
        seen.add(version)
        for found in find_releases(lake):
            read_whole(found.path)
        done, is_current = finish(lake, lake.run(TUESDAY), "new")
        assert is_current
        assert version_now(lake) == "new"
        assert previous_release(lake, WEDNESDAY) == done
        assert not (lake.published / ".staging").exists()
        assert len(names(lake)) == 2
        roll_back(lake)
        assert version_now(lake) == "old"
        shutil.rmtree(lake.home)
    assert points > 40
    assert seen == {"old", "new"}


# Many at once


def _release_many(home, name, count, results):
    lake = Lake(home / name)
    shared = Lake(home)
    for number in range(count):
        content = f"{name}-{number}"
        run = stage(lake, TUESDAY, content)
        (run.release / "gates.html").write_bytes(f"<p>{content}</p>".encode())
        try:
            release_run(shared, run, write_manifest(run.release, {"date": "2026-06-30"}))
        except C360Error as refused:
            results.put(refused.message)
    results.put(name)


def _end_abruptly(home):
    with release_module.alone(Lake(home)):
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_reader_that_resolves_once_sees_one_version_during_fifty_releases_by_two(lake):
    release(lake, MONDAY, "start")
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    makers = [
        context.Process(target=_release_many, args=(lake.home, name, 25, results))
        for name in ("left", "right")
    ]
    for maker in makers:
        maker.start()
    seen, reads = set(), 0
    until = time.monotonic() + 120
    while any(maker.is_alive() for maker in makers) and time.monotonic() < until:
        seen.add(version_now(lake))
        reads += 1
    for maker in makers:
        maker.join(30)
        assert maker.exitcode == 0
    said = {results.get(timeout=10) for _ in makers}
    assert said == {"left", "right"}, "a release that waits for another is not refused"
    assert len(names(lake)) == 51
    for found in find_releases(lake):
        read_whole(found.path)
    assert reads > 20
    assert len(seen) > 3
    assert version_now(lake) in {"left-24", "right-24"}


def test_a_lock_left_by_a_killed_process_holds_nobody_up(lake):
    release(lake, MONDAY, "one")
    child = multiprocessing.get_context("spawn").Process(target=_end_abruptly, args=(lake.home,))
    child.start()
    child.join(60)
    assert child.exitcode == -signal.SIGKILL
    began = time.monotonic()
    release(lake, TUESDAY, "two")
    assert time.monotonic() - began < 5
    assert version_now(lake) == "two"


def test_a_release_that_cannot_get_its_turn_says_so(lake, monkeypatch):
    run = stage(lake, MONDAY, "one")
    lock = release_module.FileLock
    monkeypatch.setattr(release_module, "FileLock", lambda path, timeout: lock(path, timeout=0.05))
    held, done = threading.Event(), threading.Event()

    def hold():
        with release_module.alone(lake):
            held.set()
            done.wait(30)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(30)
    try:
        with pytest.raises(C360Error, match="Another release or rollback is under way") as refused:
            finish(lake, run, "one")
        assert refused.value.hint == "Wait until it ends and try again."
        with pytest.raises(C360Error, match="under way"):
            roll_back(lake)
    finally:
        done.set()
        holder.join()
    assert not lake.current.exists()
    finish(lake, run, "one")
    assert version_now(lake) == "one"


def test_a_release_is_named_by_a_date_and_digits_only(lake):
    done, _ = release(lake, date(1, 1, 1), "oldest")
    assert done.path.name.startswith("0001-01-01__")
    assert done.path.parent == lake.published
    assert all(letter in "0123456789abcdef" for letter in done.path.name[12:])


def test_a_release_is_open_to_its_group_and_its_state_to_nobody(lake):
    run = stage(lake, date(2026, 6, 30), "new")
    write_table(pl.DataFrame({"customer_id": ["a"]}), run.release / "state" / "keys.parquet")
    run.release.chmod(0o755)
    made, _ = finish(lake, run, "new")
    modes = {
        path.relative_to(made.path).as_posix(): path.stat().st_mode & 0o777
        for path in made.path.rglob("*")
    }
    assert modes == {
        "marts": 0o750, "marts/m.parquet": 0o640, "lists": 0o750, "lists/l.csv": 0o640,
        "state": 0o700, "state/keys.parquet": 0o600, "marts.duckdb": 0o440,
        "gates.html": 0o640, "manifest.json": 0o640,
    }  # fmt: skip
    assert made.path.stat().st_mode & 0o777 == 0o750


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be of any group")
def test_a_release_is_of_the_group_of_its_folder(lake):
    run = stage(lake, date(2026, 6, 30), "new")
    lake.published.mkdir(parents=True)
    os.chown(lake.published, -1, 12345)
    made, _ = finish(lake, run, "new")
    assert {path.stat().st_gid for path in [made.path, *made.path.rglob("*")]} == {12345}
