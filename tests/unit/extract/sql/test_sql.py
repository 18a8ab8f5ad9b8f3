# ruff: noqa: S608 - the SQL of tests is their own
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from factories import open_parts
from sql_servers import ORDERS

from pipelines.errors import C360Error, SourceDownError
from pipelines.extract.parts import find_parts
from pipelines.extract.sql import database as sql_database
from pipelines.extract.sql import passes as sql
from pipelines.extract.sql.mapping import plan_table
from pipelines.extract.sql.values import own_terms
from pipelines.landing import FileFacts, land_rows
from pipelines.raw_files import read_raw

NEXT_DAY = date(2026, 7, 1)
COMPARED = {**ORDERS, "deletes": "compare"}


class KilledError(Exception):
    pass


def kill(told: str) -> None:
    raise KilledError(told)


def newest(read) -> dict[str, str]:
    """What staging makes of the parts: the op of each record's newest row, a delete going first."""
    deletes_last = read.rows().sort(
        "source_updated_at", pl.col("op").replace_strict({"upsert": 0, "delete": 1})
    )
    return dict(deletes_last.select("source_record_id", "op").iter_rows())


def test_the_first_night_brings_every_row_and_the_next_only_what_changed(shop, read):
    shop.make_orders()
    shop.put(1, 2, 3)
    assert read() == 3
    shop.put(2, changed="'2026-01-02 10:00:00'", status="shipped")
    shop.put(4, changed="'2026-01-02 11:00:00'")
    assert read(as_of=NEXT_DAY) == 2
    assert read.rows().rows(named=True)[3] == {
        "source_record_id": "2",
        "op": "upsert",
        "source_updated_at": datetime(2026, 1, 2, 10, tzinfo=UTC),
        "status": "shipped",
        "currency": "CNY",
        "total_amount": 2.25,
        "ordered_at": datetime(2026, 1, 1, tzinfo=UTC),
    }
    assert [path.parent.name for path in read.raw.glob("*/*")] == ["2026-06-30", "2026-07-01"]


def test_what_was_read_lands_as_it_is(shop, read, catalogue):
    shop.make_orders()
    shop.put(1, 2, 3)
    read()
    [part] = find_parts(read.raw)
    assert part.path.name.endswith(f"__orders-000001-end.{shop.type}.parquet")
    [frame] = read_raw(part.path, part.path.name[18:])
    facts = FileFacts("shop", part.path.name, date(2026, 6, 30))
    landed = land_rows(frame, catalogue["landing", "orders"], facts)
    assert landed.rows["source_record_id"].to_list() == ["1", "2", "3"]
    assert landed.rows["source_updated_at"][0] == datetime(2026, 1, 1, 10)  # noqa: DTZ001
    assert (landed.quarantined.height, landed.unknown_columns) == (0, ())


def test_an_empty_table_brings_no_part(shop, read):
    shop.make_orders()
    assert (read(), read.number_of_parts()) == (0, 0)


def test_a_rerun_with_nothing_new_writes_nothing(shop, read):
    shop.make_orders()
    shop.put(*range(5))
    read()
    before = sorted(read.raw.rglob("*"))
    assert read() == 0
    assert read(as_of=NEXT_DAY) == 0
    assert sorted(read.raw.rglob("*")) == before


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("count", [3, 4, 6, 7])
def test_rows_of_one_time_are_parted_without_loss(shop, read, count):
    shop.make_orders()
    shop.put(*range(10, 10 + count))
    assert read() == count
    assert read.ids() == [str(id) for id in range(10, 10 + count)]
    assert read.number_of_parts() == -(-count // 3)
    assert open_parts(read.raw) == []


@pytest.mark.usefixtures("small_parts")
def test_a_killed_pass_goes_on_from_its_last_part(shop, read):
    shop.make_orders()
    shop.put(*range(8))
    with pytest.raises(KilledError):
        read(tell=kill)
    assert read.ids() == ["0", "1", "2"]
    assert len(open_parts(read.raw)) == 1
    shop.put(1, changed="'2026-01-03 10:00:00'", status="shipped")
    assert read(as_of=NEXT_DAY) == 6
    assert read.ids() == [*"01234567", "1"]
    assert open_parts(read.raw) == []


@pytest.mark.usefixtures("small_parts")
def test_a_pass_killed_after_its_last_row_is_completed_without_rows(shop, read, monkeypatch):
    shop.make_orders()
    shop.put(*range(4))
    with monkeypatch.context() as patch:
        patch.setattr(sql._Pass, "_compare_others", kill)
        with pytest.raises(KilledError):
            read()
    assert read.number_of_parts() == 1
    assert read() == 1
    assert read.ids() == ["0", "1", "2", "3"]
    shop.run("delete from orders where id = 3")
    assert read() == 0


def test_rows_of_the_cursors_own_time_come_the_next_night(shop, read):
    shop.make_orders()
    shop.put(1, 2)
    read()
    shop.put(3, 4)
    assert read() == 2
    assert read.ids() == ["1", "2", "3", "4"]


def test_a_change_younger_than_the_lag_waits(shop, read):
    shop.make_orders()
    shop.put(1, changed=shop.ago(7))
    shop.put(2, changed=shop.ago(3))
    assert read() == 1
    assert read(safety_lag_minutes=10) == 0
    assert read(safety_lag_minutes=1) == 1
    assert read.ids() == ["1", "2"]


def test_a_row_without_a_time_of_change_comes_once_and_again_when_it_is_another(shop, read):
    shop.make_orders()
    shop.put(1)
    shop.put(2, 3, changed="null")
    assert read() == 3
    assert read() == 0
    shop.run("update orders set status = 'shipped' where id = 3")
    assert read() == 1
    shop.put(2, changed="'2026-02-01 10:00:00'")
    assert read() == 1
    assert read.ids() == ["1", "2", "3", "3", "2"]
    assert read.rows()["source_updated_at"].null_count() == 0


def test_a_time_far_ahead_keeps_no_row_waiting(shop, read):
    shop.make_orders()
    shop.put(1, changed="'9999-12-31 23:59:59'")
    shop.put(2)
    assert (read(), read()) == (2, 0)
    assert read.rows()["source_updated_at"].max() < datetime.now(UTC)


def test_a_table_without_a_time_of_change_is_compared_whole(shop, read):
    shop.make_orders()
    shop.put(1, 2, 3)
    whole = {"updated_at": None}
    assert (read(whole), read(whole)) == (3, 0)
    shop.put(2, status="shipped")
    shop.put(4)
    shop.run("delete from orders where id = 1")
    assert (read(whole), read(whole)) == (2, 0)
    assert read.ids() == ["1", "2", "3", "2", "4"]
    assert read({**whole, "deletes": "compare"}) == 1
    assert newest(read)["1"] == "delete"
    shop.put(1)
    assert read({**whole, "deletes": "compare"}) == 1
    assert newest(read) == dict.fromkeys("1234", "upsert")


@pytest.mark.usefixtures("small_parts")
def test_a_comparison_that_was_killed_repeats_no_row(shop, read):
    shop.make_orders()
    shop.put(*range(8))
    with pytest.raises(KilledError):
        read({"updated_at": None}, tell=kill)
    assert read({"updated_at": None}) == 5
    assert read.ids() == list("01234567")


@pytest.mark.parametrize(
    ("type", "dead", "alive"),
    [
        ("time", "'2026-03-01 10:00:00'", "null"),
        ("smallint", "1", "0"),
        ("boolean", "true", "false"),
        ("boolean", "true", "null"),
    ],
)
def test_a_row_marked_as_deleted_is_deleted_until_its_mark_is_gone(shop, read, type, dead, alive):
    shop.make_orders(f", gone {shop.time if type == 'time' else type}")
    shop.put(1, 2)
    shop.run(f"update orders set gone = {alive}")
    mark = {"deleted_at": "gone"}
    read(mark)
    for value, day in ((dead, 2), (alive, 3)):
        shop.run(f"update orders set gone = {value}, changed = '2026-03-0{day}' where id = 2")
        assert read(mark) == 1
    assert read.rows()["op"].to_list() == ["upsert", "upsert", "delete", "upsert"]
    assert read.rows()["status"].null_count() == 0


def test_ids_that_are_gone_were_deleted_and_what_returns_is_there_again(shop, read):
    shop.make_orders()
    shop.put(1, 2, 3)
    read(COMPARED)
    shop.run("delete from orders where id in (1, 3)")
    assert (read(COMPARED), read(COMPARED)) == (2, 0)
    assert read.rows().filter(pl.col("op") == "delete").select(
        "source_record_id", "status"
    ).rows() == [("1", None), ("3", None)]
    shop.put(3, changed=shop.ago(0))
    assert (read(COMPARED, safety_lag_minutes=0), read(COMPARED)) == (1, 0)
    assert newest(read) == {"1": "delete", "2": "upsert", "3": "upsert"}


def test_a_comparison_also_finds_what_came_in_behind_the_cursor(shop, read):
    shop.make_orders()
    shop.put(1, 2, 3)
    read(COMPARED)
    shop.run("delete from orders where id = 3")
    read(COMPARED)
    shop.put(3, 4, changed="'2025-12-01 10:00:00'")  # a backup, a transaction of an hour
    assert (read(COMPARED), read(COMPARED)) == (2, 0)
    assert newest(read) == dict.fromkeys("1234", "upsert")


def test_a_marked_row_counts_as_gone_even_if_its_time_of_change_was_left_alone(shop, read):
    shop.make_orders(", gone smallint default 0")
    shop.put(1, 2)
    marked = {**COMPARED, "deleted_at": "gone"}
    read(marked)
    shop.run("update orders set gone = 1 where id = 2")
    assert (read(marked), read(marked)) == (1, 0)
    shop.run("update orders set gone = 0 where id = 2")
    assert (read(marked), read(marked)) == (1, 0)
    assert newest(read) == {"1": "upsert", "2": "upsert"}


def test_tombstones_land(shop, read, catalogue):
    shop.make_orders()
    shop.put(1, 2)
    read(COMPARED)
    shop.run("delete from orders where id = 1")
    read(COMPARED, as_of=NEXT_DAY)
    path = find_parts(read.raw)[-1].path
    [frame] = read_raw(path, path.name[18:])
    landed = land_rows(frame, catalogue["landing", "orders"], FileFacts("shop", "x", NEXT_DAY))
    assert landed.rows.select("source_record_id", "op").rows() == [("1", "delete")]
    assert landed.quarantined.is_empty()


def test_a_table_that_loses_most_of_its_rows_at_once_is_not_believed(shop, read):
    shop.make_orders()
    assert read(COMPARED) == 0
    shop.put(*range(40))
    read(COMPARED)
    shop.run("delete from orders where id > 15")
    with pytest.raises(C360Error, match=r"24 of 40 rows of \w+\.orders are gone at once") as caught:
        read(COMPARED)
    assert "let max_vanished_share be 1 in sources.yml" in caught.value.hint
    assert read.number_of_parts() == 1
    assert read(COMPARED, max_vanished_share=1) == 24


@pytest.mark.usefixtures("small_parts")
def test_text_ids_keep_one_order_whatever_the_collation(shop, read):
    """In bytes 'Z' comes before 'a'; in most collations after it, and 'ä' is the same as 'a'."""
    order = {"postgres": "", "mysql": "collate utf8mb4_unicode_ci"}[shop.type]
    shop.make_orders(f", code varchar(20) {order}")
    codes = ["b", "B", "a", "A", "Z", "z1", "ä", "Ä1", "中", "😀", "0", "_", "o''k", "back\\\\"]
    codes = [code.replace("\\\\", "\\") if shop.type == "postgres" else code for code in codes]
    for number, code in enumerate(codes):
        shop.put(number)
        shop.run(f"update orders set code = '{code}' where id = {number}")
    coded = {"id": "code"}
    for _ in range(4):
        with pytest.raises(KilledError):
            read(coded, tell=kill)
    read(coded)
    stored = [code.replace("''", "'").replace("\\\\", "\\") for code in codes]
    assert sorted(read.ids()) == sorted(stored)
    assert read(coded) == 0


@pytest.mark.usefixtures("small_parts")
def test_several_columns_can_be_the_id(shop, read):
    shop.run(
        f"create table order_items (shop varchar(5), number bigint, line int, sku varchar(9), "
        f"quantity int, order_source_id varchar(20), changed {shop.time})"
    )
    keys = [(a, b, c) for a in ("x", "y") for b in (2, 10) for c in (1, 2)]
    values = [f"('{a}', {b}, {c}, 'sku', 1, '{b}', '2026-01-01')" for a, b, c in keys]
    shop.run(f"insert into order_items values {', '.join(values)}")
    items = {"from": "order_items", "to": "order_items", "id": ["shop", "number", "line"]}
    for _ in range(2):
        with pytest.raises(KilledError):
            read(items, tell=kill)
    assert read(items) == 2
    assert read.ids("order_items") == [f"{a}-{b}-{c}" for a, b, c in keys]
    compared = {**items, "deletes": "compare"}
    shop.run("delete from order_items where line = 2 and number = 10")
    shop.run("insert into order_items values ('w', 1, 1, 'sku', 1, '1', '2025-01-01')")
    assert (read(compared), read(compared)) == (3, 0)
    assert read.ids("order_items")[8:] == ["x-10-2", "y-10-2", "w-1-1"]


def test_ids_of_nineteen_digits_survive_as_text_and_as_cursor(shop, read):
    shop.make_orders()
    first = 9_223_372_036_854_775_804
    shop.put(first)
    read()
    shop.put(first + 1, first + 2)
    assert (read(), read()) == (2, 0)
    assert read.ids() == [str(first), str(first + 1), str(first + 2)]


def test_two_tables_may_go_to_one_landing_table(shop, read):
    shop.make_orders()
    shop.put(1)
    shop.run("create view old_orders as select * from orders")
    old = {"from": "old_orders", "name": "orders_old", "account": "old's"}
    assert read(ORDERS, old) == 2
    assert read.rows("orders_old")["source_account_id"].to_list() == ["old's"]
    assert "source_account_id" not in read.rows("orders").columns


def test_an_hour_that_comes_twice_is_not_read_before_it_is_over(read_postgres):
    changed = read_postgres.shop
    changed.make_orders()

    def local(moment: datetime) -> str:
        with sql_database.Database(read_postgres.source(), read_postgres.secrets) as database:
            [column] = [c for c in database.columns(("public", "orders")) if c.name == "changed"]
        return own_terms(moment, column, "Europe/Berlin").strftime("%H:%M")

    midnight = datetime(2026, 10, 24, 22, tzinfo=UTC)  # clocks go from 03:00 back to 02:00
    minutes = (119, 121, 150, 180, 210, 240)
    told = [local(midnight + timedelta(minutes=after)) for after in minutes]
    assert told == ["01:59", "01:01", "01:30", "02:00", "02:30", "03:00"]


def test_all_tables_are_read_as_they_were_at_one_moment(read_postgres):
    shop = read_postgres.shop
    shop.make_orders()
    shop.put(1)
    shop.run("create table later as select * from orders")

    def insert(_: str) -> None:
        shop.run("insert into later select 2, changed, status, currency, 9, changed from orders")

    later = {"from": "later", "name": "orders_later"}
    assert read_postgres(ORDERS, later, tell=insert) == 2
    assert read_postgres.ids("orders_later") == ["1"]


def test_a_connection_that_breaks_keeps_what_was_read(shop, read, monkeypatch):
    monkeypatch.setattr(sql, "PART_ROWS", 10_000)
    monkeypatch.setattr(sql_database, "BATCH_ROWS", 10_000)
    shop.make_orders(", cancel_reason varchar(200)")
    reason = "x" * 200
    for start in range(1, 100_000, 10_000):
        rows = (f"({id}, '2026-01-01', '{reason}')" for id in range(start, start + 10_000))
        shop.run(f"insert into orders (id, changed, cancel_reason) values {', '.join(rows)}")

    def cut(_: str) -> None:
        if shop.type == "postgres":
            sessions = "from pg_stat_activity where application_name = 'customer-360'"
            shop.run(f"select pg_terminate_backend(pid) {sessions}")
        else:
            executing = "where command = 'Execute' and id <> connection_id()"
            for (id,) in shop.ask(f"select id from information_schema.processlist {executing}"):
                shop.run(f"kill {id}")

    with pytest.raises(SourceDownError, match=r"stopped answering while \w+\.orders was") as caught:
        read(tell=cut)
    assert "select" not in str(caught.value).lower()
    assert read.number_of_parts() >= 2
    with pytest.raises(KilledError):
        read(tell=kill)
    read()
    assert sorted(map(int, read.ids())) == list(range(1, 100_001))


def test_the_index_of_changes_leads_to_the_next_ones(shop, read, catalogue):
    shop.make_orders()
    shop.run("create index recent on orders (changed, id)")
    for start in range(0, 20_000, 5_000):
        rows = (
            f"({id}, '2026-01-01 0{id // 3600}:{id // 60 % 60:02}:{id % 60:02}')"
            for id in range(start, start + 5_000)
        )
        shop.run(f"insert into orders (id, changed) values {', '.join(rows)}")
    shop.run({"postgres": "analyze orders", "mysql": "analyze table orders"}[shop.type])
    with sql_database.Database(read.source(), read.secrets) as database:
        plan = plan_table(database, read.source().tables[0], catalogue.landing)
        _, query = plan.changes(["2026-01-01T05:33:00", "19980"], datetime.now(UTC))
    steps = str(shop.ask(f"explain {query}"))
    assert "recent" in steps
    assert "Seq Scan" not in steps
    assert "'ALL'" not in steps
