"""Who reads at this moment, as the server's own table of locks tells everybody."""

import time

from pipelines.serving.access import Access
from pipelines.serving.database import Database, text

LOOKS_SECONDS = 0.2


def wait_for_readers(database: Database, access: Access, seconds: float) -> bool:
    """Wait for whoever reads now to end; returns whether all did in time.

    Every view reads the pointer, so whoever reads holds a lock on it until the end of their
    transaction. Who begins later is not waited for: they see what is there now.
    """
    asked = (
        "select virtualtransaction from pg_locks where locktype = 'relation' "  # noqa: S608 - quoted
        f"and relation = {text(access.at('pointer'))}::regclass "
        "and database = (select oid from pg_database where datname = current_database()) "
        "and pid <> pg_backend_pid()"
    )
    readers = set(database.ask(asked, "its readers"))
    end = time.monotonic() + seconds
    while readers and time.monotonic() < end:
        time.sleep(LOOKS_SECONDS)
        readers &= set(database.ask(asked, "its readers"))
    return not readers
