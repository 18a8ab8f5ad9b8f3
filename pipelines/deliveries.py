"""The command `c360 deliver`: brings the released lists to where `deliveries.yml` says."""

from typing import Annotated

import typer

from pipelines.acceptances import write_act
from pipelines.deliver.changes import Changes
from pipelines.deliver.outbox import Place
from pipelines.settings import load_settings
from pipelines.terminal import Day, err, out, plain

app = typer.Typer()


@app.command(
    epilog="Examples: c360 deliver --date 2026-06-30 --dry-run, "
    "c360 deliver --date 2026-06-30 --to crm --accept-removals --because 'the list was cleaned'"
)
def deliver(
    day: Day,
    to: Annotated[str | None, typer.Option(help="Only this destination.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would change; ask and send nothing.")
    ] = False,
    accept: Annotated[
        bool, typer.Option("--accept-removals", help="However many rows would be removed.")
    ] = False,
    because: Annotated[
        str, typer.Option(help="Why removals are accepted, for the audit log.")
    ] = "",
    by: Annotated[str | None, typer.Option(help="Who answers for it; else who runs it.")] = None,
) -> None:
    """Bring the released lists to other systems: what is new and what is gone since last time.

    Only what we sent is ever removed. A row that was refused is tried again the next time; after a
    crash the same command goes on from there. Of a list that a circuit breaker held back, nothing
    is added: only who may no longer be written to is removed.
    """
    from pipelines.handover import deliver_day, deliveries_table, withheld_notes

    settings = load_settings()

    def note_accepted(place: Place, changes: Changes) -> None:
        facts = {
            "day": day.isoformat(),
            "removed": len(changes.removes),
            "known": changes.known_count,
        }
        write_act(settings, by, "accept removals", str(place), because, facts)

    with out.status("") as status:
        results = deliver_day(settings, day, to, status.update, dry_run=dry_run,
                              accept=note_accepted if accept else None)  # fmt: skip
    if not results:
        out.print("No deliveries are configured: deliveries.yml is empty (docs/deliveries.md).")
        return
    out.print(deliveries_table(results, dry_run))
    for note in withheld_notes(results):
        out.print(plain(note))
    # A login that is refused is refused for each list.
    errors = {result.error.message: result.error for result in results if result.error}
    for error in errors.values():
        err.print(f"[red]error:[/red] {plain(error.message)}")
        err.print(f"[yellow]next:[/yellow]  {plain(error.hint)}")
    if errors:
        raise typer.Exit(1)
