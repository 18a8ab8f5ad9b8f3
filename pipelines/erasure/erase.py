"""Erases customers: from raw, landing, quarantine, runs, releases and deliveries, and for good.

    privacy/tombstones.parquet      first of all: from here on nobody comes back
    privacy/erasures/<ref>.json     how far it is; whom it is about only until the end

Whatever stops it, the next call goes on: each stage, done twice, does the second time nothing.
"""

import hmac
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from pipelines.audit import Act, append_act
from pipelines.catalogue import load_catalogue
from pipelines.configured import configured_rules
from pipelines.erasure.delivered import forget_delivered
from pipelines.erasure.landed import forget_landed
from pipelines.erasure.plan import Plan, plan_erasure
from pipelines.erasure.published import forget_released
from pipelines.errors import C360Error
from pipelines.history import find_customer, find_release, read_mart
from pipelines.lake import Lake, read_json, remove_all_scratch, write_json
from pipelines.privacy.tombstones import bury
from pipelines.release import Release
from pipelines.settings import Settings
from pipelines.steps import erasure_lock
from pipelines.tombstones import add_tombstones, read_tombstones

# What stays of a run: how its steps went. All else is made again by running its date.
KEPT_OF_RUN = ("steps", "gates")
REF_LENGTH = 12
WORD = re.compile(r"[^\s,\[\]{}\"']+")
WAITS, DONE = "waits for deliveries", "done"


@dataclass(frozen=True)
class Erasure:
    """What an erasure did, or would do.

    rows: that went, by table; releases: old and new names; waiting: rows that deliveries still have
    to remove, by destination and list; rules: own rules files that still name a customer.
    """

    ref: str
    customers: int
    keys: dict[str, int]
    rows: dict[str, int] = field(default_factory=dict)
    releases: dict[str, str] = field(default_factory=dict)
    waiting: dict[str, int] = field(default_factory=dict)
    rules: tuple[str, ...] = ()


def find_asked(settings: Settings, asked: str) -> tuple[Release, frozenset[str]]:
    """The customer that an id or a record stands for in the current release."""
    release = find_release(Lake(settings.home), None)
    return release, frozenset([find_customer(release, asked, settings.pseudonym).customer_id])


def find_requested(settings: Settings, day: str) -> tuple[Release, frozenset[str]]:
    """Whom requests to be forgotten name, in the release of a day.

    Raises:
        C360Error: the current release is of another day.
    """
    release = find_release(Lake(settings.home), None)
    if release.as_of != day:
        raise C360Error(
            f"published/current is the release of {release.as_of}, not of {day}.",
            f"Requests are read from the night that landed them: c360 nightly --date {day} first.",
        )
    asked = read_mart(release, "customer_360").filter("is_erasure_requested")
    return release, frozenset(asked.select("customer_id").collect()["customer_id"])


def preview_erasure(settings: Settings, release: Release, customers: frozenset[str]) -> Erasure:
    """What would be erased; nothing is written."""
    lake, book = Lake(settings.home), configured_rules(settings)
    tombstones = read_tombstones(lake, book, settings.pseudonym)
    catalogue = load_catalogue(settings.project_dir)
    plan = plan_erasure(lake, catalogue, release, customers, tombstones.country)
    return _planned(settings, customers, plan)


def _planned(settings: Settings, customers: frozenset[str], plan: Plan) -> Erasure:
    ref = _ref(settings, customers)
    return Erasure(ref, len(customers), plan.counts, rules=_named(settings, plan.ids, plan.refs))


def begin_erasure(
    settings: Settings,
    release: Release,
    customers: frozenset[str],
    actor: str,
    because: str,
    at: datetime,
) -> Erasure:
    """Write the tombstones and what `finish_erasures` goes on from."""
    lake, book = Lake(settings.home), configured_rules(settings)
    _require_key(settings)
    with hold_off_nights(lake):
        tombstones = read_tombstones(lake, book, settings.pseudonym)
        catalogue = load_catalogue(settings.project_dir)
        plan = plan_erasure(lake, catalogue, release, customers, tombstones.country)
        erasure = _planned(settings, customers, plan)
        facts = {"customers": erasure.customers}
        act = Act(actor, "erase begun", f"erasure {erasure.ref}", because, facts)
        append_act(lake, settings.audit, act, at)
        add_tombstones(lake, tombstones, bury(plan.keys, settings.pseudonym, at.date()), at.date())
        told = {
            "ref": erasure.ref,
            "state": "begun",
            "actor": actor,
            "because": because,
            "customers": len(customers),
            "keys": plan.counts,
            "customer_ids": sorted(plan.ids),
            "records": sorted(plan.refs),
        }
        write_json(told, _entry(lake, erasure.ref))
    return erasure


def finish_erasures(settings: Settings, at: datetime, tell: Callable[[str], None]) -> list[Erasure]:
    """Go on with every erasure that has begun, up to what only a delivery can do."""
    lake = Lake(settings.home)
    entries = [entry for entry in _open_entries(lake) if entry["state"] == "begun"]
    done = []
    if entries:
        with hold_off_nights(lake):
            done = [_finish(settings, entry, at, tell) for entry in entries]
    forget_removed(lake)
    return done


def _finish(
    settings: Settings, entry: dict[str, Any], at: datetime, tell: Callable[[str], None]
) -> Erasure:
    lake, book = Lake(settings.home), configured_rules(settings)
    tombstones = read_tombstones(lake, book, settings.pseudonym)
    catalogue = load_catalogue(settings.project_dir)
    ids, refs = frozenset(entry["customer_ids"]), frozenset(entry["records"])
    remove_all_scratch(lake)
    rows = forget_landed(lake, catalogue, book.sources, tombstones, tell)
    _empty_runs(lake)
    releases = forget_released(lake, catalogue, ids, refs, tell)
    waiting = forget_delivered(lake, ids)
    erasure = Erasure(
        entry["ref"], entry["customers"], entry["keys"], rows, releases, waiting,
        _named(settings, ids, refs),
    )  # fmt: skip
    facts = {"customers": erasure.customers, "rows": rows, "releases": len(releases)}
    subject = f"erasure {erasure.ref}"
    append_act(
        lake, settings.audit, Act(entry["actor"], "erase", subject, entry["because"], facts), at
    )
    _close(lake, entry | {"state": WAITS}, waiting)
    return erasure


def forget_removed(lake: Lake) -> dict[str, int]:
    """Forget whom deliveries have removed by now; returns what is still to be removed."""
    left: dict[str, int] = {}
    for entry in _open_entries(lake):
        if entry["state"] == WAITS:
            waiting = forget_delivered(lake, frozenset(entry["customer_ids"]))
            _close(lake, entry, waiting)
            left |= waiting
    return left


def _close(lake: Lake, entry: dict[str, Any], waiting: dict[str, int]) -> None:
    """Note how far it is; whom it is about is forgotten with the last removal."""
    told = entry | {"waiting": waiting}
    told.pop("records", None)
    if not waiting:
        told.pop("customer_ids", None)
        told["state"] = DONE
    write_json(told, _entry(lake, entry["ref"]))


def _open_entries(lake: Lake) -> list[dict[str, Any]]:
    entries = [read_json(path) for path in sorted((lake.privacy / "erasures").glob("*.json"))]
    return [entry for entry in entries if entry["state"] != DONE]


def _entry(lake: Lake, ref: str) -> Path:
    return lake.privacy / "erasures" / f"{ref}.json"


def _ref(settings: Settings, customers: frozenset[str]) -> str:
    """A name of the erasure that can be found again from the ids with the key, and only so."""
    told = "\x1f".join(["erasure", *sorted(customers)]).encode()
    return hmac.new(settings.pseudonym, told, "sha256").hexdigest()[:REF_LENGTH]


def _require_key(settings: Settings) -> None:
    if not settings.pseudonym:
        raise C360Error(
            "Without C360_PSEUDONYM_KEY a tombstone could be guessed back to the person.",
            "Set it, run a night with it, and call erase again.",
        )


def _named(settings: Settings, ids: frozenset[str], refs: frozenset[str]) -> tuple[str, ...]:
    """The company's own rules files that name a customer: those are nobody's but its own."""
    files = sorted(settings.rules_dir.glob("*.yml")) if settings.rules_dir else []
    words = {path.name: set(WORD.findall(path.read_text(encoding="utf-8"))) for path in files}
    return tuple(name for name, told in words.items() if told & (ids | refs))


def _empty_runs(lake: Lake) -> None:
    for run in sorted(path for path in lake.runs.glob("*") if path.is_dir()):
        for path in run.iterdir():
            if path.is_dir() and not path.is_symlink():
                if path.name not in KEPT_OF_RUN:
                    shutil.rmtree(path)
            else:
                path.unlink()
        for name in KEPT_OF_RUN:
            for path in (run / name).glob("*"):
                if path.suffix != ".json" and not path.name.endswith(".lock"):
                    path.unlink() if path.is_file() else shutil.rmtree(path)


@contextmanager
def hold_off_nights(lake: Lake) -> Iterator[None]:
    """No step of any night meanwhile, and no second erasure.

    Raises:
        C360Error: a step, or an erasure, is at work.
    """
    lake.privacy.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        try:
            stack.enter_context(erasure_lock(lake.home).acquire(timeout=10))
            for path in sorted(lake.runs.glob("*/steps/.*.lock")):
                stack.enter_context(FileLock(path).acquire(timeout=0))
        except Timeout:
            raise C360Error(
                "A night, or another erasure, is under way.", "Wait until it ends and try again."
            ) from None
        yield
