"""Takes erased customers out of what is remembered of deliveries, once they are removed there."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
from filelock import FileLock, Timeout

from pipelines.deliver.ledger import forget_customers
from pipelines.errors import C360Error
from pipelines.lake import Lake, write_text


def forget_delivered(lake: Lake, ids: frozenset[str]) -> dict[str, int]:
    """Forget customers in each ledger and result; called again after each delivery.

    The next delivery removes them over there, as their lists no longer have them. Only then may the
    ledger forget what it calls them there.

    Returns:
        Rows that a delivery still has to remove, by destination and list.

    Raises:
        C360Error: a list is being delivered.
    """
    waiting = {}
    for path in sorted(lake.home.glob("deliveries/*/*.jsonl")):
        with _alone(path):
            if any(name in path.read_text(encoding="utf-8") for name in ids):
                left = forget_customers(path, ids)
                if left:
                    waiting[f"{path.parent.name}/{path.stem}"] = left
    for path in sorted(lake.home.glob("deliveries/*/results/*.csv")):
        rows = pl.read_csv(path, infer_schema=False)
        kept = rows.filter(~pl.col("customer_id").is_in(list(ids)))
        if kept.height < rows.height:
            write_text(kept.write_csv(), path)
    return waiting


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    try:
        with FileLock(path.with_name(f".{path.stem}.lock"), timeout=0):
            yield
    except Timeout:
        raise C360Error(
            f"List {path.stem} is being delivered to {path.parent.name}.",
            "Wait until it ends, then call erase again: it goes on from here.",
        ) from None
