"""Tries every configured source: credentials, reach, permissions, a first page."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from pipelines.catalogue import Dataset
from pipelines.errors import C360Error, SourceDownError
from pipelines.extract.buckets import Folder
from pipelines.extract.connector import Ask, Connector, Stream
from pipelines.extract.files import WANTED, table_of
from pipelines.extract.ga4.nights import check_ga4
from pipelines.extract.sql.check import check_sql
from pipelines.extract.systems import connect, read_secrets
from pipelines.rules.model import SecretsOf
from pipelines.rules.source_types.files import FilesSecrets, FilesSource
from pipelines.rules.source_types.ga4 import Ga4Secrets, Ga4Source
from pipelines.rules.source_types.sql import SqlSecrets, SqlSource
from pipelines.rules.sources import AnySource
from pipelines.wording import count_of


@dataclass(frozen=True)
class Finding:
    """What trying one thing of a source gave; what is well and has a hint deserves a look."""

    source: str
    what: str
    ok: bool
    told: str
    hint: str = ""


def check_source(
    source: AnySource,
    variable: str,
    secrets: str | None,
    landing: Mapping[str, Dataset],
    now: datetime,
) -> Iterator[Finding]:
    """Try a source; each thing tried is one finding, and a failure of one hides no other.

    Asks for yesterday's changes only, so that no large first load is set off.
    """
    try:
        yield from _try_source(source, read_secrets(source, variable, secrets), landing, now)
    except C360Error as error:
        yield Finding(source.name, "login", False, error.message, error.hint)


def _try_source(
    source: AnySource, secrets: SecretsOf | None, landing: Mapping[str, Dataset], now: datetime
) -> Iterator[Finding]:
    match source:
        case FilesSource():
            yield _look_into_folder(source, cast(FilesSecrets, secrets), landing)
        case SqlSource():
            for table in check_sql(source, cast(SqlSecrets, secrets), landing):
                yield Finding(source.name, table.table, table.ok, table.told)
        case Ga4Source():
            told = check_ga4(source, cast(Ga4Secrets, secrets), now)
            yield Finding(source.name, "events", True, told)
        case _:
            connector = connect(source, secrets, lambda entry: None)
            ask = Ask(now - timedelta(days=1), now)
            connector.client.tries = 1  # a person is waiting
            with closing(connector.client):
                for stream in connector.streams():
                    try:
                        yield _try_stream(source.name, connector, stream, ask)
                    except SourceDownError as error:  # the other streams would only say the same
                        yield Finding(source.name, stream.name, False, error.message, error.hint)
                        return


def _look_into_folder(
    source: FilesSource, secrets: FilesSecrets, landing: Mapping[str, Dataset]
) -> Finding:
    """A folder without a file to land is well: it may have been cleared after it was read."""
    files = Folder(source.name, source.path, secrets).files()
    readable = sum(table_of(file.name, landing) is not None for file in files)
    told = f"{count_of(readable, 'file')} of landing tables in {source.path}"
    if others := len(files) - readable:
        told += f", {others} of no landing table"
    return Finding(source.name, "folder", True, told, "" if readable else WANTED)


def _try_stream(source: str, connector: Connector, stream: Stream, ask: Ask) -> Finding:
    try:
        page = next(connector.pages(stream, ask), None)
    except SourceDownError:
        raise
    except C360Error as error:
        return Finding(source, stream.name, False, error.message, error.hint)
    told = (
        f"{count_of(len(page.records), 'record')} on a first page"
        if page
        else "nothing new since yesterday"
    )
    return Finding(source, stream.name, True, told)
