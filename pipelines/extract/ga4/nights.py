"""Google Analytics 4: every event from the BigQuery export, or daily totals from the Data API.

The export has each event with the login of who made it, so it tells about customers. Where there is
none, a property can be asked for its totals; they tell about the site only.
"""

import time
from collections.abc import Callable
from contextlib import closing
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from pipelines.extract.buckets import Folder
from pipelines.extract.client import Log
from pipelines.extract.ga4.days import Days
from pipelines.extract.ga4.export import days_of, read_export
from pipelines.extract.ga4.report import DataApi
from pipelines.extract.parts import StreamResult
from pipelines.rules.source_types.ga4 import Ga4Secrets, Ga4Source
from pipelines.wording import count_of


def _nowhere(entry: dict[str, Any]) -> None:
    """Log nothing."""


def extract_ga4(
    source: Ga4Source,
    secrets: Ga4Secrets,
    raw: Path,
    as_of: date,
    started_at: datetime,
    tell: Callable[[str], None],
    log: Log = _nowhere,
    sleep: Callable[[float], None] = time.sleep,
) -> StreamResult:
    """Bring in the days that are new or have changed, a part for each.

    Args:
        source: the configured source.
        secrets: the key of the bucket, or the service account's.
        raw: the source's folder in `raw/`.
        as_of: the run date that new parts are filed under.
        started_at: the present.
        tell: told how far it is.
        log: takes an entry for each call to the Data API.
        sleep: waits so many seconds.

    Raises:
        C360Error: the source failed; the days that were read before are kept.
    """
    oldest = as_of - timedelta(days=source.history_days - 1)
    with Days(source, raw, as_of, started_at, tell) as days:
        if source.path is not None:
            read_export(Folder(source.name, source.path, secrets), days, oldest)
        else:
            with closing(DataApi(source, secrets, started_at, log, sleep)) as api:
                api.read(days, oldest)
        return days.result


def check_ga4(source: Ga4Source, secrets: Ga4Secrets, now: datetime) -> str:
    """Try the source; returns what was found.

    Raises:
        C360Error: it cannot be read.
    """
    if source.path is None:
        with closing(DataApi(source, secrets, now, _nowhere, time.sleep)) as api:
            report = api.ask(now.date() - timedelta(days=1), 0, limit=1)
        return f"{count_of(report.row_count, 'total')} for yesterday"
    found = days_of(Folder(source.name, source.path, secrets))
    told = f", the newest of {max(found)}" if found else ""
    return f"an export of {count_of(len(found), 'day')}{told}"
