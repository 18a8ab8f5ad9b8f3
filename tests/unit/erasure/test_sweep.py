from datetime import date, timedelta

import pytest

from pipelines.configured import configured_rules
from pipelines.erasure.erase import begin_erasure, find_asked, finish_erasures
from pipelines.erasure.sweep import Policy, sweep
from pipelines.lake import Lake, read_json
from pipelines.release import current_release, find_releases
from pipelines.rules.schemas import Retention
from tests.unit.erasure.erasure_home import CANARY, DAYS, drop, land, make_home
from tests.unit.erasure.test_erase import AT

LATER = DAYS[1] + timedelta(days=400)
SHORT = Retention(raw_days=30, quarantine_days=30, run_days=7, releases=2)


@pytest.fixture
def settings(tmp_path):
    return make_home(tmp_path)


@pytest.fixture
def lake(settings):
    return Lake(settings.home)


def swept(settings, catalogue, retention=SHORT, day=LATER, dry_run=False):
    sources = configured_rules(settings).sources
    return sweep(Lake(settings.home), catalogue, sources, Policy(retention, day), dry_run=dry_run)


def files(lake) -> dict[str, int]:
    return {
        str(path.relative_to(lake.home)): path.stat().st_size
        for path in lake.home.rglob("*")
        if path.is_file() and not path.name.endswith(".lock")
    }


def test_what_a_killed_sweep_began_the_next_one_ends(settings, lake, catalogue, monkeypatch):
    def killed(path):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("pipelines.erasure.sweep.shutil.rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            swept(settings, catalogue)
    [left] = lake.quarantine.glob("*/*/.swept-*")
    swept(settings, catalogue, dry_run=True)
    assert left.exists()
    swept(settings, catalogue)
    assert not list(lake.home.rglob(".swept-*"))


def test_after_its_time_a_copy_is_gone_and_the_rest_is_as_it_was(settings, lake, catalogue):
    drop(lake, DAYS[1], "refunds.csv", ["id,order_source_id,amount,currency", "r1,o1,1,CNY"])
    before, current = files(lake), current_release(lake)
    counts = swept(settings, catalogue)
    assert counts == {"raw files": 3, "quarantine partitions": 2, "runs": 1}
    after = files(lake)
    raw = {name: size for name, size in after.items() if name.startswith("raw/")}
    assert sorted(raw) == sorted(name for name in before if name.startswith("raw/"))
    assert [name.split("__")[1] for name, size in raw.items() if size and "__" in name] == [
        "refunds.csv"
    ]
    kept = {
        name: size for name, size in before.items() if name.startswith(("landing", "published"))
    }
    assert {name: after.get(name) for name in kept} == kept
    assert not list(lake.quarantine.rglob("*.parquet"))
    assert current_release(lake) == current
    assert swept(settings, catalogue) == {}


def test_what_is_kept_for_good_or_is_young_enough_stays(settings, lake, catalogue):
    before = files(lake)
    assert swept(settings, catalogue, Retention()) == {}
    assert swept(settings, catalogue, day=DAYS[1] + timedelta(days=3)) == {}
    assert files(lake) == before


def test_a_rehearsal_counts_and_takes_nothing(settings, lake, catalogue):
    before = files(lake)
    assert sum(swept(settings, catalogue, dry_run=True).values()) == 6
    assert files(lake) == before


def test_the_current_release_stays_however_old_it_is(settings, lake, catalogue):
    from pipelines.release import roll_back
    from tests.unit.erasure.erasure_home import release

    release(lake, date(2026, 7, 1), None)
    release(lake, date(2026, 7, 2), None)
    roll_back(lake, find_releases(lake)[0].path.name)
    assert swept(settings, catalogue, Retention(releases=2)) == {"releases": 1}
    assert [r.as_of for r in find_releases(lake)] == ["2026-06-29", "2026-07-01", "2026-07-02"]


def test_what_was_swept_does_not_land_again_and_can_still_be_erased(settings, lake, catalogue):
    swept(settings, catalogue)
    assert land(settings, LATER) == 0
    begin_erasure(settings, *find_asked(settings, "crm:c77"), "Ana", "request 12", AT)
    finish_erasures(settings, AT, lambda _: None)
    told = {path.parts[-4]: read_json(path) for path in lake.landing.glob("*/*/*/*.json")}
    orders = told["orders"]
    assert (orders["landed"], orders["quarantined"], orders["erased"]) == (1, 1, 1)
    left = {text for text in CANARY for path in lake.landing.rglob("*.parquet")
            if text.encode() in path.read_bytes()}  # fmt: skip
    assert left == set()
