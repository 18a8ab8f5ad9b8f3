"""A release killed at each call by which the system writes: what is seen, and the release after.

    .venv/bin/python benchmarks/kills.py [CALL ...]

strace sends SIGKILL at the k-th write, rename, mkdir and so on, for each of these calls and every k
until a release comes through. After each the release is made again. Needs strace and the right to
trace. The tests do so at the changes that Python tells of (`tests/unit/test_killed_steps.py`).
"""

import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from readers import AS_OF, put_release, read_manifest

from pipelines.lake import Lake
from pipelines.release import find_releases

CALLS = [
    "write", "pwrite64", "writev", "rename", "renameat", "renameat2", "mkdir", "mkdirat", "unlink",
    "unlinkat", "rmdir", "link", "linkat", "symlink", "symlinkat", "fsync", "fdatasync",
    "ftruncate", "chmod", "fchmod", "fchmodat", "copy_file_range", "sendfile", "utimensat",
]  # fmt: skip
RELEASE = f"""
import sys
from datetime import date
from pathlib import Path
from pipelines.lake import Lake
from pipelines.release import release_run, write_manifest
lake = Lake(Path(sys.argv[1]))
run = lake.run(date({AS_OF.year}, {AS_OF.month}, {AS_OF.day}))
facts = {{"date": str(run.as_of), "version": 1, "gates": {{}}, "notes": []}}
release_run(lake, run, write_manifest(run.release, facts))
"""


def stage(home: Path) -> None:
    """The release of version 0 in place, and that of version 1 ready in its run."""
    lake = Lake(home)
    put_release(lake, 1)
    staged = home / "staged"
    lake.run(AS_OF).release.rename(staged)
    shutil.rmtree(lake.published)
    put_release(lake, 0)
    shutil.rmtree(lake.run(AS_OF).release)
    staged.rename(lake.run(AS_OF).release)


def release(home: Path, call: str = "", number: int = 0) -> bool:
    """Release version 1, killed at a call if one is named; returns whether it was."""
    tracer = ["strace", "-f", "-o", "/dev/null", "-e", f"trace={call}",
              "-e", f"inject={call}:signal=SIGKILL:when={number}"]  # fmt: skip
    command = [sys.executable, "-B", "-c", RELEASE, home]
    done = subprocess.run([*(tracer if call else ()), *command])
    if done.returncode not in (0, -signal.SIGKILL, 128 + signal.SIGKILL):
        sys.exit(f"The release ended with {done.returncode}.")
    return done.returncode != 0


def seen(lake: Lake) -> int:
    """The version that readers get, after a look at each release against its manifest."""
    for found in find_releases(lake):
        read_manifest(found.path)
    (version,) = read_manifest(lake.current)
    return version


def kill_at(call: str, number: int, template: Path, home: Path) -> int | None:
    """Kill a release; returns the version that is seen then, None if it came through."""
    subprocess.run(["cp", "-a", template, home], check=True)
    try:
        if not release(home, call, number):
            return None
        version = seen(Lake(home))
        release(home)
        assert seen(Lake(home)) == 1
        assert len(find_releases(Lake(home))) == 2
        return version
    finally:
        shutil.rmtree(home)


def main() -> None:
    """Kill at each call and print what was seen."""
    old, new = Counter[str](), Counter[str]()
    with tempfile.TemporaryDirectory() as folder:
        template = Path(folder) / "template"
        stage(template)
        for call in sys.argv[1:] or CALLS:
            number = 1
            while (version := kill_at(call, number, template, Path(folder) / "home")) is not None:
                (new if version else old)[call] += 1
                number += 1
    print(f"killed at {old.total() + new.total()} calls: the old release was seen {old.total()} "
          f"times, the new one {new.total()}; released again, the new one always")  # fmt: skip
    print(dict(old + new))


if __name__ == "__main__":
    main()
