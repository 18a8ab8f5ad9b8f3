"""Four hundred nights in a row, and whether the histories tell them again.

    .venv/bin/python benchmarks/four_hundred_nights.py [FOLDER] [--nights 400] [--few]

Runs the whole line, gates and all, for the small company of `four_hundred_company.py`, one night
after the other in one process; stopped, it goes on with the night after the last one that was
released. Then every `*_history` of the newest release is held against the daily marts of all
releases: on each run date it must tell exactly what that night's own release told, of everybody
but those of whom nothing may be remembered; no interval may be empty, overlap another, begin or
end on a day without a run, or go on in the next one with the same state. Run it from a copy of the
project that nobody changes meanwhile (with `PYTHONPATH=.`, if the environment is another copy's).
With `--gates-every 10` only each tenth night is judged by all that `expectations/` asks, and the
others by the checks of the catalogue on one dataset a stage: gates are two fifths of a night, and
write no history. With `--few` only the nights run on which something planned has just happened, and
what the others bring lies there by then; without a folder, those few in a temporary one.
`--check-only` runs none.
"""

import argparse
import gc
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path

import polars as pl
from four_hundred_company import AGAIN, EVENTFUL, SKIPPED, day_of, decide_rules, drop_night

import pipelines
from pipelines.configured import configured_sources
from pipelines.lake import Lake, read_json, write_json
from pipelines.line import Line
from pipelines.release import Release, find_releases, standing_release
from pipelines.settings import Settings
from pipelines.steps import LINE, run_step

KEPT_RUNS = 3  # nothing reads older ones; a run is forty times its release
ASKED_OF_ALL = {
    "landing": "landing_summary",
    "profile": "customer_households",
    "scores": "model_choices",
    "marts": "rfm_edges",
    "lists": "list_summary",
}
ALWAYS = pl.lit(value=True)
Facts = Callable[[Release], pl.DataFrame]


@dataclass(frozen=True)
class Told:
    """What a history must tell of a night.

    name: the history.
    key: whose it is.
    state: what changes.
    is_told: rows of the history that say that something holds.
    daily: key and state, from the marts and lists of that night's own release.
    keeps_gone: whether customers whose records were all deleted stay in it.
    """

    name: str
    key: tuple[str, ...]
    state: tuple[str, ...]
    daily: Facts
    is_told: pl.Expr = ALWAYS
    keeps_gone: bool = True


def read(release: Release, mart: str) -> pl.DataFrame:
    """A mart of a release."""
    return pl.read_parquet(release.path / "marts" / f"{mart}.parquet")


def stages(release: Release) -> pl.DataFrame:
    """Stage of each customer of a night."""
    return read(release, "customer_lifecycle").select("customer_id", "lifecycle_stage")


def levels(release: Release) -> pl.DataFrame:
    """Grade and VIP band of each customer of a night."""
    grades = read(release, "customer_grades")
    long = grades.unpivot(["grade", "vip_band"], index="customer_id", variable_name="ladder")
    return long.rename({"value": "level"}).drop_nulls("level")


def members(release: Release) -> pl.DataFrame:
    """Who is on which list of a night."""
    lists = [
        pl.read_parquet(path, columns=["customer_id"]).with_columns(list=pl.lit(path.stem))
        for path in sorted((release.path / "lists").glob("*.parquet"))
    ]
    return pl.concat(lists).select("list", "customer_id")


HISTORIES = (
    Told("lifecycle_history", ("customer_id",), ("lifecycle_stage",), stages),
    Told("grade_history", ("customer_id", "ladder"), ("level",), levels,
         pl.col("level").is_not_null()),
    Told("list_history", ("list", "customer_id"), (), members, pl.col("role") == "treated",
         keeps_gone=False),
)  # fmt: skip


def run_nights(root: Path, nights: int, chosen: frozenset[int] | None, gates_every: int) -> None:
    """Run what has not been run of the nights, or of those chosen; tells the seconds of each."""
    done = root / "done.json"
    first = read_json(done)["night"] + 1 if done.exists() else 0
    gc.disable()  # a sixth of the time; what nights leave is collected after each fifth
    for night in range(first, nights):
        began, busy = time.perf_counter(), time.process_time()
        drop_night(root, night)
        if night not in SKIPPED and (chosen is None or night in chosen):
            judged = night % gates_every == 0
            run_night(root, night, judged=judged)
            if night in AGAIN:
                run_night(root, night, judged=judged, second_time=True)
            forget_runs(Lake(root / "home"), day_of(night))
            if night % 5 == 0:
                gc.collect()
            wall, spent = time.perf_counter() - began, time.process_time() - busy
            print(f"night {night}: {wall:.0f} s, {spent:.1f} s of processors", flush=True)
        write_json({"night": night}, done)


def run_night(root: Path, night: int, *, judged: bool, second_time: bool = False) -> None:
    """Run the line for a night, every step of it."""
    rules = decide_rules(root, night, second_time=second_time)
    settings = Settings(home=root / "home", rules_dir=rules)
    if not judged:
        light = ask_little(root / "light", settings.project_dir)
        settings = settings.model_copy(update={"project_dir": light})
    line = Line(settings, day_of(night), lambda _: None)
    for step in [f"extract {name}" for name in configured_sources(settings)] + list(LINE[1:]):
        run_step(line.run, step, partial(line.work, step))


def ask_little(light: Path, project: Path) -> Path:
    """A project that differs in `expectations/`, which ask for one dataset a stage."""
    if not light.exists():
        (light / "expectations").mkdir(parents=True)
        (light / "dbt_project").symlink_to(project / "dbt_project")
        for stage, dataset in ASKED_OF_ALL.items():
            (light / "expectations" / f"{stage}.yml").write_text(f"{dataset}: []\n")
    return light


def forget_runs(lake: Lake, day: date) -> None:
    """Remove the private folders of older runs."""
    runs = sorted(path for path in lake.runs.glob("????-??-??") if path.name < day.isoformat())
    for path in runs[:-KEPT_RUNS]:
        shutil.rmtree(path)


def standing(lake: Lake) -> dict[date, Release]:
    """The release of each run date that readers saw last."""
    days = sorted({date.fromisoformat(release.as_of) for release in find_releases(lake)})
    found = ((day, standing_release(lake, day)) for day in days)
    return {day: release for day, release in found if release is not None}


def check_histories(lake: Lake) -> int:
    """Hold every history of the newest release against all nights; returns the faults."""
    nights = standing(lake)
    newest = nights[max(nights)]
    names = {path.stem for path in (newest.path / "marts").glob("*_history.parquet")}
    known = {told.name: told for told in HISTORIES}
    faults = 0
    for name in sorted(names):
        if name not in known:
            print(f"{name}: not checked, nobody says what it must tell")
            faults += 1
            continue
        found = list(find_faults(known[name], newest, nights))
        print(f"{name}: {read(newest, name).height} intervals of {len(nights)} nights, ", end="")
        print(f"{len(found)} faults", *found[:10], sep="\n  ")
        faults += len(found)
    return faults


def find_faults(told: Told, newest: Release, nights: dict[date, Release]) -> Iterator[str]:
    """What a history tells and no night told, and the other way round; the latest night first."""
    history = read(newest, told.name)
    yield from find_broken(history, told, set(nights))
    names = [*told.key, *told.state]
    forgotten: set[str] = set()
    known = find_known(newest)
    for day, release in sorted(nights.items(), reverse=True):
        holds = history.filter(
            told.is_told,
            pl.col("valid_from_on") <= day,
            pl.col("valid_to_on").is_null() | (pl.col("valid_to_on") > day),
        ).select(names)
        daily = told.daily(release).select(names)
        # What was forgotten on a later night is not remembered again if the reason for it ends.
        forgotten |= find_forgotten(release)
        known &= find_known(release)
        if not told.keeps_gone:
            forgotten |= set(daily["customer_id"]) - known
        was = daily.filter(~pl.col("customer_id").is_in(sorted(forgotten)))
        wrong = holds.join(was, on=names, how="anti").height
        missing = was.join(holds, on=names, how="anti").height
        if wrong or missing or holds.height != was.height:
            yield f"{day}: {wrong} told that were not, {missing} not told that were"


def find_broken(history: pl.DataFrame, told: Told, days: set[date]) -> Iterator[str]:
    """Intervals that are empty, overlap, part what is one, or begin or end on no night."""
    begin, end = pl.col("valid_from_on"), pl.col("valid_to_on")
    rows = history.sort(*told.key, "valid_from_on")
    before = rows.with_columns(
        ended=end.shift().over(told.key),
        is_first=pl.int_range(pl.len()).over(told.key) == 0,
        same=pl.all_horizontal(
            pl.lit(value=True), *(pl.col(n).eq_missing(pl.col(n).shift()).over(told.key)
                                  for n in [*told.state, *_more_state(rows)])
        ),
    ).filter(~pl.col("is_first"))  # fmt: skip
    overlaps = pl.col("ended").is_null() | (pl.col("ended") > begin)
    for what, count in (
        ("are empty", rows.filter(end <= begin).height),
        ("overlap the one before", before.filter(overlaps).height),
        ("go on where an equal one ended", before.filter("same", pl.col("ended") == begin).height),
        ("begin on no night", rows.filter(~begin.is_in(sorted(days))).height),
        ("end on no night", rows.filter(end.is_not_null(), ~end.is_in(sorted(days))).height),
        ("end without a reason", rows.filter(
            end.is_null() != pl.col("ended_because").is_null()).height),
    ):  # fmt: skip
        if count:
            yield f"{count} intervals {what}"


def _more_state(rows: pl.DataFrame) -> list[str]:
    """Of lists the version and role part intervals too, which the files of a night do not tell."""
    return [name for name in ("version", "global_version", "role") if name in rows.columns]


def stands_for(release: Release) -> dict[str, str | None]:
    """Whom each alias stands for; nobody, once all its records are erased."""
    aliases = read(release, "customer_aliases").sort("changed_on")
    return dict(aliases.select("alias_id", "customer_id").iter_rows())


def find_forgotten(release: Release) -> set[str]:
    """Customers of whom a release may remember nothing: an answer of its own."""
    asked = set(read(release, "customer_360").filter("is_erasure_requested")["customer_id"])
    former = stands_for(release).items()
    return asked | {alias for alias, whose in former if whose is None or whose in asked}


def find_known(release: Release) -> set[str]:
    """Customers of a release, and ids that stand for another one."""
    return set(read(release, "customer_360")["customer_id"]) | set(stands_for(release))


def main() -> None:
    """Run the nights, then judge the histories."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    arguments.add_argument("folder", type=Path, nargs="?")
    arguments.add_argument("--nights", type=int, default=400)
    arguments.add_argument("--gates-every", type=int, default=1, metavar="N")
    arguments.add_argument("--few", action="store_true")
    arguments.add_argument("--check-only", action="store_true")
    given = arguments.parse_args()
    print(f"The line of {Path(pipelines.__file__).parent}", flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        root = given.folder or Path(scratch)
        few = given.few or given.folder is None
        if not given.check_only:
            run_nights(root, given.nights, EVENTFUL if few else None, given.gates_every)
        faults = check_histories(Lake(root / "home"))
    raise SystemExit(1 if faults else 0)


if __name__ == "__main__":
    main()
