"""The terminal: where commands print, and how a day is written."""

import sys
from datetime import date, datetime
from typing import Annotated

import typer
from rich.console import Console

UNLIMITED = 10_000  # what is read by a program or kept in a file has no width to keep to
out = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else UNLIMITED)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def read_day(text: str | date) -> date:
    """The day that an option names; what is no day is refused with how to write one."""
    if isinstance(text, date):  # the default of an option
        return text
    try:
        return datetime.strptime(text, "%Y-%m-%d").date()  # noqa: DTZ007 - a business day has no zone
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a date; write it as 2026-06-30.") from None


Day = Annotated[
    date,
    typer.Option("--date", parser=read_day, metavar="YYYY-MM-DD", help="Business day that ended."),
]


PastDay = Annotated[
    date | None,
    typer.Option(
        "--date",
        parser=read_day,
        metavar="YYYY-MM-DD",
        help="As released by then; else the current.",
    ),
]


def plain(text: str) -> str:
    """Text in which square brackets are no markup."""
    return text.replace("[", "\\[")
