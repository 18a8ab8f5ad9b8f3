"""The disk fills up in `publish` or `release`: a sentence; with room again, the same release.

The home lies on a file system of its own, a small one in memory, of which all is taken but so much.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from factories import PROJECT

from pipelines.errors import C360Error
from pipelines.lake import Lake
from pipelines.release import NOT_IN_NAME, current_release, find_releases
from tests.unit.test_killed_steps import OLD, do, prepare, use_few

ALONE = ["unshare", "--mount", "--map-root-user"]


def fill(home, room):
    """Take all the room but so many bytes."""
    with (home / "filler").open("wb") as file:
        left = os.statvfs(home).f_bavail * os.statvfs(home).f_frsize
        os.posix_fallocate(file.fileno(), 0, max(left - room, 1))


def files_of(release):
    return {told["path"]: told["sha256"] for told in release.manifest["files"]
            if told["path"] not in NOT_IN_NAME}  # fmt: skip


def try_step(home, step, room):
    """Do a step where there is so much room, then where there is enough; tell what readers saw."""
    home.mkdir()
    prepare(Lake(home))
    if step == "release":
        do(home, "publish")
    fill(home, room)
    told = None
    try:
        do(home, step)
    except C360Error as error:
        told = [error.message, error.hint]
    between = current_release(Lake(home)).path.name
    (home / "filler").unlink()
    do(home, step)
    if step == "publish":
        do(home, "release")
    newest = find_releases(Lake(home))[-1]
    return {
        "told": told, "between": between, "after": newest.path.name, "files": files_of(newest),
    }  # fmt: skip


def try_each(step, *rooms):
    """For each room, in a home of its own, on the file system of this folder."""
    use_few()
    told = [try_step(Path(f"room_{room}"), step, room) for room in rooms]
    sys.stdout.write(json.dumps(told))


@pytest.fixture
def tried(tmp_path):
    if not shutil.which("unshare") or subprocess.run([*ALONE, "true"]).returncode:
        pytest.skip("this machine lets nobody mount a file system of their own (unshare --mount)")

    def run(step, *rooms):
        code = f"from tests.unit.test_full_disk import try_each; try_each({step!r}, *{rooms})"
        mounted = 'mount -t tmpfs -o size=64m tmpfs . && cd "$PWD" && exec "$0" -c "$1"'
        done = subprocess.run(
            [*ALONE, "sh", "-c", mounted, sys.executable, code], cwd=tmp_path, capture_output=True,
            text=True, check=True,
            env={**os.environ, "PYTHONPATH": f"{PROJECT}:{PROJECT / 'tests'}"},
        )  # fmt: skip
        return json.loads(done.stdout)

    return run


@pytest.mark.parametrize("step", ["publish", "release"])
def test_a_full_disk_is_a_sentence_and_the_step_repeated_gives_the_same_release(tried, step):
    whole, *short = tried(step, 32_000_000, 0, 20_000, 60_000, 150_000, 400_000)
    assert whole["told"] is None
    for told in short:
        assert told["between"] == (OLD if told["told"] or step == "publish" else told["after"])
        assert (told["after"], told["files"]) == (whole["after"], whole["files"])
        if told["told"]:
            message, hint = told["told"]
            assert re.fullmatch(rf"{step} stopped: the disk of \S+ is full\.", message)
            assert hint == f"Make room, then run it again: c360 {step} --date 2026-06-30."
    assert len([told for told in short if told["told"]]) >= 2
