"""The command `c360 deliver`: brings the released lists to where `deliveries.yml` says."""

from typing import Annotated

import typer

from pipelines.settings import load_settings
from pipelines.terminal import Day, err, out, plain

app = typer.Typer()


@app.command(
    epilog="Examples: c360 deliver --date 2026-06-30 --dry-run, "
    "c360 deliver --date 2026-06-30 --to crm"
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
) -> None:
    """Bring the released lists to other systems: what is new and what is gone since last time.

    Only what we sent is ever removed. A row that was refused is tried again the next time; after a
    crash the same command goes on from there.
    """
    from pipelines.handover import deliver_day, deliveries_table, withheld_notes

    settings = load_settings()
    with out.status("") as status:
        results = deliver_day(settings, day, to, status.update, dry_run=dry_run, accept=accept)
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
