"""Nights after one on which a list tripped, each made from what the last one released."""

from datetime import timedelta

import polars as pl
import pytest
from factories import AS_OF

from pipelines.lake import write_json, write_table
from pipelines.publish import publish
from pipelines.release import Release
from pipelines.rules import find_rules, load_rules
from pipelines.rules.breakers import Breakers, ListBreakers, ListLimits
from tests.unit.small_run import lists_of, make_run, segment

LIMITS = Breakers(lists=ListBreakers(defaults=ListLimits(min_customers=2)))


def rules_of(refresh):
    rules = load_rules(find_rules(None))
    lists = lists_of([segment("everybody", "true", refresh=refresh)])
    return rules.model_copy(update={"segments": lists, "breakers": LIMITS})


def make_night(lake, catalogue, book, day, before=None, *, is_shared=False):
    """Publish a night, on which all may have one address; the cut, the notes and the release."""
    run = make_run(lake, as_of=day)
    if is_shared:
        contacts = pl.read_parquet(run.table("models", "customer_contacts"))
        shared = contacts.with_columns(contact_value=pl.lit("desk@x.com"))
        write_table(shared, run.table("models", "customer_contacts"))
    done = publish(run, catalogue, book, before)
    cut = done.lists["everybody"]
    told = {"name": "everybody", "version": 1, "refreshed_on": cut.refreshed_on.isoformat()}
    told |= {"kept_from": cut.kept_from} if cut.kept_from else {}
    release = Release(run.path / f"{day}__made")
    run.release.rename(release.path)
    write_json({"lists": [told]}, release.path / "manifest.json")
    return cut, done.notes, release


@pytest.mark.parametrize("refresh", ["nightly", "weekly", "monthly"])
def test_a_list_that_tripped_on_its_first_night_goes_out_once_it_is_right(lake, catalogue, refresh):
    book = rules_of(refresh)
    first, _, release = make_night(lake, catalogue, book, AS_OF, is_shared=True)
    assert (first.kept_from, first.rows.height) == ("never", 0)
    next_day = AS_OF + timedelta(days=1)
    still, notes, release = make_night(lake, catalogue, book, next_day, release, is_shared=True)
    assert (still.kept_from, still.rows.height) == ("never", 0)
    assert notes[0].startswith("List everybody stays empty: ")
    right, _, _ = make_night(lake, catalogue, book, next_day + timedelta(days=1), release)
    assert (right.kept_from, right.rows.height) == (None, 2)
    assert right.refreshed_on == next_day + timedelta(days=1)
