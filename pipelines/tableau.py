"""The marts as one Tableau file, `marts.hyper`, where the extra `tableau` is installed.

Tableau's own engine reads the Parquet files itself, so that no value is typed twice. It stamps its
files, so that equal marts are other bytes each time: the file is no part of a release's name.
"""

from importlib.util import find_spec
from pathlib import Path

from pipelines.errors import C360Error

HYPER = "marts.hyper"


def can_write_hyper() -> bool:
    """Whether the extra `tableau` is installed."""
    return find_spec("tableauhyperapi") is not None


def write_hyper(release: Path) -> None:
    """Write every mart of a release as a table of `marts.hyper`, in the schema `public`.

    Raises:
        C360Error: the extra is not installed, or Tableau's engine cannot read a mart.
    """
    if not can_write_hyper():
        raise C360Error(
            "C360_TABLEAU asks for marts.hyper, and Tableau's Hyper API is not installed.",
            'Run pip install "customer-360[tableau]", or unset C360_TABLEAU.',
        )
    from tableauhyperapi import (
        Connection,
        CreateMode,
        HyperException,
        HyperProcess,
        Telemetry,
        escape_name,
        escape_string_literal,
    )

    path = release / HYPER
    no_log = {"log_config": ""}  # else hyperd.log in whatever folder one is in
    telemetry = Telemetry.DO_NOT_SEND_USAGE_DATA_TO_TABLEAU
    try:
        with (
            HyperProcess(telemetry, parameters=no_log) as process,
            Connection(process.endpoint, path, CreateMode.CREATE_AND_REPLACE) as connection,
        ):
            for mart in sorted((release / "marts").glob("*.parquet")):
                table, file = escape_name(mart.stem), escape_string_literal(str(mart))
                command = f"create table {table} as (select * from external({file}))"  # noqa: S608 - escaped
                connection.execute_command(command)
    except HyperException as error:
        raise C360Error(
            f"Tableau's engine could not write {HYPER}: {error.main_message}",
            "Unset C360_TABLEAU to release without it, and please report it.",
        ) from None
    path.chmod(0o444)
