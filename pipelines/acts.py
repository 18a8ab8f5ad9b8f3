"""Commands for what people do by hand, each written to the audit log."""

import typer

from pipelines.audit import read_acts, verify_acts
from pipelines.lake import Lake
from pipelines.settings import load_settings
from pipelines.terminal import err, out, plain

audit_app = typer.Typer(no_args_is_help=True, help="Who did what by hand, when and why.")


@audit_app.command("verify", epilog="Example: c360 audit verify")
def verify_audit() -> None:
    """Check that no line of the audit log was changed, moved or taken out."""
    settings = load_settings()
    count = verify_acts(Lake(settings.home), settings.audit)
    out.print(f"{count} lines verify.")
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
