"""Readers of every kind while release after release is shown."""

# ruff: noqa: S608 - the SQL of tests is their own

import shutil
import subprocess
import threading
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta

import psycopg
import sqlalchemy as sa
from serving_rig import DAY, small

from pipelines.configured import configured_rules
from pipelines.settings import load_settings

SWITCHES = 50
SCHEMA = "c360_reader"
ROLES = {"reader": {"marts": ["customer_360", "customer_segments", "kpi_daily"]}}
DAYS = [f"select distinct as_of from {SCHEMA}.{mart}" for mart in ROLES["reader"]["marts"]]
AT_ONCE = " union ".join(DAYS)


def psycopg_statements(office, stop, read: Callable):
    """One statement is one release."""
    with office.connect("ana", autocommit=True) as connection:
        while not stop.is_set():
            read({day for (day,) in connection.execute(AT_ONCE)})


def psycopg_transactions(office, stop, read: Callable):
    """Three statements of one snapshot are one release."""
    with office.connect("ana") as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        while not stop.is_set():
            with connection.transaction():
                read({day for query in DAYS for (day,) in connection.execute(query)})


def sqlalchemy_transactions(office, stop, read: Callable):
    """As BI tools ask."""
    url = sa.URL.create("postgresql+psycopg", "ana", database="bi", query={"host": office.host})
    engine = sa.create_engine(url, isolation_level="REPEATABLE READ")
    while not stop.is_set():
        with engine.connect() as connection:
            read({day for query in DAYS for (day,) in connection.execute(sa.text(query))})
    engine.dispose()


def psql(office, stop, read: Callable):
    """As a person asks."""
    line = ["psql", "--host", office.host, "-U", "ana", "-d", "bi", "-XAtqc", AT_ONCE]
    while not stop.is_set():
        done = subprocess.run(line, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        read(set(done.stdout.split()))


READERS = [psycopg_statements, psycopg_transactions, sqlalchemy_transactions]
READERS += [psql] if shutil.which("psql") else []


def test_no_reader_meets_an_error_or_two_releases_at_once(office, monkeypatch):
    office.configure(groups={}, roles=ROLES)
    rules = configured_rules(load_settings())  # a third of a second each time, and always the same
    monkeypatch.setattr("pipelines.serving.postgres.configured_rules", lambda settings: rules)
    office.release(small(DAY))
    office.serve()
    office.hire("ana", "reader")
    stop, reads, faults = threading.Event(), {reader: [] for reader in READERS}, []

    def work(reader):
        def read(days):
            reads[reader].append(days)
            stop.wait(0.005)  # the server has other work too

        try:
            reader(office, stop, read)
        except Exception as error:
            faults.append(f"{reader.__name__}: {error}")

    with ExitStack() as stack:
        stack.callback(stop.set)
        threads = [threading.Thread(target=work, args=(reader,)) for reader in READERS]
        for thread in threads:
            thread.start()
        for number in range(1, SWITCHES + 1):
            office.release(small(DAY + timedelta(days=number)))
            assert office.serve().is_changed
        stop.set()
        for thread in threads:
            thread.join()
    assert faults == []
    for reader, seen in reads.items():
        assert [days for days in seen if len(days) != 1] == [], reader.__name__
        assert len({str(*days) for days in seen}) > SWITCHES / 5, reader.__name__
    assert office.ask("select count(*) from c360.releases") == [(2,)]


SLOW = (
    "create function pg_temp.slow() returns text stable language plpgsql as "
    "$$ begin perform pg_sleep(0.5); return 'nobody'; end $$"
)


def test_a_query_that_is_still_being_planned_sees_a_whole_release(office):
    office.configure(groups={}, roles=ROLES)
    office.release(small(DAY))
    office.serve()
    office.hire("ana", "reader")
    found = []
    with office.connect("ana", autocommit=True) as connection:
        connection.execute(SLOW)  # the server calls it to guess how many rows there will be
        asked = f"select count(*) from {SCHEMA}.customer_360 where customer_id <> pg_temp.slow()"
        query = threading.Thread(target=lambda: found.extend(connection.execute(asked).fetchall()))
        office.release(small(DAY + timedelta(days=1), count=4))
        query.start()
        office.serve()
        query.join()
    assert found in ([(3,)], [(4,)])


def test_rights_and_roles_change_while_others_read(office):
    office.configure(groups={}, roles=ROLES)
    office.release(small(DAY))
    office.serve()
    office.hire("ana", "reader")
    stop, faults, reads = threading.Event(), [], []

    def work(reader):
        def read(days):
            reads.append(days)
            stop.wait(0.005)

        try:
            reader(office, stop, read)
        except Exception as error:
            faults.append(str(error))

    threads = [threading.Thread(target=work, args=(reader,)) for reader in READERS[:3]]
    with ExitStack() as stack:
        stack.callback(stop.set)
        for thread in threads:
            thread.start()
        for number in range(6):
            second = {"second": ROLES["reader"]} if number % 2 else {}
            logins = {f"login {number}": {"country_code": ["GB"]}}
            office.configure(groups={}, roles=ROLES | second, logins=logins)
            assert office.serve().is_changed
        stop.set()
        for thread in threads:
            thread.join()
    assert faults == []
    assert {len(days) for days in reads} == {1}
