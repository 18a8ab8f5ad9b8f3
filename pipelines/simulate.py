"""What if: other rules of grades over past releases, before they go live. Nothing is written."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import polars as pl

from pipelines.errors import C360Error
from pipelines.grade import find_overrides, read_memory
from pipelines.lake import Lake
from pipelines.release import Release, find_releases, previous_release, standing_release
from pipelines.rules import find_rules, load_rules
from pipelines.rules.grade_overrides import GradeOverrides
from pipelines.rules.schemas import RuleBook
from pipelines.tiers.night import Facts
from pipelines.tiers.replay import Replay, replay_nights
from pipelines.tiers.values import READ

NEEDED = {
    "customer_360": list(READ),
    "customer_scores": ["customer_id", "clv_365d_amount"],
    "customer_aliases": ["alias_id", "customer_id", "changed_on", "event"],
}


def simulate_tiers(
    lake: Lake,
    rules_dir: Path | None,
    book: RuleBook,
    other: Path,
    begin: date | None,
    end: date | None,
) -> Replay:
    """Replay the releases of some days by the rules that are, and by those of another file.

    Both go on from where the release before the first day left everybody, so that the first night
    of the other rules is what their first night live would be.

    Raises:
        C360Error: the file has faults, or there is no release of these days.
    """
    files = find_rules(rules_dir)
    tiers = load_rules({**files, "tiers.yml": other}).tiers
    releases = _releases(lake, begin, end)
    if not releases:
        raise C360Error(
            f"There is no release from {begin or 'the first'} to {end or 'the last'} that grades "
            "can be told from.",
            "Run nights first, or choose other days: c360 status --date D.",
        )
    first = date.fromisoformat(releases[0].as_of)
    before = read_memory(previous_release(lake, first))
    nights = _nights(releases, book.grade_overrides)
    return replay_nights(nights, before, book.tiers, tiers, book.influence)


def _releases(lake: Lake, begin: date | None, end: date | None) -> list[Release]:
    """The release that stands for each day, without those of a version that kept too little."""
    days = sorted({date.fromisoformat(release.as_of) for release in find_releases(lake)})
    chosen = [day for day in days if (begin or day) <= day <= (end or day)]
    standing = [standing_release(lake, day) for day in chosen]
    return [
        release
        for release in standing
        if release and all(_mart(release, name).exists() for name in NEEDED)
    ]


def _nights(releases: list[Release], overrides: GradeOverrides) -> Iterator[tuple[date, Facts]]:
    for release in releases:
        as_of = date.fromisoformat(release.as_of)
        customers, scores, aliases = (
            pl.read_parquet(_mart(release, name), columns=columns)
            for name, columns in NEEDED.items()
        )
        keys = pl.read_parquet(release.path / "state" / "customer_keys.parquet")
        by_hand, _ = find_overrides(overrides, keys, aliases, as_of)
        yield as_of, Facts(customers, scores, aliases, by_hand)


def _mart(release: Release, name: str) -> Path:
    return release.path / "marts" / f"{name}.parquet"
