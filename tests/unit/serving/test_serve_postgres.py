"""Releases in a real PostgreSQL: loaded whole, shown at once, gone when nobody reads them."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta
from shutil import rmtree

import psycopg
import pytest
from factories import PROJECT, rows
from serving_rig import DAY, customers, small

from pipelines.errors import AccessRefusedError, C360Error, SourceDownError
from pipelines.lake import read_json
from pipelines.release import roll_back
from pipelines.serving import postgres, store
from pipelines.serving.database import BusyError

READER = {"reader": {"marts": ["customer_360", "customer_segments", "kpi_daily"]}}
COUNT = "select count(*), min(as_of) from c360_reader.customer_segments"
SCHEMAS = "select nspname::text from pg_namespace where nspname ~ '^c360_r[0-9]+$' order by oid"


def day(number):
    return DAY + timedelta(days=number)


@pytest.fixture
def shop(office):
    """One role of three marts, and a first release that it sees."""
    office.configure(roles=READER)
    office.release(small(DAY))
    office.serve()
    return office


def test_a_release_is_loaded_and_shown_and_again_nothing_changes(shop):
    files = sorted(path.name for path in shop.lake.home.rglob("*"))
    assert shop.ask(COUNT) == [(3, DAY)]
    marks = "select xmin::text, ctid::text from c360.pointer"
    before = shop.ask(marks), shop.ask(SCHEMAS)
    again = shop.serve()
    assert (again.rows, again.is_changed, again.gone) == (None, False, 0)
    assert (shop.ask(marks), shop.ask(SCHEMAS)) == before
    assert sorted(path.name for path in shop.lake.home.rglob("*")) == files


def test_every_value_arrives_as_it_was(office):
    office.configure(roles={"reader": READER["reader"] | {"marts": ["all"], "clear": ["quasi"]}})
    told = {
        "customer_id": "c1", "city": "王 \\ \t'\"\n😀", "net_margin_amount": "-12345678901234.5678",
        "rhythm_days": 0.1, "is_guest": True, "order_count": 2**62, "last_order_on": DAY,
    }  # fmt: skip
    fields = rows("customer_fields", {"customer_id": "c1"}, group="models")
    nothing = rows("churn_reasons", group="pipeline").head(0)
    people = customers(told, {"customer_id": "c2"})
    office.release({"customer_360": people, "customer_fields": fields, "churn_reasons": nothing})
    office.serve()
    listed = ", ".join(told)
    asked = f"select {listed} from c360_reader.customer_360 order by customer_id"  # noqa: S608 - ours
    first, second = office.ask(asked)
    assert {k: str(v) for k, v in zip(told, first, strict=True)} == {
        k: str(v) for k, v in told.items()
    }
    assert second[:2] == ("c2", None)
    stamp = "select valued_at from c360_reader.customer_fields"
    assert office.ask(stamp) == [(fields["valued_at"][0],)]


def test_a_release_of_an_older_version_shows_what_it_has(shop):
    frame = small(day(1))["customer_360"]
    shop.release({"customer_360": frame}, day(1))
    path = shop.lake.current / "marts" / "customer_360.parquet"
    path.chmod(0o644)
    frame.drop("city").with_columns(unknown=1).write_parquet(path)
    assert shop.serve().rows == 3
    assert shop.ask("select count(*), count(city) from c360_reader.customer_360") == [(3, 0)]
    assert shop.ask(COUNT) == [(0, None)]


def test_a_rollback_is_shown_without_loading(shop):
    before = shop.lake.current.resolve().name
    shop.release(small(day(1), count=4), day(1))
    assert shop.serve().rows == 9
    roll_back(shop.lake)
    served = shop.serve()
    assert (served.release, served.rows, served.is_changed) == (before, None, True)
    assert shop.ask(COUNT) == [(3, DAY)]
    assert shop.ask("select name, as_of from c360_reader.current_release") == [(before, DAY)]


def test_so_many_releases_are_kept_and_older_ones_go(shop):
    shop.configure(roles=READER, postgres={"keep_releases": 3})
    for number in range(1, 6):
        shop.release(small(day(number)), day(number))
        served = shop.serve()
        assert (served.gone, served.waiting) == (int(number > 2), 0)
    assert shop.ask("select as_of from c360.releases order by 1") == [(day(n),) for n in (3, 4, 5)]
    assert len(shop.ask(SCHEMAS)) == 3


def test_a_release_that_somebody_reads_stays_whole_until_they_end(shop, impatient):
    with shop.connect() as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        assert connection.execute(COUNT).fetchall() == [(3, DAY)]
        for number in range(1, 4):
            shop.release(small(day(number), count=5), day(number))
            served = shop.serve()
            assert served.is_changed
        assert (served.gone, served.waiting) == (0, 2)
        other = "select count(*), min(as_of) from c360_reader.customer_360"
        assert connection.execute(other).fetchall() == [(3, DAY)]
        assert shop.ask(COUNT) == [(5, day(3))]
    assert shop.serve().gone == 2
    assert len(shop.ask(SCHEMAS)) == 2


def test_a_release_that_is_half_taken_away_is_not_shown_again(shop, impatient):
    roll_to = shop.lake.current.resolve().name
    for number in (1, 2):
        shop.release(small(day(number)), day(number))
        if number == 1:
            shop.serve()
    with shop.connect() as connection:  # of one table only, as a long query of a new reader
        connection.execute("lock table c360.customer_segments in access share mode")
        assert shop.serve().waiting == 1
    roll_back(shop.lake, roll_to)
    served = shop.serve()
    assert (served.release, served.rows) == (roll_to, 7)
    assert shop.ask(COUNT) == [(3, DAY)]
    assert len(shop.ask(SCHEMAS)) == 2


def test_what_is_not_on_disk_any_more_must_go_from_the_database(shop, impatient):
    erased = shop.lake.current.resolve()
    shop.release(small(day(1)), day(1))
    rmtree(erased)
    with shop.connect() as connection:
        connection.execute(COUNT)
        with pytest.raises(
            BusyError, match=f"{erased.name}, which is not on disk any more"
        ) as told:
            shop.serve()
        assert "erased" in told.value.hint
    assert shop.ask(COUNT) == [(3, day(1))]
    assert shop.serve().gone == 1
    assert len(shop.ask(SCHEMAS)) == 1


# --- What goes wrong -----------------------------------------------------------------------------


def test_a_failure_in_the_midst_of_a_load_leaves_nothing_behind(shop, monkeypatch):
    shop.release(small(day(1), count=4), day(1))
    read = postgres._columns

    def fail_at_the_last(path):
        return read(path) if path.stem != "kpi_daily" else {}["no such file"]

    with monkeypatch.context() as patch:
        patch.setattr(postgres, "_columns", fail_at_the_last)
        with pytest.raises(KeyError):
            shop.serve()
    assert len(shop.ask(SCHEMAS)) == 1
    assert shop.ask(COUNT) == [(3, DAY)]
    assert not (shop.lake.home / "serving").exists()
    assert shop.serve().rows == 9


def test_what_was_loaded_and_not_shown_is_shown_by_the_next_run(shop, monkeypatch):
    shop.release(small(day(1), count=4), day(1))
    with monkeypatch.context() as patch:
        patch.setattr(postgres, "show", lambda *_: {}["killed"])
        with pytest.raises(KeyError):
            shop.serve()
    assert shop.ask(COUNT) == [(3, DAY)]
    served = shop.serve()
    assert (served.rows, served.is_changed) == (None, True)
    assert shop.ask(COUNT) == [(4, day(1))]


def test_a_load_that_is_killed_is_undone_and_the_next_run_repeats_it(shop):
    many = rows("customer_segments", {"as_of": day(1)}, group="models")
    big = small(day(1)) | {"customer_segments": many.select(many.columns).sample(
        200_000, with_replacement=True
    )}  # fmt: skip
    shop.release(big, day(1))
    program = "from pipelines.cli import main; main()"
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    running = subprocess.Popen(
        [sys.executable, "-c", program, "serve", "postgres"],
        env=environment, cwd=PROJECT, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    copying = "select count(*) from pg_stat_activity where usename like 'loader%' "
    copying += "and query like 'COPY%'"
    while shop.ask(copying) == [(0,)]:
        assert running.poll() is None
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert shop.ask(COUNT) == [(3, DAY)]
    served = shop.serve()
    assert served.rows == 200_004
    assert shop.ask(COUNT) == [(200_000, day(1))]
    assert len(shop.ask(SCHEMAS)) == 2


def test_two_loads_at_once_are_one_after_the_other(shop, monkeypatch):
    shop.release(small(day(1)), day(1))
    told = []
    threads = [threading.Thread(target=lambda: told.append(shop.serve().rows)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(told, key=str) == [7, None, None]
    monkeypatch.setattr(store, "ANOTHER_SECONDS", 0.1)
    with shop.connect() as connection:
        connection.execute("select pg_advisory_lock(hashtextextended('customer-360 c360', 0))")
        with pytest.raises(BusyError, match="Another load of this PostgreSQL is under way"):
            shop.serve()


def test_rights_that_cannot_change_for_a_reader_change_nothing(shop, impatient):
    roles = READER | {"other": {"marts": ["customer_segments"]}}
    shop.configure(roles=roles)
    with shop.connect() as connection:
        connection.execute(COUNT)
        with pytest.raises(BusyError, match="somebody uses"):
            shop.serve()
        assert shop.ask("select count(*) from pg_namespace where nspname = 'c360_other'") == [(1,)]
        there = "select viewname::text from pg_views where schemaname = 'c360_other'"
        assert shop.ask(there) == [("current_release",)]
    assert shop.serve().is_changed
    assert shop.ask("select count(*) from c360_other.customer_segments") == [(3,)]


@pytest.mark.parametrize(
    ("login", "error", "said"),
    [
        (None, AccessRefusedError, "PostgreSQL of serving.yml has no login."),
        ({"host": "x"}, AccessRefusedError, "C360_SERVE_POSTGRES is not what serving.yml needs"),
        ({"login": "nobody"}, AccessRefusedError, "refuses the login"),
        ({"schema": "no'ne"}, AccessRefusedError, "has no database no'ne"),
        ({"host": "/nowhere"}, SourceDownError, "PostgreSQL at /nowhere cannot be reached"),
    ],
)
def test_a_login_that_does_not_do_is_told(office, monkeypatch, login, error, said):
    office.release(small(DAY))
    good = json.loads(os.environ["C360_SERVE_POSTGRES"]) | {"password": "ge'h\\eim"}
    told = good | login if login and login != {"host": "x"} else login
    monkeypatch.setenv("C360_SERVE_POSTGRES", json.dumps(told) if told else "")
    with pytest.raises(error) as caught:
        office.serve()
    assert said in str(caught.value)
    assert "eim" not in str(caught.value)


def test_without_a_release_there_is_nothing_to_serve(office):
    with pytest.raises(C360Error, match="Nothing has been released yet"):
        office.serve()


# --- The command ---------------------------------------------------------------------------------


def test_the_command_says_what_is_shown_and_reports_to_the_night(office, call):
    office.configure(roles=READER)
    release = office.release(small(DAY))
    code, said = call("serve", "postgres", "--date", str(DAY))
    assert code == 0, said
    assert f"PostgreSQL shows {release.path.name}, 7 rows loaded" in said
    report = read_json(office.lake.run(DAY).steps / "serve_postgres.json")
    assert (report["step"], report["status"]) == ("serve postgres", "ok")
    code, said = call("serve", "postgres")
    assert f"PostgreSQL showed already {release.path.name}" in said


def test_a_failure_is_reported_with_whether_waiting_may_heal_it(office, call, monkeypatch):
    office.release(small(DAY))
    monkeypatch.delenv("C360_SERVE_POSTGRES")
    code, said = call("serve", "postgres", "--date", str(DAY))
    assert code == 1
    assert "has no login" in said
    report = read_json(office.lake.run(DAY).steps / "serve_postgres.json")
    assert (report["status"], report["retry"]) == ("failed", False)


def test_until_serving_yml_names_a_database_nothing_is_done(office, call):
    office.configure(postgres=None)
    code, said = call("serve", "postgres")
    assert (code, "No database is configured" in said) == (0, True)


def test_a_rollback_by_hand_says_that_postgresql_does_not_follow_by_itself(office, call):
    for number in (0, 1):
        office.release(small(day(number)), day(number))
    office.configure(postgres=None)
    code, said = call("rollback")
    assert (code, "c360 serve postgres" in said) == (0, False)
    office.configure()
    code, said = call("rollback", "--to", office.lake.current.resolve().name)
    assert (code, "c360 serve postgres brings it along" in said) == (0, True)
    (office.rules / "serving.yml").write_text("roles: [")
    code, said = call("rollback", "--to", office.lake.current.resolve().name)
    assert (code, "c360 serve postgres" in said) == (0, False)
