"""The command line. A step is a command; Airflow, the demo, the tests and people run the same."""

import json
import os
import sys
from collections.abc import Callable
from datetime import date
from enum import StrEnum
from typing import Annotated

import typer

from pipelines.acts import app as acts_app
from pipelines.acts import audit_app
from pipelines.deliveries import app as deliveries_app
from pipelines.errors import C360Error
from pipelines.key_commands import keys_app
from pipelines.lake import Lake
from pipelines.questions import app as questions_app
from pipelines.segment_commands import app as segment_app
from pipelines.serve_commands import app as serve_app
from pipelines.settings import Settings, load_settings
from pipelines.steps import LINE, StepResult, run_step
from pipelines.terminal import Day, err, out, plain, read_day
from pipelines.wording import count_of

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Customer 360: every night, one governed profile, grade, stage and list membership per "
    "customer.",
)
rules_app = typer.Typer(no_args_is_help=True, help="Check the rules files.")
sources_app = typer.Typer(no_args_is_help=True, help="Try the sources, or add one.")
quarantine_app = typer.Typer(no_args_is_help=True, help="Look at rows that broke the contract.")
demo_app = typer.Typer(invoke_without_command=True, help="The made-up company, to try it all.")
app.add_typer(questions_app)
app.add_typer(deliveries_app)
app.add_typer(acts_app)
app.add_typer(demo_app, name="demo")
app.add_typer(serve_app, name="serve")
app.add_typer(sources_app, name="sources")
app.add_typer(rules_app, name="rules")
app.add_typer(quarantine_app, name="quarantine")
app.add_typer(segment_app, name="segment")
identity_app = typer.Typer(no_args_is_help=True, help="Teach the matching of records.")
app.add_typer(identity_app, name="identity")
app.add_typer(audit_app, name="audit")
app.add_typer(keys_app, name="keys")

SOURCES_EXAMPLE = """
Example of sources.yml:

    base_currency: GBP
    time_zone: Europe/London
    sources:
      - {name: shop, type: files, path: /data/drop/shop}

Examples:

    c360 extract shop --date 2026-06-30
    c360 extract --list
"""


class Stage(StrEnum):
    """Stages that dbt builds."""

    signals = "signals"
    profile = "profile"
    marts = "marts"


class Gate(StrEnum):
    """Stages that Great Expectations judges."""

    landing = "landing"
    profile = "profile"
    scores = "scores"
    marts = "marts"
    lists = "lists"


def _run(day: date, steps: list[str]) -> None:
    """Run steps one after the other, telling how each went."""
    from pipelines.line import Line

    with out.status("") as status:
        quiet = not out.is_terminal

        def progress(message: str) -> None:
            status.update(message)

        line = Line(load_settings(), day, progress)
        for step in steps:
            status.update(f"{step} …")
            if quiet:
                out.print(f"{step} …")
            result = run_step(line.run, step, _work(line.work, step))
            out.print(f"[green]✓[/green] {step:<18} {plain(result.summary)}")


def _work(work: Callable[[str], StepResult], step: str) -> Callable[[], StepResult]:
    return lambda: work(step)


@app.command(
    epilog="Examples: c360 nightly --date 2026-06-30, "
    "c360 nightly --date 2026-06-30 --from 'gate marts'"
)
def nightly(
    day: Day,
    begin: Annotated[
        str | None, typer.Option("--from", metavar="STEP", help="Go on from this step.")
    ] = None,
) -> None:
    """Run the whole line for one business day, and show what was released."""
    from pipelines.configured import configured_sources
    from pipelines.summary import show_run

    settings = load_settings()
    sources = configured_sources(settings)
    if begin is not None and begin not in LINE:
        raise C360Error(f"There is no step {begin!r}.", f"The steps are {', '.join(LINE)}.")
    steps = LINE[LINE.index(begin or "extract") :]
    if "land" not in steps:
        _warn_of_changed_rules(settings, day)
    extracts = [f"extract {name}" for name in sources] if "extract" in steps else []
    _run(day, extracts + [step for step in steps if step != "extract"])
    show_run(out, Lake(settings.home), day)


def _warn_of_changed_rules(settings: Settings, day: date) -> None:
    from pipelines.land import changed_rules
    from pipelines.rules import find_rules

    if changed := changed_rules(Lake(settings.home).run(day), find_rules(settings.rules_dir)):
        err.print(
            f"[yellow]warning:[/yellow] changed since this run landed: {', '.join(changed)}. "
            "All its steps, those from here on too, keep to the rules of then; for the new ones: "
            f"c360 nightly --date {day} --from land."
        )


@app.command(
    help="Bring in what a source has delivered." + SOURCES_EXAMPLE,
    short_help="Bring in what a source has delivered.",
)
def extract(
    source: Annotated[
        str | None, typer.Argument(help="Name in sources.yml; all if left out.")
    ] = None,
    day: Annotated[
        date | None,
        typer.Option("--date", parser=read_day, metavar="YYYY-MM-DD", help="Business day."),
    ] = None,
    list_sources: Annotated[bool, typer.Option("--list", help="Print the names as JSON.")] = False,
) -> None:
    """Bring in what a source has delivered."""
    from pipelines.configured import configured_sources

    names = configured_sources(load_settings())
    if list_sources:
        sys.stdout.write(json.dumps(names) + "\n")
        return
    if day is None:
        raise C360Error("extract needs a date.", "Add --date YYYY-MM-DD.")
    _run(day, [f"extract {name}" for name in ([source] if source else names)])


@app.command(epilog="Example: c360 land --date 2026-06-30")
def land(day: Day) -> None:
    """Type the raw rows by the landing contract; bad rows go to quarantine with the reason."""
    _run(day, ["land"])


@app.command(epilog="Example: c360 transform profile --date 2026-06-30")
def transform(stage: Stage, day: Day) -> None:
    """Build one stage of the dbt models: signals, profile or marts."""
    _run(day, [f"transform {stage}"])


@app.command(epilog="Example: c360 resolve --date 2026-06-30")
def resolve(day: Day) -> None:
    """Tie the records of one person into one customer, whose id stays the same."""
    _run(day, ["resolve"])


@app.command(epilog="Example: c360 score --date 2026-06-30")
def score(day: Day) -> None:
    """Predict value and churn risk, or refuse with a reason."""
    _run(day, ["score"])


@app.command(epilog="Example: c360 gate marts --date 2026-06-30")
def gate(stage: Gate, day: Day) -> None:
    """Judge a stage: a critical finding stops the line, a warning is reported."""
    _run(day, [f"gate {stage}"])


@app.command(epilog="Example: c360 publish --date 2026-06-30")
def publish(day: Day) -> None:
    """Put marts and lists together; nobody is pointed at them yet."""
    _run(day, ["publish"])


@app.command(epilog="Example: c360 release --date 2026-06-30")
def release(day: Day) -> None:
    """Move published/current to the run, if all its gates are green."""
    from pipelines.summary import show_run

    _run(day, ["release"])
    show_run(out, Lake(load_settings().home), day)


@app.command(epilog="Example: c360 status --date 2026-06-30")
def status(
    day: Day,
    follow: Annotated[
        int | None, typer.Option(metavar="PID", help="First follow the run of this process.")
    ] = None,
) -> None:
    """Show the steps of a run, and what it released."""
    from pipelines.summary import follow_run, show_run

    lake = Lake(load_settings().home)
    if follow is not None:
        follow_run(out, lake, day, follow)
    show_run(out, lake, day)


@app.command(epilog="Example: c360 docs --date 2026-06-30")
def docs(day: Day) -> None:
    """Build the dbt documentation (lineage, every column) from a run."""
    from pipelines.line import build_docs

    out.print(f"Open {build_docs(load_settings(), day)}")


@app.command(epilog="Examples: c360 rollback, c360 rollback --to 2026-06-29__0a1b2c3d4e5f")
def rollback(
    to: Annotated[str | None, typer.Option(help="Name of a release in published/.")] = None,
    by: Annotated[str | None, typer.Option(help="Who answers for it; else who runs it.")] = None,
    because: Annotated[str, typer.Option(help="Why, for the audit log.")] = "",
) -> None:
    """Point published/current back at the release before, in one rename."""
    from pipelines.acceptances import write_act
    from pipelines.release import roll_back
    from pipelines.serving.postgres import tell_to_follow

    settings = load_settings()
    left, now = roll_back(Lake(settings.home), to)
    out.print(f"current was {left.path.name}, and is {now.path.name} now.")
    if told := tell_to_follow(settings):
        out.print(told)
    # Afterwards: a log that cannot be written must not keep readers on a bad release.
    try:
        write_act(settings, by, "rollback", now.path.name, because, {"left": left.path.name})
    except C360Error as error:
        raise C360Error(f"It is done, and not in the log: {error.message}", error.hint) from None


@identity_app.command("train", epilog="Example: c360 identity train --date 2026-06-30")
def train_identity(day: Day) -> None:
    """Learn from a night's records what likeness is worth; needed rarely, or never.

    Writes identity_model.json into your rules directory; the next night uses it.
    """
    from pipelines.configured import configured_rules
    from pipelines.resolve import train

    settings = load_settings()
    run = Lake(settings.home).run(day)
    with out.status("learning …"):
        path = train(run, configured_rules(settings), settings.rules_dir)
    out.print(f"Wrote {path}. Nights from now on use it; delete it to go back to the packaged one.")


@rules_app.command("check", epilog="Example: C360_RULES_DIR=my_rules c360 rules check")
def check_rules() -> None:
    """Read all rules files; each fault is one sentence."""
    from pipelines.configured import configured_rules

    book = configured_rules(load_settings())
    out.print(
        f"The rules are sound: {count_of(len(book.sources.sources), 'source')}, "
        f"{count_of(len(book.segments.segments), 'list')}, "
        f"{count_of(len(book.lifecycle.stages), 'life-cycle rule')}."
    )


@sources_app.command("check", epilog="Examples: c360 sources check, c360 sources check crm")
def check_sources(
    name: Annotated[str | None, typer.Argument(help="Only this source.")] = None,
) -> None:
    """Try each configured source: credentials, reach, permissions, a first page."""
    from pipelines.collect import try_sources
    from pipelines.summary import show_findings

    if not show_findings(out, try_sources(load_settings(), name)):
        raise typer.Exit(1)


@sources_app.command("add", epilog="Example: c360 sources add crm --type zoho_crm")
def add_source(
    name: Annotated[str, typer.Argument(help="Small letters, digits and _.")],
    kind: Annotated[str, typer.Option("--type", help="Type of system; an unknown one lists all.")],
) -> None:
    """Write a commented entry for a new source into your sources.yml."""
    from pipelines.collect import add_entry

    file, entry, next_step = add_entry(load_settings(), name, kind)
    out.print(f"Added to {file}:\n\n{plain(entry)}")
    out.print(f"Next: {plain(next_step)}")


@quarantine_app.command("list", epilog="Example: c360 quarantine list --table orders --rows 5")
def list_quarantine(
    table: Annotated[str | None, typer.Option(help="Only this landing table.")] = None,
    source: Annotated[str | None, typer.Option(help="Only this source.")] = None,
    day: Annotated[
        date | None,
        typer.Option(
            "--date", parser=read_day, metavar="YYYY-MM-DD", help="Only what landed then."
        ),
    ] = None,
    rows: Annotated[int, typer.Option(min=0, help="Also show where so many rows stand.")] = 0,
) -> None:
    """Count quarantined rows by day, source, table, rule and column; never their content."""
    from pipelines.summary import show_quarantine

    asked = {"table": table, "source": source, "landed_on": day and day.isoformat()}
    wanted = {name: value for name, value in asked.items() if value}
    show_quarantine(out, Lake(load_settings().home), wanted, rows)


@demo_app.callback(epilog="Example: c360 demo --customers 20000 --date 2026-06-30")
def demo(
    context: typer.Context,
    day: Annotated[
        date,
        typer.Option(
            "--date", parser=read_day, metavar="YYYY-MM-DD", help="Last day of the company."
        ),
    ] = date(2026, 6, 30),
    customers: Annotated[
        int,
        typer.Option(
            min=100,
            help="Persons acquired by 2026-06-30; below about 1,000 may be too few for scores.",
        ),
    ] = 20_000,
    seed: Annotated[int, typer.Option(help="Another seed is another company.")] = 7,
    served: Annotated[
        bool, typer.Option("--served", help="CRM and shop as systems, for c360 demo serve.")
    ] = False,
) -> None:
    """Make the demo company: drop folders, its truth, and a sources.yml that reads them.

    Called again with a later date, it drops only what has happened since.
    """
    from pipelines.demo.setup import make_demo

    if context.invoked_subcommand is None:
        make_demo(out, load_settings(), day, customers, seed, served=served)


@demo_app.command("serve", epilog="Example: c360 demo serve --port 8090")
def serve_demo(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port of the stand-in APIs.")] = 8090,
    database: Annotated[
        bool, typer.Option(help="Also a PostgreSQL with the shop's tables, on a socket.")
    ] = True,
) -> None:
    """Serve the demo company's systems until stopped: stand-ins of the APIs, a real PostgreSQL."""
    from pipelines.demo.setup import serve_demo as serve

    serve(out, load_settings(), host, port, database=database)


@demo_app.command(
    "respond", epilog="Example: c360 demo respond win_back --lift 0.2 --until 2026-07-31"
)
def respond_to_list(
    name: Annotated[str, typer.Argument(help="List of the current release.")],
    until: Annotated[
        date, typer.Option(parser=read_day, metavar="YYYY-MM-DD", help="Last day of orders.")
    ],
    lift: Annotated[
        float, typer.Option(min=0, max=1, help="Probability that somebody listed orders once more.")
    ] = 0.2,
) -> None:
    """Let the demo company's customers react to a list, so that its effect is known."""
    from pipelines.demo.setup import respond

    respond(out, load_settings(), name, lift, until)


def main() -> None:
    """Run the command line; a failure is one sentence and an exit code, never a traceback.

    What it writes is nobody's but its user's; a release opens itself to the group of its readers.
    """
    before = os.umask(0o077)
    try:
        app(prog_name="c360")
    except C360Error as error:
        err.print(f"[red]error:[/red] {plain(error.message)}")
        err.print(f"[yellow]next:[/yellow]  {plain(error.hint)}")
        raise SystemExit(1) from None
    finally:
        os.umask(before)
