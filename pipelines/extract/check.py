"""Tries every configured source: credentials, reach, permissions, a first page."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipelines.errors import C360Error
from pipelines.extract.parts import Ask, Connector, Stream
from pipelines.extract.systems import SYSTEMS, connect, read_secrets
from pipelines.rules.model import Source
from pipelines.rules.sources import FilesSource


@dataclass(frozen=True)
class Finding:
    """What trying one thing of a source gave."""

    source: str
    what: str
    ok: bool
    told: str
    hint: str = ""


def check_source(
    source: Source, variable: str, secrets: str | None, now: datetime
) -> Iterator[Finding]:
    """Try a source; each thing tried is one finding, and a failure of one hides no other.

    Asks for yesterday's changes only, so that no large first load is set off.
    """
    try:
        yield from _try_source(source, variable, secrets, now)
    except C360Error as error:
        yield Finding(source.name, "login", False, error.message, error.hint)


def _try_source(
    source: Source, variable: str, secrets: str | None, now: datetime
) -> Iterator[Finding]:
    if isinstance(source, FilesSource):
        yield _try_folder(source)
        return
    given = read_secrets(source, variable, secrets)
    if source.type in SYSTEMS:
        connector = connect(source, given, lambda entry: None)
        ask = Ask(now - timedelta(days=1), now)
        with closing(connector.client):
            for stream in connector.streams():
                yield _try_stream(source.name, connector, stream, ask)


def _try_stream(source: str, connector: Connector, stream: Stream, ask: Ask) -> Finding:
    try:
        page = next(connector.pages(stream, ask), None)
    except C360Error as error:
        return Finding(source, stream.name, False, error.message, error.hint)
    told = f"{len(page.records)} records on a first page" if page else "nothing new since yesterday"
    return Finding(source, stream.name, True, told)


def _try_folder(source: FilesSource) -> Finding:
    folder = source.path.expanduser()
    if not folder.is_dir():
        return Finding(
            source.name,
            "folder",
            False,
            f"{folder} does not exist",
            "Make it, or mend sources.yml.",
        )
    files = sum(path.is_file() and not path.name.startswith(".") for path in folder.iterdir())
    return Finding(source.name, "folder", True, f"{files} files in {folder}")
