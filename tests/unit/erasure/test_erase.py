import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

import openpyxl
import polars as pl
import pytest

from pipelines.audit import read_acts, verify_acts
from pipelines.erasure.erase import begin_erasure, find_asked, finish_erasures, preview_erasure
from pipelines.errors import C360Error
from pipelines.lake import Lake, read_json
from pipelines.release import current_release, find_releases, roll_back
from pipelines.steps import run_step
from tests.pipeline.scan import find_texts
from tests.unit.erasure.erasure_home import (
    CANARY,
    CHEN,
    CONTACTS,
    DAYS,
    LI,
    WANG,
    drop,
    land,
    make_home,
)

STRIDE = 9  # of the moments to be killed at; 1 takes minutes
AT = datetime(2026, 7, 1, 9, tzinfo=UTC)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_home(tmp_path_factory.mktemp("made"))


@pytest.fixture
def settings(made, tmp_path):
    """A home of its own."""
    shutil.copytree(made.home, tmp_path / "home", symlinks=True)
    return made.model_copy(update={"home": tmp_path / "home"})


@pytest.fixture
def lake(settings):
    return Lake(settings.home)


def erase(settings, asked="crm:c77"):
    done = finish_erasures(settings, AT, lambda _: None)
    try:
        found = find_asked(settings, asked)
    except C360Error:
        return done
    begin_erasure(settings, *found, "Ana", "request 12", AT)
    return finish_erasures(settings, AT, lambda _: None)


def tree(home: Path) -> dict[str, bytes | str]:
    """All that is kept, but for locks, the audit log, and DuckDB's bytes, which differ."""
    return {
        str(path.relative_to(home)): path.readlink().name
        if path.is_symlink()
        else path.read_bytes()
        for path in sorted(home.rglob("*"))
        if (path.is_symlink() or path.is_file())
        and path.suffix not in (".lock", ".duckdb")
        and not path.name.startswith(("audit", ".lock"))
        and path.name != "manifest.json"  # it has the digest of DuckDB's file
    }


def test_the_canary_is_there_before_and_nowhere_after(settings):
    assert len(find_texts(settings.home, CANARY)) > 2 * len(CANARY)
    erase(settings)
    assert find_texts(settings.home, CANARY) == set()


def test_others_keep_what_is_theirs(settings, lake):
    erase(settings)
    marts = current_release(lake).path / "marts"
    assert pl.read_parquet(marts / "customer_360.parquet")["customer_id"].to_list() == [WANG, CHEN]
    grades = pl.read_parquet(marts / "customer_grades.parquet")
    assert grades.select("customer_id", "network_customer_id").rows() == [(WANG, None)]
    contacts = pl.read_parquet(lake.landing / "crm_contacts/**/*.parquet", hive_partitioning=False)
    assert contacts.select("source_record_id", "referrer_source_id").rows() == [
        ("c78", None), ("c79", "c78"),
    ]  # fmt: skip
    lists = current_release(lake).path / "lists"
    assert (lists / "win_back.csv").read_text().count("\n") == 3
    sheet = openpyxl.load_workbook(lists / "win_back.xlsx").active
    assert [row[0] for row in sheet.iter_rows(min_row=2, values_only=True)] == [WANG, CHEN]
    for made in ("seg_017_meta.csv", "seg_018_google_customer_match.csv"):
        assert len((lists / "platforms" / made).read_text().splitlines()) == 3


def test_every_row_is_accounted_for(settings, lake):
    erase(settings)
    told = {path.parts[-4]: read_json(path) for path in lake.landing.glob("*/*/*/*.json")}
    counts = {
        table: tuple(file[name] for name in ("rows_in", "landed", "quarantined", "erased"))
        for table, file in told.items()
    }
    assert counts == {
        "crm_contacts": (4, 2, 0, 2), "orders": (3, 1, 0, 2), "order_items": (2, 1, 0, 1),
    }  # fmt: skip


def test_releases_stay_whole_and_in_order(settings, lake):
    before = [release.path.name for release in find_releases(lake)]
    (done,) = erase(settings)
    first, second = find_releases(lake)
    assert done.releases == dict(zip(before, [first.path.name, second.path.name], strict=True))
    assert second.manifest["previous_release"] == first.path.name
    assert second.manifest["erased_count"] == 0  # there was no audience
    assert second.manifest["lists"] == [{"name": "win_back", "rows": 2}]
    assert current_release(lake).path.name == second.path.name
    left, now = roll_back(lake)
    assert (left.path.name, now.path.name) == (second.path.name, first.path.name)


def test_the_same_rows_delivered_again_stay_out_of_landing_and_of_raw(settings, lake):
    erase(settings)
    path = drop(
        lake, date(2026, 7, 1), "crm_contacts_all.csv", [*CONTACTS, "c81,赵敏,z@example.com,,"]
    )
    assert land(settings, date(2026, 7, 1)) == 1
    assert find_texts(settings.home, CANARY) == set()
    told = read_json(next(lake.landing.glob(f"crm_contacts/*/*/{path.name[:16]}.json")))
    assert (told["rows_in"], told["landed"], told["quarantined"], told["erased"]) == (5, 3, 0, 2)
    assert land(settings, date(2026, 7, 1)) == 0


def test_erasing_twice_does_nothing_the_second_time(settings):
    erase(settings)
    before = tree(settings.home)
    assert finish_erasures(settings, AT, lambda _: None) == []
    with pytest.raises(C360Error, match="stands for nobody"):
        find_asked(settings, "crm:c77")
    assert tree(settings.home) == before


def test_a_preview_writes_nothing_and_counts_what_would_go(settings, lake):
    before = tree(settings.home)
    told = preview_erasure(settings, *find_asked(settings, LI))
    assert told.keys == {
        "contact": 1, "email": 1, "order": 1, "order_item": 1, "phone": 1, "purchase": 1,
    }  # fmt: skip
    assert tree(settings.home) == before


def test_the_audit_log_tells_who_and_why_and_not_whom(settings, lake):
    (done,) = erase(settings)
    acts = [
        (act["actor"], act["action"], act["subject"], act["because"]) for act in read_acts(lake)
    ]
    assert acts == [
        ("Ana", action, f"erasure {done.ref}", "request 12") for action in ("erase begun", "erase")
    ]
    assert verify_acts(lake, settings.audit) == 2


def test_during_a_night_nobody_is_erased_and_during_an_erasure_no_step_runs(settings, lake):
    found = find_asked(settings, LI)
    run = lake.run(DAYS[1])

    def work():
        with pytest.raises(C360Error, match="A night, or another erasure, is under way"):
            begin_erasure(settings, *found, "Ana", "request 12", AT)
        raise C360Error("done", "")

    with pytest.raises(C360Error, match="done"):
        run_step(run, "land", work)


def test_with_another_key_the_erased_would_come_back_so_it_is_refused(settings):
    erase(settings)
    other = settings.model_copy(update={"pseudonym_key": type(settings.pseudonym_key)("other")})
    with pytest.raises(C360Error, match="not the key that erased persons are known by"):
        land(other, DAYS[1])


class Killed(BaseException):
    """What no handler catches."""


@contextmanager
def killed_after(monkeypatch, count: int) -> Iterator[list[int]]:
    """Die in place of the nth time that a file is put in place, renamed or taken away."""
    done = [0]

    def counted(original):
        def act(*args, **kwargs):
            done[0] += 1
            if done[0] == count:
                raise Killed
            return original(*args, **kwargs)

        return act

    with monkeypatch.context() as patch:
        for owner, name in (
            (Path, "replace"),
            (Path, "rename"),
            (Path, "unlink"),
            (shutil, "rmtree"),
        ):
            patch.setattr(owner, name, counted(getattr(owner, name)))
        yield done


def test_killed_at_any_moment_a_second_call_ends_what_the_first_began(made, tmp_path, monkeypatch):
    def home(name: str):
        shutil.copytree(made.home, tmp_path / name, symlinks=True)
        return made.model_copy(update={"home": tmp_path / name})

    whole = home("whole")
    with killed_after(monkeypatch, 0) as done:
        erase(whole)
    wanted = tree(whole.home)
    for moment in range(1, done[0] + 1, STRIDE):
        settings = home(f"killed-{moment}")
        with killed_after(monkeypatch, moment), pytest.raises(Killed):
            erase(settings)
        erase(settings)
        assert find_texts(settings.home, CANARY) == set(), moment
        assert tree(settings.home) == wanted, moment
        shutil.rmtree(settings.home)
