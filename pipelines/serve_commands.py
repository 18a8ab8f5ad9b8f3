"""The command `c360 serve`: releases in a browser of this machine, and in PostgreSQL."""

from contextlib import suppress
from datetime import date
from typing import Annotated

import typer

from pipelines.errors import C360Error
from pipelines.lake import Lake
from pipelines.settings import load_settings
from pipelines.terminal import out, plain, read_day

app = typer.Typer(invoke_without_command=True)


@app.callback(epilog="Examples: c360 serve --port 8099, c360 serve postgres")
def serve(
    context: typer.Context,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8099,
) -> None:
    """Show the releases in a browser of this machine, until stopped; or in PostgreSQL."""
    from pipelines.release import write_index
    from pipelines.serve import make_server

    if context.invoked_subcommand:
        return
    lake = Lake(load_settings().home)
    if not lake.current.is_symlink():
        raise C360Error("Nothing has been released yet.", "Run c360 nightly --date D first.")
    write_index(lake)
    with make_server(lake, port) as server:
        out.print(f"Open http://localhost:{server.server_port}/current (Ctrl-C stops it)")
        with suppress(KeyboardInterrupt):
            server.serve_forever()


@app.command(epilog="Examples: c360 serve postgres, c360 serve postgres --date 2026-06-30")
def postgres(
    day: Annotated[
        date | None,
        typer.Option(
            "--date", parser=read_day, metavar="YYYY-MM-DD", help="The night that this is part of."
        ),
    ] = None,
) -> None:
    """Bring the PostgreSQL of serving.yml to the current release and to the rights as they are now.

    Loaded first, then shown all at once; what is there already is not loaded again. Old releases go
    once nobody reads them. It is the same command after a rollback or an erasure, and after a kill.
    """
    from pipelines.serving.postgres import serve_postgres

    with out.status("") as status:
        served = serve_postgres(load_settings(), day, status.update)
    if served is None:
        out.print(
            "No database is configured: serving.yml has no postgres "
            "(docs/operations.md, PostgreSQL for BI)."
        )
        return
    out.print(plain(served.summary))
