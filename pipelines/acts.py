"""Commands for what people do by hand, each written to the audit log."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Annotated

import typer

from pipelines.audit import Act, append_act, read_acts, verify_acts
from pipelines.errors import C360Error
from pipelines.lake import Lake, write_json
from pipelines.release import current_release
from pipelines.settings import Settings, load_settings
from pipelines.steps import report_path
from pipelines.terminal import Day, PastDay, err, out, plain, read_day
from pipelines.wording import count_of

app = typer.Typer()

audit_app = typer.Typer(no_args_is_help=True, help="What was done by hand, by whom, when and why.")


@audit_app.command("verify", epilog="Example: c360 audit verify")
def verify_audit() -> None:
    """Check that no line of the audit log was changed, moved or taken out."""
    settings = load_settings()
    count = verify_acts(Lake(settings.home), settings.audit)
    told = f"{count_of(count, 'line verifies', 'lines verify')}."
    out.print(told if count else "The log is empty: nothing was done by hand.")
    if not settings.audit:
        err.print("Without C360_AUDIT_KEY anybody could have written a log that verifies.")


@audit_app.command("show", epilog="Example: c360 audit show")
def show_audit() -> None:
    """Print the audit log, the first act first."""
    for line in read_acts(Lake(load_settings().home)):
        out.print(
            plain(
                f"{line['number']:>4}  {line['at']}  {line['actor']}  {line['action']} "
                f"{line['subject']}: {line['because']}"
            )
        )


@app.command(
    epilog="Examples: c360 accept win_back --run 2026-06-30 --because 'the spring sale is over', "
    "c360 accept shop.orders --run 2026-06-30 --because 'the shop was closed' --by 'Ana Li'"
)
def accept(
    name: Annotated[str, typer.Argument(help="The list, mart or source.table that tripped.")],
    run: Annotated[
        date, typer.Option("--run", parser=read_day, metavar="YYYY-MM-DD", help="Its run date.")
    ],
    because: Annotated[str, typer.Option(help="Why the numbers are right.")],
    by: Annotated[str | None, typer.Option(help="Who answers for it; else who runs it.")] = None,
) -> None:
    """Let the numbers pass on which a circuit breaker has tripped, in one run.

    It holds for that run date and for exactly these numbers, and is written to the audit log. Then
    repeat the step: a list that was held back goes out, a night that was stopped goes on. If the
    step finds other numbers then, it trips anew.
    """
    from pipelines.acceptances import accept_numbers

    settings = load_settings()
    tripped, command = accept_numbers(settings, name, run, by, because)
    for told in tripped["told"]:
        out.print(plain(f"Accepted: {told}."))
    out.print(f"next: {plain(command)}")
    task = "the task of that step" if " --from " in command else "land"
    out.print(f"      (in Airflow: clear {task} with all after it)")
    current = current_release(Lake(settings.home))
    if current and current.as_of > run.isoformat():
        out.print(f"published/current stays at {current.as_of}: that night has its own numbers.")


@contextmanager
def _reporting(lake: Lake, day: date | None, step: str) -> Iterator[None]:
    """Leave the report of a failure that Airflow's alert reads."""
    try:
        yield
    except C360Error as error:
        if day:
            path = report_path(lake.run(day), step)
            told = {"step": step, "status": "failed", "reason": error.message, "hint": error.hint}
            write_json(told | {"log": None, "retry": error.heals}, path)
        raise


@app.command(
    epilog="Examples: c360 erase crm:77 --by 'Ana Li' --because 'request 12 of 3 July', "
    "c360 erase --requested --date 2026-06-30"
)
def erase(
    customer: Annotated[
        str | None, typer.Argument(help="A customer id, or a record as source:id.")
    ] = None,
    requested: Annotated[
        bool, typer.Option("--requested", help="Everybody whom a landed request names.")
    ] = False,
    day: PastDay = None,
    by: Annotated[str, typer.Option(help="Who answers for it.")] = "privacy requests",
    because: Annotated[str, typer.Option(help="Why: the request, its date.")] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would go; write nothing.")
    ] = False,
) -> None:
    """Erase a customer from all that is kept, for good; there is no way back.

    Raw files, landing, quarantine, runs and every release are written anew without the customer,
    and a tombstone keeps the records out when a source sends them again. If it is stopped, the same
    command goes on. Without a customer it ends what was begun.
    """
    from pipelines.erasure import erase as act
    from pipelines.erasure.report import show_erasure

    settings, at = load_settings(), datetime.now(UTC)
    if customer and not dry_run and not because:
        raise C360Error("An erasure needs a reason.", "Add --by NAME --because 'the request'.")
    if requested and day is None:
        raise C360Error("Requests are read from the night of a day.", "Add --date YYYY-MM-DD.")
    with (
        _reporting(Lake(settings.home), day if requested else None, "erase --requested"),
        out.status("") as status,
    ):
        if not dry_run:
            _finish_erasures(settings, at, status.update)
        found = None
        if customer:
            found = act.find_asked(settings, customer)
        elif requested and day:
            found = act.find_requested(settings, day.isoformat())
        if found is None or not found[1]:
            out.print("Nobody is to be erased.")
            return
        if dry_run:
            show_erasure(out, act.preview_erasure(settings, *found), is_done=False)
            return
        act.begin_erasure(settings, *found, by, because or "requests that landed", at)
        _finish_erasures(settings, at, status.update)


def _finish_erasures(settings: Settings, at: datetime, tell: Callable[[str], None]) -> None:
    """End what was begun, show what came of it, and say where the erased still are."""
    from pipelines.erasure.erase import finish_erasures
    from pipelines.erasure.report import show_erasure
    from pipelines.serving.postgres import tell_to_follow

    done = finish_erasures(settings, at, tell)
    for erasure in done:
        show_erasure(out, erasure, is_done=True)
    if done and (told := tell_to_follow(settings)):
        out.print(told)


@app.command(epilog="Example: c360 sweep --date 2026-06-30 --dry-run")
def sweep(
    day: Day,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would go; take nothing away.")
    ] = False,
) -> None:
    """Take away raw files, quarantine, runs and releases older than privacy.yml lets them be."""
    from pipelines.catalogue import load_catalogue
    from pipelines.configured import configured_rules
    from pipelines.erasure.erase import hold_off_nights
    from pipelines.erasure.sweep import Policy
    from pipelines.erasure.sweep import sweep as take_away

    settings = load_settings()
    lake, book = Lake(settings.home), configured_rules(settings)
    policy = Policy(book.privacy.retention, day)
    with _reporting(lake, day, "sweep"), hold_off_nights(lake):
        counts = take_away(
            lake, load_catalogue(settings.project_dir), book.sources, policy, dry_run=dry_run
        )
    told = ", ".join(f"{count:,} {kind}" for kind, count in counts.items()) or "nothing"
    out.print(f"{'Would take' if dry_run else 'Took'} away: {told}.")
    if counts and not dry_run:
        act = Act("retention", "sweep", day.isoformat(), "privacy.yml", dict(counts))
        append_act(lake, settings.audit, act, datetime.now(UTC))
