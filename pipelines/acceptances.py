"""What a person has let through a breaker: found in the audit log, and written there.

An acceptance holds for one run date and for exactly the numbers that tripped. If the step is
repeated and finds others, it trips anew.
"""

from datetime import UTC, date, datetime
from typing import Any

import polars as pl

from pipelines.audit import Act, append_act, read_acts, verify_acts
from pipelines.breakers.judge import ACCEPTED, NOBODY_ACCEPTED, TRIPPED, Accepted
from pipelines.errors import C360Error
from pipelines.lake import Lake
from pipelines.release import standing_release
from pipelines.settings import Settings, current_user

ACTION = "accept"
# What is repeated once a number of a stage is accepted.
REPEATED = {"landing": "gate landing", "marts": "gate marts", "lists": "publish"}
NUMBER = ("stage", "name", "breaker", "column", "value")


def read_accepted(lake: Lake, key: bytes, as_of: date) -> Accepted:
    """The numbers of a run that somebody has let through.

    Raises:
        C360Error: there are some, and the audit log does not verify.
    """
    found = [
        tuple(number[part] for part in NUMBER)
        for act in read_acts(lake)
        if act["action"] == ACTION and act["facts"].get("run") == as_of.isoformat()
        for number in act["facts"]["numbers"]
    ]
    if not found:
        return NOBODY_ACCEPTED
    verify_acts(lake, key)
    return frozenset(found)


def read_verdicts(lake: Lake, as_of: date) -> pl.DataFrame:
    """What the breakers of a run said, by the run's own files or else by its release.

    Raises:
        C360Error: there was no such run.
    """
    run = lake.run(as_of)
    paths = [run.table("pipeline", f"{stage}_breakers") for stage in REPEATED]
    there = [path for path in paths if path.exists()]
    if not there:  # an erasure empties the folders of runs
        release = standing_release(lake, as_of)
        there = list(release.path.glob("marts/breakers.parquet")) if release else []
    told = [pl.read_parquet(path).filter(pl.col("as_of") == as_of) for path in there]
    if not any(frame.height for frame in told):
        raise C360Error(
            f"There was no run of {as_of} whose breakers are known.",
            f"Run c360 nightly --date {as_of} first.",
        )
    return pl.concat(told)


def accept_numbers(
    settings: Settings, name: str, as_of: date, by: str | None, because: str
) -> tuple[pl.DataFrame, str]:
    """Let what tripped of a list, mart or input table of one run pass, and write it down.

    Returns:
        The verdicts that are let through, and the step to repeat.

    Raises:
        C360Error: nothing of that name tripped in that run, or no reason is given.
    """
    if not because.strip():
        raise C360Error("An acceptance needs a reason.", "Add --because 'why it is right'.")
    lake, key = Lake(settings.home), settings.audit
    verdicts = read_verdicts(lake, as_of)
    accepted = read_accepted(lake, key, as_of)
    mine = verdicts.filter(pl.col("name") == name)
    tripped = mine.filter(pl.col("outcome") == TRIPPED)
    if tripped.is_empty():
        raise _nothing_tripped(verdicts, mine, name, as_of)
    numbers = tripped.select(NUMBER)
    if set(numbers.rows()) <= accepted:
        raise C360Error(
            f"What tripped of {name} on {as_of} is accepted already.",
            f"Repeat the step: {next_command(lake, tripped, as_of)}.",
        )
    facts = {"run": as_of.isoformat(), "numbers": numbers.to_dicts()}
    write_act(settings, by, ACTION, f"{name} of {as_of}", because.strip(), facts)
    return tripped, next_command(lake, tripped, as_of)


def write_act(
    settings: Settings, by: str | None, action: str, subject: str, because: str,
    facts: dict[str, Any],
) -> None:  # fmt: skip
    """Write an act of now to the audit log; without a name, that of the account is taken."""
    act = Act(by or current_user(), action, subject, because or "no reason given", facts)
    append_act(Lake(settings.home), settings.audit, act, datetime.now(UTC))


def next_command(lake: Lake, tripped: pl.DataFrame, as_of: date) -> str:
    """The command that repeats the earliest step of what was accepted, and all after it."""
    stages = [stage for stage in REPEATED if stage in tripped["stage"].to_list()]
    whole = f"c360 nightly --date {as_of}"
    run = lake.run(as_of)
    # No step reads a run that release has sealed under the encryption key.
    if run.sealed.exists() or not run.table("pipeline", f"{stages[0]}_breakers").exists():
        return whole
    return f"{whole} --from '{REPEATED[stages[0]]}'"


def _nothing_tripped(
    verdicts: pl.DataFrame, mine: pl.DataFrame, name: str, as_of: date
) -> C360Error:
    tripped = verdicts.filter(pl.col("outcome") == TRIPPED)["name"].unique().sort().to_list()
    told = f"Tripped are: {', '.join(tripped)}." if tripped else "Nothing has tripped in that run."
    if mine.is_empty():
        return C360Error(
            f"No list, watched mart or input table of the run of {as_of} is called {name!r}.", told
        )
    if ACCEPTED in mine["outcome"].to_list():
        return C360Error(f"{name} of {as_of} is accepted, and has passed.", told)
    return C360Error(f"{name} has not tripped on {as_of}.", told)
