"""Commands about lists: look at one before it goes out, find faults, see what a change would do."""

import sys
from datetime import date
from typing import Annotated

import typer

from pipelines.errors import C360Error
from pipelines.settings import load_settings
from pipelines.terminal import PastDay, out, read_day

app = typer.Typer(no_args_is_help=True, help="Look at lists before they go out.")
NAME = typer.Argument(help="Name in segments.yml.")
AS_JSON = typer.Option("--json", help="Print JSON.")


@app.command(
    epilog="Examples: c360 segment preview churn_warning, "
    "c360 segment preview win_back --where \"events('order', 180) = 0 and order_count >= 3\""
)
def preview(
    name: Annotated[str, NAME],
    day: PastDay = None,
    where: Annotated[
        str | None, typer.Option(help="Try another condition; segments.yml stays as it is.")
    ] = None,
    as_json: Annotated[bool, AS_JSON] = False,
) -> None:
    """Whom a list finds: how many, of which grade and stage, overlaps, changes, ten examples.

    The rules are those of your rules directory as they stand now, the customers those of the
    current release: so a rule is tried before it goes live. No name or contact is shown.
    """
    from pipelines import segment_answers
    from pipelines.segment_questions import ask_preview

    asked = ask_preview(load_settings(), name, day, where)
    if as_json:
        sys.stdout.write(segment_answers.as_json(segment_answers.preview_as_dict(asked)) + "\n")
        return
    segment_answers.show_preview(out, asked)


@app.command(epilog="Example: C360_RULES_DIR=my_rules c360 segment lint")
def lint(as_json: Annotated[bool, AS_JSON] = False) -> None:
    """Find faults and doubts in all lists; the exit code is 1 if there are faults.

    Faults: what is no condition, columns and values that there are not, lists that name each other
    in a circle, personal columns. Doubts, by the customers of the current release: lists of nobody
    or everybody, parts that change nothing, two lists that are one, people left out because they
    refuse profiling.
    """
    from pipelines import segment_answers
    from pipelines.segment_questions import ask_lint

    linted = ask_lint(load_settings())
    if as_json:
        sys.stdout.write(segment_answers.as_json(segment_answers.lint_as_dict(linted)) + "\n")
    else:
        segment_answers.show_lint(out, linted)
    if any(finding.severity == "error" for finding in linted.findings):
        raise typer.Exit(1)


@app.command(
    epilog="Examples: c360 segment diff, c360 segment diff --from 2026-06-23 --to 2026-06-30 --json"
)
def diff(
    before: Annotated[
        date | None,
        typer.Option("--from", parser=read_day, metavar="YYYY-MM-DD", help="As released by then."),
    ] = None,
    after: Annotated[
        date | None,
        typer.Option("--to", parser=read_day, metavar="YYYY-MM-DD", help="As released by then."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON, with everybody's id.")] = False,
) -> None:
    """Who would enter and leave which list, and which rules changed.

    Without dates: the rules that the current release was made with against your rules as they stand
    now, both over the customers of the current release. With two dates: one night against the
    other, each by its own rules.
    """
    from pipelines import segment_answers
    from pipelines.segment_questions import ask_diff

    if (before is None) != (after is None):
        raise C360Error("A diff takes two dates or none.", "Add --from and --to, or neither.")
    settings = load_settings()
    compared = ask_diff(settings, before, after)
    if as_json:
        sys.stdout.write(segment_answers.as_json(segment_answers.diff_as_dict(compared)) + "\n")
        return
    segment_answers.show_diff(out, compared)
