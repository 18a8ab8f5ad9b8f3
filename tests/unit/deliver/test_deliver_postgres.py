"""Tables of a real PostgreSQL."""

import json
import sys
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from delivery_rig import DAY, people

sys.path.insert(0, str(Path(__file__).parents[1] / "extract" / "sql"))
pytest.register_assert_rewrite("sql_servers")

from sql_servers import PASSWORD, postgres, postgres_server, unsigned  # noqa: E402, F401 - fixtures

NEXT = DAY + timedelta(days=1)


@pytest.fixture
def server(office, postgres, unsigned):  # noqa: F811 - the fixtures
    office.configure(
        {"name": "bi", "type": "postgres", "lists": {"win_back": "win_back_list"}},
        bi={"host": postgres.secrets.host, "login": "postgres", "schema": "postgres"},
    )
    return postgres


def table(server) -> dict[str, str]:
    return dict(server.ask("select customer_id, grade from win_back_list order by 1"))


def test_a_list_is_a_table_of_its_own_types(office, call, server):
    rows = people([1, 2]).with_columns(
        clv_365d_amount=pl.Series([Decimal("12.5000"), None], dtype=pl.Decimal(18, 4)),
        last_ordered_on=pl.Series([date(2026, 6, 1), None]),
        order_count_365d=pl.Series([3, None], dtype=pl.Int64),
        churn_risk=pl.Series([0.25, None]),
        is_vip=pl.Series([True, None]),
        tags=pl.Series([["a", "b"], None]),
    )
    office.release({"win_back": rows}, csv=False)
    code, said = call("deliver", "--date", str(DAY))
    assert code == 0, said
    columns = "clv_365d_amount, last_ordered_on, order_count_365d, churn_risk, is_vip, tags"
    found = server.ask(f"select full_name, {columns} from win_back_list order by customer_id")  # noqa: S608
    assert found[0] == (
        "王 00001", Decimal("12.5000"), date(2026, 6, 1), 3, 0.25, True, "a; b"
    )  # fmt: skip
    assert found[1][1:] == (None,) * 6


def test_who_is_new_who_has_changed_and_who_has_gone(office, call, server):
    office.release({"win_back": people([1, 2, 3])})
    call("deliver", "--date", str(DAY))
    server.run("insert into win_back_list (customer_id, grade) values ('theirs', 'Z')")
    changed = people([2, 3, 4]).with_columns(grade=pl.Series(["A", "B", "A"]))
    office.release({"win_back": changed}, day=NEXT)
    code, said = call("deliver", "--date", str(NEXT))
    assert code == 0, said
    assert table(server) == {"c00002": "A", "c00003": "B", "c00004": "A", "theirs": "Z"}
    assert office.results("bi", "win_back", NEXT) == {"ok": 3}


def test_a_new_column_of_the_list_becomes_one_of_the_table(office, call, server):
    office.release({"win_back": people([1])})
    call("deliver", "--date", str(DAY))
    office.release({"win_back": people([1], churn_band="high")}, day=NEXT)
    code, said = call("deliver", "--date", str(NEXT))
    assert code == 0, said
    assert server.ask("select customer_id, churn_band from win_back_list") == [("c00001", "high")]


def test_a_change_that_fails_changes_nothing(office, call, server):
    office.release({"win_back": people([1, 2])})
    call("deliver", "--date", str(DAY))
    server.run("alter table win_back_list add check (grade <> 'B')")
    changed = people([2, 3]).with_columns(grade=pl.Series(["A", "B"]))
    office.release({"win_back": changed}, day=NEXT)
    code, said = call("deliver", "--date", str(NEXT))
    assert code == 1
    assert "does not take the change of public.win_back_list; nothing was changed" in said
    assert "c0000" not in said
    assert office.results("bi", "win_back", NEXT) == {"failed": 2}
    assert table(server) == {"c00001": "A", "c00002": "A"}
    server.run("alter table win_back_list drop constraint win_back_list_grade_check")
    assert call("deliver", "--date", str(NEXT))[0] == 0
    assert table(server) == {"c00002": "A", "c00003": "B"}


def log_in(office, **login: str) -> None:
    office.environment.setenv("C360_DESTINATION_BI", json.dumps({"schema": "postgres", **login}))


def test_a_login_that_may_only_read_is_told_what_it_lacks(office, call, server):
    log_in(office, host=server.secrets.host, login="reader", password=PASSWORD)
    office.release({"win_back": people([1])})
    code, said = call("deliver", "--date", str(DAY))
    assert code == 1
    assert "does not let reader write public.win_back_list" in said
    assert PASSWORD not in said


def test_a_server_that_is_not_there_is_told_in_a_sentence(office, call, server, tmp_path):
    log_in(office, host=str(tmp_path), login="x")
    office.release({"win_back": people([1])})
    code, said = call("deliver", "--date", str(DAY))
    assert code == 1
    assert "Destination bi" in said
    assert call("deliver", "--date", str(DAY), "--dry-run")[0] == 0
