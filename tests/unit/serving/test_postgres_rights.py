"""Rights and columns that change, and words in them that are meant to be SQL."""

# ruff: noqa: S608 - the SQL of tests is their own

from dataclasses import replace

import pytest
from factories import rows
from psycopg import errors
from serving_rig import DAY, customers, small

from pipelines.catalogue import Catalogue
from pipelines.errors import AccessRefusedError, C360Error

BY_COUNTRY = {"marts": ["customer_360", "customer_segments"], "rows": {"country_code": "by_login"}}
ALL_OF_IT = {"marts": ["customer_360", "customer_segments", "kpi_daily"], "clear": ["quasi"]}


def people(**countries):
    return {
        "customer_360": customers(
            *({"customer_id": c, "country_code": country} for c, country in countries.items())
        )
    }


def test_other_logins_are_seen_at_once_and_nothing_is_loaded(office):
    roles = {"regional": BY_COUNTRY}
    office.configure(roles=roles, logins={"ana": {"country_code": ["GB"]}})
    office.release(people(c1="GB", c2="IE", c3="IE"))
    office.serve()
    office.hire("ana", "regional")
    count = "select count(*) from c360_regional.customer_360"
    assert office.ask(count, "ana") == [(1,)]
    office.configure(roles=roles, logins={"ana": {"country_code": ["IE"]}})
    served = office.serve()
    assert (served.rows, served.is_changed) == (None, True)
    assert office.ask(count, "ana") == [(2,)]
    office.configure(roles=roles, logins={})
    office.serve()
    assert office.ask(count, "ana") == [(0,)]


def test_rows_that_are_limited_by_another_column_are_loaded_anew(office):
    office.configure(roles={"regional": ALL_OF_IT})
    office.release(people(c1="GB", c2="IE"))
    assert office.serve().rows == 2
    office.configure(roles={"regional": BY_COUNTRY | {"rows": {"country_code": ["GB"]}}})
    served = office.serve()
    assert (served.rows, served.is_changed) == (2, True)
    office.hire("ana", "regional")
    assert office.ask("select customer_id from c360_regional.customer_360", "ana") == [("c1",)]


def test_a_role_that_is_gone_leaves_its_people_nothing_to_see(office):
    office.configure(roles={"old": ALL_OF_IT, "new": ALL_OF_IT})
    office.release(small(DAY))
    office.serve()
    office.hire("ana", "old")
    assert office.ask("select count(*) from c360_old.kpi_daily", "ana") == [(1,)]
    office.configure(roles={"new": ALL_OF_IT})
    office.serve()
    with pytest.raises(errors.UndefinedTable):
        office.ask("select from c360_old.kpi_daily", "ana")
    for owner in ("c360_old_owner", "c360_old"):
        assert office.ask(f"select has_schema_privilege('{owner}', 'c360', 'usage')") == [(False,)]


@pytest.fixture
def changed(catalogue, monkeypatch):
    """A catalogue of another version: columns of customer_segments by name, None if gone."""

    def use(**columns):
        before = catalogue["models", "customer_segments"]
        left = [
            replace(column, data_type=columns.get(column.name, column.data_type))
            for column in before.columns
            if columns.get(column.name, "") is not None
        ]
        known = {column.name for column in before.columns}
        new = [
            replace(before.columns[-1], name=name, data_type=kind, pii=None)
            for name, kind in columns.items()
            if name not in known
        ]
        # In the midst: a view can only be replaced by one that has more columns at its end.
        dataset = replace(before, columns=(left[0], *new, *left[1:]))
        told = Catalogue(catalogue.datasets | {("models", "customer_segments"): dataset})
        monkeypatch.setattr("pipelines.serving.postgres.load_catalogue", lambda project: told)

    return use


def test_a_new_column_leaves_what_others_have_built_on_a_view(office, changed):
    office.configure(roles={"reader": ALL_OF_IT})
    office.release(small(DAY))
    office.serve()
    theirs = "create view public.theirs as select customer_id from c360_reader.customer_segments"
    with office.connect(autocommit=True) as connection:
        connection.execute(theirs)
    changed(weight="decimal(18,4)")
    assert office.serve().rows == 7
    assert office.ask(
        "select count(customer_id), count(weight) from c360_reader.customer_segments"
    ) == [(3, 0)]
    assert office.ask("select count(*) from public.theirs") == [(3,)]


def test_a_column_of_another_type_is_told_to_whom_it_breaks_and_then_changed(office, changed):
    office.configure(roles={"reader": ALL_OF_IT})
    before = office.release(small(DAY))
    office.serve()
    with office.connect(autocommit=True) as connection:
        connection.execute(
            "create view public.theirs as select as_of from c360_reader.customer_segments"
        )
    changed(as_of="timestamp", scheme=None)
    with pytest.raises(C360Error, match="something of somebody else rests on the views"):
        office.serve()
    found = "select pg_typeof(as_of)::text, count(*) from {} group by 1"
    assert office.ask(found.format("public.theirs")) == [("date", 3)]
    with office.connect(autocommit=True) as connection:
        connection.execute("drop view public.theirs")
    assert office.serve().release == before.path.name
    found = found.format("c360_reader.customer_segments")
    assert office.ask(found) == [("timestamp without time zone", 3)]
    with pytest.raises(errors.UndefinedColumn):
        office.ask("select scheme from c360_reader.customer_segments")


def test_a_release_that_has_lost_a_column_over_there_is_not_taken_for_whole(office, changed):
    office.configure(roles={"reader": ALL_OF_IT})
    office.release(small(DAY))
    office.serve()
    changed(scheme=None)
    assert office.serve().rows == 7
    changed()  # as it was: the first load is still there, without what it had in that column
    assert office.serve().rows == 7
    assert office.ask("select count(scheme) from c360_reader.customer_segments") == [(3,)]


def test_names_and_values_of_serving_yml_are_never_sql(office):
    hostile = "x'); drop table c360.pointer; --"
    named = 'o"; drop schema c360 cascade; -- \\'
    office.configure(
        logins={named: {"country_code": [hostile, "\\'; select 1; --"]}, hostile: {}},
        roles={
            "one": {"marts": ["customer_360"], "rows": {"country_code": "by_login"}},
            "two": {"marts": ["customer_360"], "rows": {"country_code": [hostile]}},
        },
    )
    told = [{"customer_id": f"c{n}", "country_code": v} for n, v in enumerate([hostile, "GB"])]
    office.release({"customer_360": rows("customer_360", *told, group="models")})
    office.serve()
    office.hire(named, "one", "two")
    for role in ("one", "two"):
        assert office.ask(f"select customer_id from c360_{role}.customer_360", named) == [("c0",)]
    assert office.ask("select login, value from c360.logins order by 2 desc")[0] == (named, hostile)


NOTHING = "select count(*) from pg_namespace where nspname like 'c360%'"


@pytest.mark.parametrize("power", ["superuser", "bypassrls", "login"])
def test_an_owner_who_may_too_much_is_refused(office, power):
    office.release(small(DAY))
    with office.connect(autocommit=True) as connection:
        connection.execute(f"create role c360_steward_owner {power}")
        connection.execute('grant c360_steward_owner to "loader\'s"')
    with pytest.raises(AccessRefusedError, match="Role c360_steward_owner may log in or is above"):
        office.serve()
    assert office.ask(NOTHING) == [(0,)]


def test_a_login_that_may_not_make_roles_is_told(office):
    office.release(small(DAY))
    with office.connect(autocommit=True) as connection:
        connection.execute('alter role "loader\'s" nocreaterole')
    with pytest.raises(AccessRefusedError, match="does not let loader's change its roles"):
        office.serve()
    assert office.ask(NOTHING) == [(0,)]


def test_roles_that_an_administrator_has_made_will_do(office):
    office.configure(roles={"reader": ALL_OF_IT})
    office.release(small(DAY))
    with office.connect(autocommit=True) as connection:
        connection.execute('alter role "loader\'s" nocreaterole')
        for role in ("c360_owner", "c360_reader_owner", "c360_reader"):
            connection.execute(f"create role {role} nologin")
        connection.execute('grant c360_owner, c360_reader_owner to "loader\'s"')
    assert office.serve().rows == 7
