"""Names customers after their oldest record, for life, and remembers every name that went.

Records are numbered by age, and no record that lands later is ever older. So the ids need no
memory: two runs over the same records, or a rebuild from raw files, give the same ones. The last
release is still read, for what the records alone cannot say: names whose record was erased since,
and which names were other customers once.
"""

from datetime import date

import polars as pl

from pipelines.identity.refs import RECORD, mint_id
from pipelines.wording import count_of

ALIAS = ["alias_id", "customer_id", "changed_on", "event", *RECORD]


def name_customers(
    records: pl.DataFrame,
    previous_keys: pl.DataFrame | None,
    aliases: pl.DataFrame | None,
    pseudonym_key: bytes,
) -> tuple[pl.DataFrame, list[str]]:
    """Name each component after its oldest record.

    Where the record that a name was minted from is erased, the oldest that is left of those who
    bore the name keeps it, and finds it again after a merge that is undone.

    Args:
        records: node (by age), RECORD, component.
        previous_keys: RECORD, customer_id, of the last release.
        aliases: ALIAS, of the last release.
        pseudonym_key: key of the ids.

    Returns:
        `records` with customer_id, and notes for the manifest.
    """
    oldest = records.sort("node").unique("component", keep="first", maintain_order=True)
    if previous_keys is None or previous_keys.is_empty():
        named = records.join(_mint_new(oldest, set(), pseudonym_key), on="component")
        return named.sort("node"), [f"{count_of(oldest.height, 'customer')}, all new."]
    before = previous_keys.select(*RECORD, previous_id="customer_id")
    had = records.join(before, on=RECORD).sort("node")
    kept = _orphaned_names(oldest, had, pseudonym_key)
    if aliases is not None:
        kept = pl.concat([kept, _former_names(oldest, kept, aliases)])
    new = oldest.join(kept, on="component", how="anti")
    names = pl.concat([kept, _mint_new(new, set(kept["customer_id"]), pseudonym_key)])
    old = before.select(customer_id="previous_id").unique()
    fresh = names.join(old, on="customer_id", how="anti").height
    gone = old.join(names, on="customer_id", how="anti").height
    split = had.unique(["previous_id", "component"]).group_by("previous_id").len()
    return records.join(names, on="component").sort("node"), [
        f"{count_of(oldest.height, 'customer')}: {fresh} new, {gone} merged into another or "
        f"erased, {split.filter(pl.col('len') > 1).height} split."
    ]


def _orphaned_names(oldest: pl.DataFrame, had: pl.DataFrame, pseudonym_key: bytes) -> pl.DataFrame:
    """Names that no record tonight was minted for, and the component that keeps each."""
    bore = oldest.select("node", "component").join(
        had.select("node", *RECORD, "previous_id"), on="node"
    )
    borrowed = bore.join(_minted_from(bore, pseudonym_key), on="node", how="anti")
    bearers = had.join(borrowed.select("previous_id").unique(), on="previous_id", how="semi")
    rooted = _minted_from(bearers, pseudonym_key).select("previous_id")
    return (
        borrowed.join(rooted, on="previous_id", how="anti")
        .sort("node")
        .unique("previous_id", keep="first", maintain_order=True)
        .select("component", customer_id="previous_id")
    )


def _former_names(oldest: pl.DataFrame, kept: pl.DataFrame, aliases: pl.DataFrame) -> pl.DataFrame:
    """Names that went with a merge, and the components whose oldest record bore them last."""
    latest = aliases.unique("alias_id", keep="last", maintain_order=True)
    return (
        latest.sort("changed_on", "alias_id", descending=[True, False])
        .join(oldest.select("component", *RECORD), on=RECORD, maintain_order="left")
        .unique("component", keep="first", maintain_order=True)
        .join(kept, on="component", how="anti")
        .join(kept, left_on="alias_id", right_on="customer_id", how="anti")
        .select("component", customer_id="alias_id")
    )


def _minted_from(had: pl.DataFrame, pseudonym_key: bytes) -> pl.DataFrame:
    """The rows whose record is the one that the id they had was minted from."""
    is_mint = [
        mint_id(row[:-1], pseudonym_key) == row[-1]
        for row in had.select(*RECORD, "previous_id").rows()
    ]
    return had.filter(pl.Series(is_mint, dtype=pl.Boolean))


def _mint_new(oldest: pl.DataFrame, taken: set[str], pseudonym_key: bytes) -> pl.DataFrame:
    """Names of new customers, from the oldest record of each; never one that is taken.

    A record that comes back after it was erased finds its name with those it was tied to.
    """
    names = []
    for record in oldest.select(RECORD).iter_rows():
        name, attempt = mint_id(record, pseudonym_key), 1
        while name in taken:
            attempt += 1
            name = mint_id((*record, str(attempt)), pseudonym_key)
        names.append(name)
    return oldest.select("component", pl.Series("customer_id", names, dtype=pl.String))


def append_aliases(
    previous: pl.DataFrame | None,
    previous_keys: pl.DataFrame | None,
    keys: pl.DataFrame,
    as_of: date,
    pseudonym_key: bytes,
) -> pl.DataFrame:
    """Add a row for each customer id that stands for another customer than it did.

    The newest row of an alias tells whom it stands for: the customer of the record that it was
    minted from. Rows are never changed or taken away.

    Args:
        previous: ALIAS, of the last release.
        previous_keys: RECORD, customer_id, of the last release; oldest record first.
        keys: RECORD, customer_id, of tonight.
        as_of: day of the new rows.
        pseudonym_key: key of the ids.
    """
    schema = {name: pl.Date if name == "changed_on" else pl.String for name in ALIAS}
    told = pl.DataFrame(schema=schema) if previous is None else previous.select(ALIAS)
    if previous_keys is None:
        return told
    living = keys.select("customer_id").unique()
    gone = previous_keys.join(living, on="customer_id", how="anti").join(
        told.select(customer_id="alias_id").unique(), on="customer_id", how="anti"
    )
    minted = _minted_from(gone.rename({"customer_id": "previous_id"}), pseudonym_key)
    roots = (
        pl.concat([minted, gone.rename({"customer_id": "previous_id"})], how="diagonal")
        .unique("previous_id", keep="first", maintain_order=True)
        .select(pl.col("previous_id").alias("alias_id"), *RECORD)
    )
    latest = told.unique("alias_id", keep="last", maintain_order=True)
    known = pl.concat([latest.select("alias_id", *RECORD), roots.select("alias_id", *RECORD)])
    now = (
        known.join(keys.select(*RECORD, "customer_id"), on=RECORD, how="left")
        # A name whose record was erased may live on with those it was tied to.
        .join(
            living.select(alias_id="customer_id", bearer="customer_id"), on="alias_id", how="left"
        )
        .with_columns(pl.coalesce("bearer", "customer_id").alias("customer_id"))
        .join(
            latest.select("alias_id", stood_for="customer_id", is_told=pl.lit(True)),
            on="alias_id", how="left",
        )
        .filter(
            pl.col("is_told").is_null() | pl.col("customer_id").ne_missing(pl.col("stood_for"))
        )
        .with_columns(
            pl.lit(as_of).alias("changed_on"),
            pl.when(pl.col("customer_id").is_null())
            .then(pl.lit("gone"))
            .when(pl.col("customer_id") == pl.col("alias_id"))
            .then(pl.lit("restored"))
            .otherwise(pl.lit("merged"))
            .alias("event"),
        )
    )  # fmt: skip
    return pl.concat([told, now.select(ALIAS).sort("alias_id")])
