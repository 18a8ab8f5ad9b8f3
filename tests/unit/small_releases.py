"""Releases of a handful of customers: resolved and put in place by the real parts of the line."""

from dataclasses import fields

import polars as pl
from factories import PROJECT, rows

from pipelines.catalogue import load_catalogue
from pipelines.identity.refs import RECORD
from pipelines.identity.resolve import Resolved
from pipelines.lake import write_table
from pipelines.publish import MARTS
from pipelines.release import release_run, write_manifest
from tests.unit.identity.identity_people import day, ids

IDENTITY = [field.name for field in fields(Resolved) if field.name in MARTS]


def release_night(lake, resolved, on, facts=None, won=(), without=(), told=None):
    """Release what was resolved on a day.

    facts: columns of `customer_360` by record; a customer of deleted records alone has no row.
    won: (the record that won, columns of `customer_fields`)
    without: marts that the version at that time did not have yet.
    told: more of the manifest.
    """
    run = lake.run(day(on))
    whose = ids(resolved)
    known = {whose[record]: columns for record, columns in (facts or {}).items()}
    living = resolved.customer_keys.filter(~pl.col("is_deleted"))["customer_id"].unique().sort()
    marts = {
        "customer_360": rows(
            "customer_360",
            *({"customer_id": name, "as_of": day(on)} | known.get(name, {}) for name in living),
            group="models",
        ),
        "customer_fields": rows(
            "customer_fields",
            *(
                dict(zip(RECORD, record, strict=True)) | {"customer_id": whose[record]} | columns
                for record, columns in won
            ),
            group="models",
        ).head(len(won)),
    }
    marts |= {name: getattr(resolved, name) for name in IDENTITY}
    catalogue = load_catalogue(PROJECT)
    for name in marts.keys() - set(without):
        dataset = catalogue[MARTS[name], name]
        table = dataset.conform(marts[name].lazy()).sort(dataset.key)
        write_table(table, run.release / "marts" / f"{name}.parquet")
    keys = catalogue["pipeline", "customer_keys"].conform(resolved.customer_keys.lazy())
    write_table(keys, run.release / "state" / "customer_keys.parquet")
    release, _ = release_run(
        lake, run, write_manifest(run.release, {"date": run.as_of.isoformat()} | (told or {}))
    )
    return release
