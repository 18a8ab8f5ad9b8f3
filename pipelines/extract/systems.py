"""The systems that have a connector: how each is reached, and how its records become rows."""

import time
from collections.abc import Callable
from contextlib import closing
from datetime import date, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipelines.errors import AccessRefusedError
from pipelines.extract.apis import fxiaoke, hubspot, mailchimp, meta, wecom, zoho_crm
from pipelines.extract.client import Log
from pipelines.extract.connector import Connector
from pipelines.extract.parts import StreamResult, extract_stream
from pipelines.rules.model import SecretsOf, Source

# Each has SYSTEM, STREAMS, a Connector, and parse(stream, record, own) for the landing rows.
API_MODULES = (zoho_crm, fxiaoke, hubspot, mailchimp, wecom, meta)
SYSTEMS: dict[str, Any] = {module.SYSTEM: module for module in API_MODULES}


def read_secrets(source: Source, variable: str, text: str | None) -> SecretsOf | None:
    """The secrets of a source, from a JSON object; None if its type needs none.

    Raises:
        AccessRefusedError: there are none, or they are not what the source's type needs.
    """
    if source.secrets is None:
        return None
    fields = source.secrets.model_fields
    if text is None and not any(field.is_required() for field in fields.values()):
        return source.secrets()  # a local folder, or a machine that may read the bucket as it is
    needed = ", ".join(name for name, field in fields.items() if field.is_required())
    optional = ", ".join(name for name, field in fields.items() if not field.is_required())
    needed += f" (it may have {optional})" if optional else ""
    hint = (
        f"Give an Airflow Connection {source.name} or the environment variable {variable} a JSON "
        f"object with {needed}."
    )
    if text is None:
        raise AccessRefusedError(f"Source {source.name} has no credentials ({variable}).", hint)
    try:
        return source.secrets.model_validate_json(text)
    except ValidationError as error:
        wrong = sorted({str(fault["loc"][0]) for fault in error.errors() if fault["loc"]})
        told = f"check {', '.join(wrong)}" if wrong else "it is no JSON object"
    raise AccessRefusedError(f"{variable} is not what {source.name} needs: {told}.", hint)


def connect(
    source: Any, secrets: Any, log: Log, sleep: Callable[[float], None] = time.sleep
) -> Connector:
    """The connector of a configured source."""
    connector: Connector = SYSTEMS[source.type].Connector(source, secrets, log, sleep)
    return connector


def extract_api(
    connector: Connector, raw: Path, as_of: date, started_at: datetime, tell: Callable[[str], None]
) -> dict[str, StreamResult]:
    """Bring in what has changed in every stream of a source; returns what came in, by stream.

    Args:
        connector: what reads the system; its connections are closed afterwards.
        raw: the source's folder in `raw/`.
        as_of: the run date that new parts are filed under.
        started_at: the present.
        tell: told how far it is.

    Raises:
        C360Error: the source failed; what was received before is kept, and gone on from.
    """
    with closing(connector.client):
        return {
            stream.name: extract_stream(connector, stream, raw, as_of, started_at, tell)
            for stream in connector.streams()
        }
