"""Releases in a real PostgreSQL: loaded whole, shown at once, gone when nobody reads them."""

from datetime import timedelta

from serving_rig import DAY, small

from pipelines.release import roll_back

NEXT = DAY + timedelta(days=1)


def test_a_release_is_loaded_and_shown_and_again_nothing_changes(office):
    release = office.release(small(DAY))
    first = office.serve()
    assert (first.release, first.rows, first.is_changed) == (release.path.name, 7, True)
    assert office.ask("select customer_id, as_of from c360_steward.customer_360 order by 1") == [
        (f"c{n}", DAY) for n in range(3)
    ]
    again = office.serve()
    assert (again.rows, again.is_changed, again.gone) == (None, False, 0)


def test_an_older_day_that_is_current_again_is_shown_without_loading(office):
    before, after = office.release(small(DAY)), office.release(small(NEXT, 4))
    office.lake.current.unlink()
    office.lake.current.symlink_to(before.path.name)
    office.serve()
    office.lake.current.unlink()
    office.lake.current.symlink_to(after.path.name)
    assert office.serve().rows == 9
    roll_back(office.lake)
    served = office.serve()
    assert (served.release, served.rows, served.is_changed) == (before.path.name, None, True)
    assert office.ask("select count(*) from c360_steward.customer_360") == [(3,)]
    assert office.ask("select name from c360_steward.current_release") == [(before.path.name,)]
