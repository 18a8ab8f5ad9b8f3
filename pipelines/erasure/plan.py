"""Who is to be erased: a customer's ids, records and keys, as releases and landing know them."""

from dataclasses import dataclass

import polars as pl

from pipelines.catalogue import Catalogue
from pipelines.erasure.landed import read_landed
from pipelines.identity.refs import RECORD, write_ref
from pipelines.lake import Lake
from pipelines.privacy.references import SEPARATOR
from pipelines.privacy.subjects import find_keys, record_keys
from pipelines.release import Release, find_releases


@dataclass(frozen=True)
class Plan:
    """What is to be forgotten.

    ids: the customers, with all ids that stood for them; refs: their records as they are written;
    keys: what their tombstones are made of.
    """

    ids: frozenset[str]
    refs: frozenset[str]
    keys: frozenset[str]

    @property
    def counts(self) -> dict[str, int]:
        """How many keys there are of each kind."""
        kinds = [key.split(SEPARATOR, 1)[0] for key in self.keys]
        return {kind: kinds.count(kind) for kind in sorted(set(kinds))}


def plan_erasure(
    lake: Lake,
    catalogue: Catalogue,
    release: Release,
    customers: frozenset[str],
    country: str | None,
) -> Plan:
    """Find all that is known of customers of a release."""
    keys = _customer_keys(release)
    records = keys.filter(pl.col("customer_id").is_in(list(customers))).select(RECORD)
    others = set(keys["customer_id"]) - customers
    ids = set(customers)
    for past in find_releases(lake):
        bore = _customer_keys(past).join(records, on=RECORD, how="semi")
        ids |= set(bore["customer_id"]) - others
        ids |= _stood_for(past, customers) - others
    return Plan(
        frozenset(ids),
        frozenset(records.select(write_ref()).to_series()),
        find_keys(record_keys(records), read_landed(lake, catalogue), catalogue.landing, country),
    )


def _customer_keys(release: Release) -> pl.DataFrame:
    path = release.path / "state" / "customer_keys.parquet"
    return pl.read_parquet(path, columns=[*RECORD, "customer_id"])


def _stood_for(release: Release, customers: frozenset[str]) -> set[str]:
    """Former ids whose last word is one of the customers."""
    path = release.path / "marts" / "customer_aliases.parquet"
    if not path.exists():
        return set()
    newest = pl.read_parquet(path).group_by("alias_id", maintain_order=True).last()
    return set(newest.filter(pl.col("customer_id").is_in(list(customers)))["alias_id"])
