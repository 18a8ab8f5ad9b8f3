# ruff: noqa: S608 - the SQL of tests is their own
import socket
from contextlib import closing
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from pydantic import ValidationError
from sql_servers import AS_OF, ORDERS, PASSWORD, Reader, Shop

from pipelines.errors import AccessRefusedError, C360Error, SourceDownError
from pipelines.extract.parts import find_parts
from pipelines.extract.sql import database as sql_database
from pipelines.extract.sql.mysql import MySql
from pipelines.extract.sql.postgres import Postgres
from pipelines.landing import FileFacts, Landed, land_rows
from pipelines.raw_files import read_raw
from pipelines.rules.source_types.sql import SqlSecrets, SqlSource, SqlTable


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({"name": "items"}, "name must begin with orders, the landing table"),
        ({"name": "ordersx"}, "name must begin with orders, the landing table"),
        ({"columns": {"status": "s"}, "constants": {"status": "paid"}}, "status is under columns"),
        ({"id": []}, "id"),
        ({"from": ""}, "from"),
        ({"deletes": "log"}, "deletes"),
        ({"form": "orders"}, "form"),
    ],
)
def test_an_entry_that_makes_no_sense_is_told(entry, told):
    with pytest.raises(ValidationError, match=told):
        SqlTable.model_validate({"from": "orders", "to": "orders", **entry})


def test_two_entries_may_not_share_a_name():
    tables = [{"from": "a", "to": "orders"}, {"from": "b", "to": "orders"}]
    with pytest.raises(ValidationError, match="table orders is listed twice"):
        SqlSource.model_validate({"name": "shop", "type": "mysql", "tables": tables})


def test_secrets_are_those_of_an_airflow_connection():
    login = {"host": "db", "port": 5432, "login": "me", "password": "geheim", "schema": "shop"}
    extra = {"sslmode": "verify-full", "sslrootcert": "/it's.pem", "keepalives": 1}
    secrets = SqlSecrets.model_validate(login | extra)
    assert secrets.database == "shop"
    assert "geheim" not in repr(secrets)
    fields, told = Postgres().login(secrets)
    assert fields == {"host": "db", "port": 5432}
    assert told.endswith(r"sslmode=verify-full sslrootcert='/it\'s.pem'")
    fields, _ = MySql().login(secrets)
    assert (fields["ssl_mode"], fields["ssl_ca"]) == ("verify_identity", "/it's.pem")


def only_row(read: Reader, stream: str = "orders") -> dict[str, Any]:
    [row] = read.rows(stream).rows(named=True)
    return row


def land(read: Reader, catalogue: Any) -> Landed:
    [part] = find_parts(read.raw)
    [frame] = read_raw(part.path, part.path.name[18:])
    return land_rows(frame, catalogue["landing", "orders"], FileFacts("shop", "orders", AS_OF))


def test_every_type_of_postgres_arrives_as_it_is_or_as_text(read_postgres):
    run = read_postgres.shop.run
    run("drop type if exists mood cascade; create type mood as enum ('paid', 'new')")
    run("drop domain if exists money_of_ours cascade")
    run("create domain money_of_ours as numeric(10, 3)")
    run("drop domain if exists number_of_ours cascade; create domain number_of_ours as bigint")
    run("drop domain if exists time_of_ours cascade; create domain time_of_ours as timestamptz")
    run("""
        create table orders (
            id uuid, changed timestamptz, status mood, currency char(5),
            total_amount numeric(12, 2), subtotal_amount numeric,
            discount_amount money_of_ours, is_test boolean,
            coupon_codes text[], points_earned real, order_number jsonb, store_id int[],
            cancel_reason text, channel interval, ordered_at timestamp(3), paid_at timestamptz,
            cancelled_at date, referral_code number_of_ours, utm_source time_of_ours
        )""")
    run("""
        insert into orders values (
            '0b0c0d0e-0000-4000-8000-000000000001', '2026-01-01 10:00:00.123456+08', 'paid', 'CNY',
            9999999999.99, 1.123456789012345678901, 1.234, true, '{{"a,b","中文"},{"😀","d"}}', 0.5,
            '{"number": 12345678901234567890}', '{1,2}', E'中文 😀 \\\\ '' "\\n', '1 day',
            '2026-01-01 10:00:00.123', '2026-01-01 10:00+08', '2026-01-01', 7, '2026-01-01 10:00+08'
        )""")
    shanghai = {"time_zone": "Asia/Shanghai"}
    assert (read_postgres(**shanghai), read_postgres(**shanghai)) == (1, 0)
    assert only_row(read_postgres) == {
        "source_record_id": "0b0c0d0e-0000-4000-8000-000000000001",
        "op": "upsert",
        "source_updated_at": datetime(2026, 1, 1, 2, 0, 0, 123456, UTC),
        "order_number": '{"number": 12345678901234567890}',
        "store_id": "[1,2]",
        "channel": "1 day",
        "status": "paid",
        "is_test": True,
        "currency": "CNY",
        "subtotal_amount": "1.123456789012345678901",
        "discount_amount": Decimal("1.234"),
        "total_amount": Decimal("9999999999.99"),
        "coupon_codes": ['["a,b","中文"]', '["😀","d"]'],
        "points_earned": 0.5,
        "referral_code": 7,
        "utm_source": datetime(2026, 1, 1, 2, tzinfo=UTC),
        "ordered_at": datetime(2026, 1, 1, 2, 0, 0, 123000, UTC),
        "paid_at": datetime(2026, 1, 1, 2, tzinfo=UTC),
        "cancelled_at": datetime(2025, 12, 31, 16, tzinfo=UTC),
        "cancel_reason": "中文 😀 \\ ' \"\n",
    }


def test_what_is_no_number_or_no_time_is_null_or_quarantined(read_postgres, catalogue):
    run = read_postgres.shop.run
    run("""
        create table orders (
            id int, changed timestamp, status text, currency text, total_amount numeric(12, 2),
            subtotal_amount numeric, points_earned float8, ordered_at timestamptz,
            paid_at timestamp, cancelled_at date
        )""")
    good = "'paid', 'CNY', 1, 1, 1"
    run(f"""
        insert into orders values
            (1, '2026-01-01', 'paid', 'CNY', 'NaN', 1, 1, '2026-01-01', null, null),
            (2, '2026-01-01', 'paid', 'CNY', 1, 'NaN', 1, '2026-01-01', null, null),
            (3, '2026-01-01', 'paid', 'CNY', 1, 'Infinity', 1, '2026-01-01', null, null),
            (4, '2026-01-01', 'paid', 'CNY', 1, 1, 'NaN', '2026-01-01', null, null),
            (5, '2026-01-01', 'paid', 'CNY', 1, 1, '-Infinity', '2026-01-01', null, null),
            (6, '2026-01-01', {good}, 'infinity', null, null),
            (7, '2026-01-01', {good}, '-infinity', null, null),
            (8, '2026-01-01', {good}, '2026-01-01', 'infinity', '-infinity'),
            (9, '2026-01-01', {good}, '2026-01-01', '294276-01-01', '5874897-01-01'),
            (10, '2026-01-01', {good}, '2026-01-01', '0044-03-15 BC', '0044-03-15 BC'),
            (11, '-infinity', {good}, '2026-01-01', null, null),
            (12, 'infinity', {good}, '2026-01-01', null, null)""")
    assert (read_postgres(), read_postgres()) == (12, 0)
    landed = land(read_postgres, catalogue)
    assert sorted(map(int, landed.rows["source_record_id"])) == [8, 9, 10, 11, 12]
    assert landed.rows.select("paid_at", "cancelled_at").null_count().row(0) == (5, 5)
    rules = landed.quarantined.select("rule", "column").rows()
    assert sorted(rules) == [
        ("not_a_decimal", "subtotal_amount"),
        ("not_a_decimal", "subtotal_amount"),
        ("not_a_double", "points_earned"),
        ("not_a_double", "points_earned"),
        ("required_missing", "ordered_at"),
        ("required_missing", "ordered_at"),
        ("required_missing", "total_amount"),
    ]


def test_every_type_of_mysql_arrives_as_it_is_or_as_text(read_mysql):
    run = read_mysql.shop.run
    run("""
        create table orders (
            id bigint unsigned, changed timestamp(6) null, status enum('paid', 'new'),
            currency char(5) character set latin1, total_amount decimal(12, 2) unsigned,
            subtotal_amount decimal(65, 30), discount_amount decimal(5, 1), is_test bit(1),
            coupon_codes text, points_earned double, order_number json, store_id tinyint(1),
            cancel_reason varchar(50) collate utf8mb4_bin, channel set('web', 'app'),
            ordered_at datetime(3), paid_at timestamp null, cancelled_at date, referral_code time
        )""")
    run("""
        insert into orders values (
            18446744073709551615, '2026-01-01 10:00:00.123456', 'paid', 'CNY', 9999999999.99,
            1.123456789012345678901234567890, 1.2, 1, '["a", "中文"]', 0.5,
            '{"number": 12345678901234567890}', 2, '中文 😀 \\\\ '' "', 'web,app',
            '2026-01-01 10:00:00.123', '2026-01-01 10:00:00', '2026-01-01', '-10:00:00'
        )""")
    run("update orders set changed = timestamp'2026-01-01 10:00:00.123456'")
    shanghai = {"time_zone": "Asia/Shanghai"}
    assert (read_mysql(**shanghai), read_mysql(**shanghai)) == (1, 0)
    row = only_row(read_mysql)
    zone = row.pop("paid_at") - datetime(2026, 1, 1, 10, tzinfo=UTC)  # of the writing session
    assert row.pop("source_updated_at") == datetime(2026, 1, 1, 10, 0, 0, 123456, UTC) + zone
    assert row == {
        "source_record_id": "18446744073709551615",
        "op": "upsert",
        "order_number": '{"number": 12345678901234567890}',
        "store_id": 2,
        "channel": "web,app",
        "status": "paid",
        "is_test": 1,
        "currency": "CNY",
        "subtotal_amount": "1.123456789012345678901234567890",
        "discount_amount": Decimal("1.2"),
        "total_amount": Decimal("9999999999.99"),
        "coupon_codes": '["a", "中文"]',
        "points_earned": 0.5,
        "referral_code": "-10:00:00",
        "ordered_at": datetime(2026, 1, 1, 2, 0, 0, 123000, UTC),
        "cancelled_at": datetime(2025, 12, 31, 16, tzinfo=UTC),
        "cancel_reason": "中文 😀 \\ ' \"",
    }


def test_days_that_mysql_alone_knows_are_null(read_mysql):
    run = read_mysql.shop.run
    read_mysql.shop.make_orders(", gone datetime, cancelled_at date")
    read_mysql.shop.put(1, 2, 3)
    run("set global sql_mode = ''")
    for id, told in ((1, "0000-00-00"), (2, "2026-02-31"), (3, "2026-00-00")):
        run(f"set statement sql_mode = 'ALLOW_INVALID_DATES' for update orders "
            f"set cancelled_at = '{told}', gone = '0000-00-00' where id = {id}")  # fmt: skip
    run("set statement sql_mode = '' for update orders set changed = '0000-00-00' where id = 3")
    marked = {"deleted_at": "gone"}
    assert (read_mysql(marked), read_mysql(marked)) == (3, 0)
    run("set statement sql_mode = 'ALLOW_INVALID_DATES' for "
        "update orders set changed = '2026-02-31' where id = 1")  # fmt: skip
    assert read_mysql(marked) == 1
    read_mysql.shop.put(1, changed="'2026-04-01'")
    assert read_mysql(marked) == 1
    assert read_mysql.rows()["cancelled_at"].null_count() == 5
    assert read_mysql.rows()["op"].to_list() == ["upsert"] * 5


def test_a_day_is_that_of_the_sources_own_zone(shop, read):
    zoned = {"postgres": "timestamptz", "mysql": "timestamp"}[shop.type]
    shop.run(f"create table people (id int, birth_date {shop.time})")
    shop.run("insert into people values (1, '1990-05-17 00:30:00')")
    shop.run(f"create table others (id int, birth_date {zoned} null)")
    offset = "+00" if shop.type == "postgres" else ""
    shop.run(f"insert into others values (1, '1990-05-17 20:00:00{offset}')")
    people = {"from": "people", "to": "crm_contacts", "updated_at": None}
    read(people, {**people, "from": "others", "name": "crm_contacts_2"}, time_zone="Asia/Shanghai")
    assert only_row(read, "crm_contacts")["birth_date"] == date(1990, 5, 17)
    assert only_row(read, "crm_contacts_2")["birth_date"] == date(1990, 5, 18)


def test_fixed_and_translated_values(shop, read):
    shop.run(f"create table sales (no varchar(9), state int, total int, made {shop.time})")
    shop.run("insert into sales values ('a', 1, 5, '2026-01-01'), ('b', 9, 5, null)")
    sales = {
        "from": "sales", "id": "no", "updated_at": None, "created_at": "made", "account": "it's",
        "columns": {"order_number": "no", "status": "state", "total_amount": "total",
                    "ordered_at": "made"},
        "constants": {"currency": "CNY"},
        "values": {"status": {1: "paid's"}},
    }  # fmt: skip
    read(sales)
    assert read.rows().rows(named=True)[0] == {
        "source_record_id": "a",
        "op": "upsert",
        "source_created_at": datetime(2026, 1, 1, tzinfo=UTC),
        "source_updated_at": read.rows()["source_updated_at"][0],
        "source_account_id": "it's",
        "order_number": "a",
        "status": "paid's",
        "total_amount": 5,
        "ordered_at": datetime(2026, 1, 1, tzinfo=UTC),
        "currency": "CNY",
    }
    assert read.rows()["status"].to_list() == ["paid's", "9"]


HOSTILE = ['a"; drop table victims; --', "select", "a b", "`;'\\", "{} $1 ? %s", "日期", "x" * 60]


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_nothing_but_names(shop, read, name):
    shop.run("create table victims (id int)")
    table, column = shop.quoted(name), shop.quoted(f"{name}.c"[:63])
    shop.run(f"create table {table} ({column} varchar(20), {shop.quoted('order')} {shop.time})")
    shop.run(f"insert into {table} values ('1', '2026-01-01'), ('2', '2026-01-01')")
    schema = {"postgres": "public", "mysql": "shop"}[shop.type]
    named = {
        "from": [schema, name], "to": "crm_contacts", "id": f"{name}.c"[:63], "updated_at": "order",
        "columns": {"full_name": f"{name}.c"[:63]}, "deletes": "compare",
    }  # fmt: skip
    assert (read(named), read(named)) == (2, 0)
    assert read.check(named)[0].ok
    shop.run("insert into victims values (1)")


def test_columns_that_are_not_mapped_are_not_read(shop, read):
    shop.make_orders(", secret varchar(20), customer_email varchar(20), op varchar(9)")
    shop.put(1)
    read({"columns": {"customer_email": None, "ship_city": "status"}})
    assert read.rows().columns == [
        "source_record_id", "op", "source_updated_at", "status", "currency", "total_amount",
        "ordered_at", "ship_city",
    ]  # fmt: skip
    assert read.rows()["op"].to_list() == ["upsert"]


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({"to": "order"}, r"no landing table order; did you mean orders\?"),
        ({"columns": {"total_amont": "id"}}, "orders has no column total_amont; did you mean tot"),
        ({"values": {"state": {"1": "paid"}}}, "orders has no column state; did you mean status"),
        ({"constants": {"op": "delete"}}, "op is not mapped like other columns"),
        ({"columns": {"ship_city": "citty"}}, r"no column citty \(for ship_city\); did you.* city"),
        ({"updated_at": "chnged"}, r"no column chnged \(for updated_at\); did you mean changed"),
        ({"id": ["id", "nix"]}, r"no column nix \(for id\)"),
        (
            {"from": "ordres"},
            r"there is no table (public|shop)\.ordres, .* did you mean (public|shop)\.ord",
        ),
        ({"from": "nix.orders"}, r"no table nix\.orders"),
        ({"updated_at": "city"}, "updated_at is city, .*; it must be a time, or be left out"),
        ({"created_at": "city"}, "created_at is city, .*; it must be a time or a date"),
        ({"deleted_at": "city"}, "deleted_at is city, .*; it must be a time, a truth value or a"),
        ({"columns": {"ship_city": "seal"}}, "seal is (bytea|blob), bytes without a meaning"),
        ({"columns": {"status": None}}, "orders needs status, and no column is called so"),
    ],
)
def test_a_mapping_that_does_not_fit_is_told_in_a_sentence(shop, read, entry, told):
    shop.make_orders(f", city varchar(20), seal {'bytea' if shop.type == 'postgres' else 'blob'}")
    with pytest.raises(C360Error, match=told) as caught:
        read(entry)
    assert str(caught.value).endswith("Mend the table's entry in sources.yml.")
    assert read.number_of_parts() == 0


def test_a_column_that_became_another_is_told_before_anything_is_read(shop, read):
    shop.make_orders()
    shop.put(1)
    read()
    shop.run("alter table orders rename column changed to altered")
    with pytest.raises(C360Error, match=r"no column changed \(for updated_at\)"):
        read()
    shop.run("alter table orders drop column status")
    with pytest.raises(C360Error, match="orders needs status"):
        read({"updated_at": "altered"})


def test_ids_of_another_type_than_the_cursors_are_told(read_postgres):
    shop = read_postgres.shop
    shop.make_orders(", code text")
    shop.run("insert into orders (id, changed, code) values (1, '2026-01-01', 'geheim')")
    read_postgres({"id": "code"})
    shop.run("alter table orders drop column code, add column code uuid")
    with pytest.raises(C360Error, match=r"does not take the query on public\.orders") as caught:
        read_postgres({"id": "code"})
    assert "geheim" not in str(caught.value)
    assert "may have changed its type" in caught.value.hint
    assert read_postgres({"id": "code", "name": "orders_anew"}) == 1


def test_a_cursor_of_other_columns_is_told(shop, read):
    shop.make_orders()
    shop.put(1)
    read()
    with pytest.raises(C360Error, match="read by changed, id so far, and now is to be by ordered"):
        read({"updated_at": "ordered_at"})
    with pytest.raises(C360Error, match="and now is to be by changed, id, status"):
        read({"id": ["id", "status"]})
    assert read({"updated_at": "ordered_at", "name": "orders_2"}) == 1
    assert read({"updated_at": None}) == 0  # to be compared is always possible


def reader_of(read: Reader, **more: Any) -> None:
    """From here on as a login that has a password and few rights."""
    told = {"login": "reader", "password": PASSWORD, "schema": read.secrets.database} | more
    kept = read.secrets.model_dump(include={"host", "port"})
    read.secrets = SqlSecrets.model_validate(kept | told)


def give_reader(shop: Shop, *grants: str) -> None:
    if shop.type == "mysql":
        shop.run("drop user if exists reader@localhost")
        quoted = PASSWORD.replace("\\", "\\\\").replace("'", "''")
        shop.run(f"create user reader@localhost identified by '{quoted}'")
    else:
        shop.run("grant usage on schema public to reader")
    login = {"postgres": "reader", "mysql": "reader@localhost"}[shop.type]
    for grant in grants:
        shop.run(f"grant {grant} to {login}")


def test_a_login_that_may_read_reads(shop, read):
    shop.make_orders()
    shop.put(1)
    give_reader(shop, "select on orders")
    reader_of(read)
    assert read() == 1


def test_a_wrong_password_is_refused_and_not_told(shop, read):
    shop.make_orders()
    give_reader(shop, "select on orders")
    reader_of(read, password="my guess")  # noqa: S106
    with pytest.raises(AccessRefusedError, match="refuses the login: login or pass") as caught:
        read()
    assert "C360_SOURCE_SHOP" in caught.value.hint
    assert not any(secret in str(caught.value) for secret in ("my guess", "geheim"))
    assert caught.value.__suppress_context__


def test_a_database_that_is_not_there_is_refused(read_postgres):
    reader_of(read_postgres, schema="nix")
    with pytest.raises(AccessRefusedError, match="has no database of that name"):
        read_postgres()


def test_a_server_that_is_not_there_is_down(shop, read):
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        reader_of(read, host="127.0.0.1", port=free.getsockname()[1])
        with pytest.raises(SourceDownError, match="cannot be reached") as caught:
            read()
    assert "geheim" not in str(caught.value)


def test_columns_that_may_not_be_read_are_named(shop, read):
    shop.make_orders()
    shop.put(1)
    columns = ["id", "changed", "status", "currency", "total_amount", "ordered_at"]
    give_reader(shop, f"select ({', '.join(columns)}) on orders")
    reader_of(read)
    assert read() == 1
    give_reader(shop)
    if shop.type == "postgres":
        shop.run(f"revoke select ({', '.join(columns[4:])}) on orders from reader")
        with pytest.raises(AccessRefusedError, match="may not read ordered_at, total_amount of"):
            read()
    else:
        give_reader(shop, "select (id) on orders", "insert (status) on orders")
        with pytest.raises(C360Error, match=r"no column changed \(for updated_at\)"):
            read()
        with pytest.raises(AccessRefusedError, match=r"may not read status of shop\.orders"):
            read({"updated_at": None, "constants": dict.fromkeys(columns[3:], "1")})


def test_the_check_says_what_a_night_would_meet(shop, read):
    shop.make_orders()
    give_reader(shop, "select on orders")
    reader_of(read)
    gone = {"from": "nix", "name": "orders_nix"}
    [orders, nix] = read.check(ORDERS, gone)
    assert (orders.table, orders.ok, nix.table, nix.ok) == ("orders", True, "orders_nix", False)
    assert "can be read and is empty; no index begins with changed" in orders.told
    assert "one on (changed, id) would help" in orders.told
    assert "no table" in nix.told
    shop.put(1)
    shop.run("create index recent on orders (changed, id)")
    [orders] = read.check(ORDERS)
    assert orders.told.endswith(".orders can be read; changes are found by index recent")
    [whole] = read.check({"updated_at": None})
    assert whole.told.endswith("each night reads all of it")


def test_the_extension_is_loaded_as_signed_from_its_wheel(postgres, tmp_path, catalogue):
    postgres.make_orders()
    assert Reader(postgres, tmp_path, catalogue.landing)() == 0


def test_a_missing_wheel_is_told(monkeypatch):
    monkeypatch.setattr(sql_database, "find_spec", lambda name: None)
    with pytest.raises(C360Error, match="cannot read mysql") as caught:
        sql_database.find_extension("mysql")
    assert caught.value.hint == f"Install duckdb-extension-mysql-scanner=={duckdb.__version__}."
