"""Commands that only ask: who a customer is, why, what changed, how good the models are."""

import sys
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from pipelines.lake import Lake
from pipelines.settings import load_settings
from pipelines.terminal import Day, PastDay, out, read_day

app = typer.Typer()
WHOLE = typer.Option("--all", help="Everything, not only what matters first.")
AS_JSON = typer.Option("--json", help="Print JSON, with everything.")
NAMED = "A customer id, or a record as source:id, account=source:id, guest_order=source:id."


@app.command(
    epilog="Examples: c360 why edky2lnjnajvf5f4, c360 why shop:10023 --date 2026-05-31, "
    "c360 why shop:10023 --list churn_warning"
)
def why(
    customer: Annotated[str, typer.Argument(help=NAMED)],
    on: Annotated[
        str | None, typer.Option("--list", help="Why it is on this list, or is not.")
    ] = None,
    day: PastDay = None,
    whole: Annotated[bool, WHOLE] = False,
    as_json: Annotated[bool, AS_JSON] = False,
) -> None:
    """Who a customer is and where it stands, each value with its source and rule, by a date.

    With --list: each part of the list's condition, true or false, with the value it used, by the
    rules of that night; then what suppression, consent, priority, caps and holdout decided.

    A customer is named by its id, also one it had before a merge, or by any of its records:
    crm:77 (a contact), account=crm:77 (an organisation), guest_order=shop:77 (an order without an
    account), shop/uk:77 (where a source has several accounts).
    """
    from pipelines import answers, history, segment_answers
    from pipelines.catalogue import load_catalogue
    from pipelines.segment_questions import ask_why_listed

    settings = load_settings()
    release = history.find_release(Lake(settings.home), day)
    known = history.find_customer(release, customer, settings.pseudonym)
    if on is not None:
        listed = ask_why_listed(settings, release, known.customer_id, on)
        if as_json:
            told = {"asked": known.asked} | segment_answers.why_listed_as_dict(listed)
            sys.stdout.write(segment_answers.as_json(told) + "\n")
        else:
            segment_answers.show_why_listed(out, listed)
        return
    told = history.describe_customer(release, known.customer_id)
    if as_json:
        sys.stdout.write(answers.as_json(known, told) + "\n")
        return
    answers.show_customer(out, load_catalogue(settings.project_dir), known, told, whole=whole)


@app.command("why-merged", epilog="Example: c360 why-merged crm:4876876000001 shop:10023")
def why_merged(
    a: Annotated[str, typer.Argument(help=NAMED)],
    b: Annotated[str, typer.Argument(help="Another one.")],
    day: PastDay = None,
) -> None:
    """Why two records or ids are one customer, tie by tie; or what keeps them apart.

    Of a fuzzy tie a release keeps the weight of all likeness together, not what was alike.
    """
    from pipelines import answers, history

    settings = load_settings()
    release = history.find_release(Lake(settings.home), day)
    answers.show_merge(out, history.explain_merge(release, a, b, settings.pseudonym))


@app.command("history", epilog="Example: c360 history edky2lnjnajvf5f4")
def show_history(
    customer: Annotated[str, typer.Argument(help=NAMED)],
    whole: Annotated[bool, WHOLE] = False,
    as_json: Annotated[bool, AS_JSON] = False,
) -> None:
    """What became of a customer and what changed in its standing, lists and profile, by release.

    An id that was merged away shows the history of the customer that it stands for.
    """
    from pipelines import answers, history, segment_answers

    settings = load_settings()
    lake = Lake(settings.home)
    release = history.find_release(lake, None)
    known = history.find_customer(release, customer, settings.pseudonym)
    events = history.list_events(release, known.customer_id)
    versions = history.list_versions(lake, known.customer_id)
    moves = history.list_moves(release, known.customer_id)
    if as_json:
        sys.stdout.write(answers.versions_as_json(known, events, versions, moves) + "\n")
        return
    lines = segment_answers.tell_moves(moves)
    answers.show_versions(out, known, events, versions, lines, whole=whole)


@app.command(epilog="Example: c360 backtest --date 2026-06-30 --cuts 6")
def backtest(
    day: Day,
    cuts: Annotated[int, typer.Option(min=1, max=40, help="Past days, a horizon apart.")] = 4,
) -> None:
    """Try all models of a night on more past days than the night itself does."""
    from pipelines.answers import show_backtest
    from pipelines.line import Line

    with out.status("") as status:
        status.update("trying each model on past days …")
        line = Line(load_settings(), day, status.update)
        tried = line.backtest(cuts)
    show_backtest(out, tried)
    out.print(f"\nAll metrics of each day: {line.run.path / 'backtest'}")


@app.command(epilog="Example: c360 simulate --tiers my_tiers.yml --from 2026-01-01")
def simulate(
    tiers: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="Another tiers.yml.")],
    begin: Annotated[
        date | None,
        typer.Option("--from", parser=read_day, metavar="YYYY-MM-DD", help="First release."),
    ] = None,
    end: Annotated[
        date | None,
        typer.Option("--to", parser=read_day, metavar="YYYY-MM-DD", help="Last release."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, customer ids too.")] = False,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Print who would stand elsewhere, by customer id.")
    ] = False,
) -> None:
    """What other rules of grades would have done over past releases; nothing is changed.

    Who would stand elsewhere, how often grades would change, and what each grade would bring.
    """
    from pipelines.answers import replay_as_json, show_replay
    from pipelines.configured import configured_rules
    from pipelines.simulate import simulate_tiers

    settings = load_settings()
    with out.status("going through past nights …"):
        replay = simulate_tiers(
            Lake(settings.home), settings.rules_dir, configured_rules(settings), tiers, begin, end
        )
    if as_csv:
        sys.stdout.write(replay.customers.write_csv())
    elif as_json:
        sys.stdout.write(replay_as_json(replay) + "\n")
    else:
        show_replay(out, replay)
