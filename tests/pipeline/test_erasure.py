"""A customer is erased between two nights, and the sources send all of it once more."""

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import polars as pl
import pytest

from pipelines.erasure.erase import begin_erasure, find_asked, finish_erasures
from pipelines.identity.refs import RECORD
from pipelines.lake import Lake
from pipelines.release import current_release, find_releases
from pipelines.settings import Settings
from pipelines.steps import LINE, run_step
from tests.pipeline.conftest import Night
from tests.pipeline.nights import DAY, open_line, run_night
from tests.pipeline.scan import find_texts

pytestmark = pytest.mark.slow
NEXT = DAY + timedelta(days=1)
AT = datetime(2026, 7, 1, 1, tzinfo=UTC)
NAMING = ("full_name", "email", "email_secondary", "phone", "mobile", "street")


@dataclass(frozen=True)
class Erased:
    """A home in which a customer was, is no more, and did not come back.

    texts: what is the customer's alone; before, after, next: where any of it stood.
    """

    home: Path
    customer_id: str
    texts: set[str]
    before: set[str]
    after: set[str]
    next: set[str]
    others: pl.DataFrame


@pytest.fixture(scope="module")
def erased(night: Night, tmp_path_factory: pytest.TempPathFactory) -> Erased:
    root = tmp_path_factory.mktemp("erased")
    home, rules = root / "home", root / "rules"
    shutil.copytree(night.home, home, symlinks=True)
    shutil.copytree(night.rules.parent, root / "company")
    shutil.copytree(night.rules, rules)
    entries = (rules / "sources.yml").read_text()
    moved = entries.replace(str(night.rules.parent), str(root / "company"))
    (rules / "sources.yml").write_text(moved)
    line = open_line(home, rules, DAY)
    for step in LINE[LINE.index("gate marts") :]:
        run_step(line.run, step, partial(line.work, step))
    lake = Lake(home)
    customer_id, texts = choose_customer(lake)
    before = find_texts(home, texts)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("C360_PSEUDONYM_KEY", "a key of the tests")
        settings = Settings(home=home, rules_dir=rules)
        begin_erasure(settings, *find_asked(settings, customer_id), "Ana", "request 12", AT)
        finish_erasures(settings, AT, lambda _: None)
        after = find_texts(home, texts)
        others = pl.read_parquet(current_release(lake).path / "marts" / "customer_360.parquet")
        for path in sorted((root / "company").rglob("drop/*/*")):
            send_again(path)
        run_night(home, rules, NEXT)
    return Erased(home, customer_id, texts, before, after, find_texts(home, texts), others)


def send_again(path: Path) -> None:
    """Give a file other bytes of the same rows, so that it is not known by its digest."""
    if "manual" in path.name:  # what people typed: too many bad rows for a night of its own
        return
    if path.suffix == ".parquet":
        pl.read_parquet(path).write_parquet(path, compression="lz4")
    elif path.suffix in (".csv", ".jsonl"):
        path.write_bytes(path.read_bytes() + b"\n")


def choose_customer(lake: Lake) -> tuple[str, set[str]]:
    """A customer with a contact, orders and a place on a list; what nobody else is known by."""
    release = current_release(lake).path
    profiles = pl.read_parquet(release / "marts" / "customer_360.parquet")
    listed = pl.concat(
        [pl.read_parquet(path, columns=["customer_id"]) for path in release.glob("lists/*.parquet")]
    )
    keys = pl.read_parquet(release / "state" / "customer_keys.parquet")
    contacts = pl.read_parquet(
        lake.landing / "crm_contacts/**/*.parquet",
        missing_columns="insert",
        hive_partitioning=False,
    )
    known = contacts.with_columns(entity=pl.lit("contact")).join(keys, on=RECORD)
    able = profiles.filter(pl.col("order_count") > 2).join(listed, on="customer_id", how="semi")
    chosen = able.join(known.drop_nulls(["email", "full_name"]), on="customer_id", how="semi").sort(
        "customer_id"
    )["customer_id"][0]
    mine, theirs = (known.filter((pl.col("customer_id") == chosen) == own) for own in (True, False))
    shared = {value for name in NAMING for value in theirs[name].drop_nulls()}
    texts = {value for name in NAMING for value in mine[name].drop_nulls() if len(value) > 5}
    records = keys.filter(pl.col("customer_id") == chosen)["source_record_id"]
    return chosen, (texts - shared) | {id for id in records if len(id) > 7} | {chosen}


def test_nothing_of_the_customer_is_left_anywhere(erased):
    assert len(erased.before) > 20
    assert erased.after == set()


def test_the_customer_does_not_come_back_when_all_is_sent_again(erased):
    assert erased.next == set()
    told = pl.read_parquet(
        erased.home / "runs" / NEXT.isoformat() / "pipeline/landing_summary.parquet"
    )
    assert told["unaccounted_count"].sum() == 0
    assert told["erased_count"].sum() > 0


def test_all_others_are_there_the_night_after(erased):
    lake = Lake(erased.home)
    now = pl.read_parquet(current_release(lake).path / "state" / "customer_keys.parquet")
    assert set(erased.others["customer_id"]) <= set(now["customer_id"])
    assert len(find_releases(lake)) == 2
