"""Who sees what: every role on every view, asked of a real PostgreSQL."""

# ruff: noqa: S608 - the SQL of tests is their own

import pytest
from factories import PROJECT, rows
from psycopg import errors
from serving_rig import PACKAGED_RULES, Office

from pipelines.catalogue import load_catalogue
from pipelines.publish import MARTS

AM_1, AM_2 = "am-1", "o'am"
HOME = {"city": "Leeds", "postal_code": "LS1", "age_years": 44, "gender": "female"}
PEOPLE = [
    {"country_code": "GB", "account_manager_id": AM_1, "is_marketing_allowed": True, **HOME},
    {"country_code": "GB", "account_manager_id": AM_2, "is_marketing_allowed": False},
    {"country_code": "IE", "account_manager_id": AM_1, "is_marketing_allowed": True},
    {"country_code": "CN", "account_manager_id": None, "is_marketing_allowed": False},
    {"country_code": "CN", "account_manager_id": AM_2, "is_marketing_allowed": True},
    {"country_code": None, "account_manager_id": AM_1, "is_marketing_allowed": None},
]
# Nobody's customer: in no row of customer_360, as one that was merged away.
STRAY, ROWS_OF_OTHERS = 7, 2
ALL_BUT_STRAY = {1, 2, 3, 4, 5, 6}
LOGINS = {
    "ana": {"country_code": ["GB", "IE"]},
    "wei": {"country_code": ["CN"], "account_manager_id": [AM_1, AM_2]},
    "am 2": {"account_manager_id": [AM_2]},
}
# Login, role, its groups of marts, the customers it sees.
SEEN = [
    ("dash", "dashboard", ["sums"], set()),
    ("andy", "analyst", ["sums", "customers"], {*ALL_BUT_STRAY, STRAY}),
    ("ana", "region_analyst", ["customers"], {1, 2, 3}),
    ("wei", "region_analyst", ["customers"], {4, 5}),
    ("am 2", "account_manager", ["customers"], {2, 5}),
    ("mark", "marketing", ["sums", "customers", "lists"], {1, 3, 5}),
    ("stew", "steward", ["sums", "customers", "lists", "records"], {*ALL_BUT_STRAY, STRAY}),
    ("new", "region_analyst", ["customers"], set()),  # in no line of `logins`
]
GROUPS = PACKAGED_RULES["groups"]


def everything():
    """Every mart: a row for each customer and the stray, or two rows that are nobody's."""
    ids = [f"c{n}" for n in range(1, STRAY + 1)]
    marts = {}
    for name, group in MARTS.items():
        told = [{} for _ in range(ROWS_OF_OTHERS)]
        if "customer_id" in load_catalogue(PROJECT)[group, name].schema:
            told = [{"customer_id": customer} for customer in ids]
        marts[name] = rows(name, *told, group=group)
    people = [{"customer_id": c} | p for c, p in zip(ids, PEOPLE, strict=False)]
    marts["customer_360"] = rows("customer_360", *people, group="models")
    return marts


@pytest.fixture(scope="module")
def bank(postgres_server, tmp_path_factory):
    with (
        pytest.MonkeyPatch.context() as environment,
        Office.opened(postgres_server, tmp_path_factory.mktemp("bank"), environment) as office,
    ):
        office.configure(logins=LOGINS)
        office.release(everything())
        office.serve()
        for login, role, *_ in SEEN:
            office.hire(login, role)
        yield office


def test_every_role_sees_exactly_its_columns_and_rows_of_every_view(bank):
    catalogue = load_catalogue(PROJECT)
    checked = 0
    for login, role, groups, visible in SEEN:
        with bank.connect(login, autocommit=True) as connection:
            marts = {mart for group in groups for mart in GROUPS[group]}
            found = "select table_name from information_schema.tables where table_schema = %s"
            there = {name for (name,) in connection.execute(found, [f"c360_{role}"])}
            assert there == marts | {"current_release"}, role
            for mart in MARTS:
                if mart not in marts:
                    with pytest.raises(errors.UndefinedTable):
                        connection.execute(f"select from c360_{role}.{mart}")
                    continue
                told = connection.execute(f"select * from c360_{role}.{mart}")
                dataset = catalogue[MARTS[mart], mart]
                assert [c.name for c in told.description] == list(dataset.schema), (login, mart)
                known = visible - {STRAY} if mart == "customer_360" else visible
                is_persons = "customer_id" in dataset.schema
                assert told.rowcount == (len(known) if is_persons else ROWS_OF_OTHERS), (
                    login,
                    mart,
                )
                if is_persons:
                    position = list(dataset.schema).index("customer_id")
                    assert {row[position] for row in told} == {f"c{n}" for n in known}
                checked += 1
    assert checked == 15 + (15 + 22) + 22 + 22 + 22 + (15 + 22 + 2) + 46 + 22


def test_every_mart_is_in_one_group_so_that_somebody_has_thought_of_it():
    grouped = [mart for marts in GROUPS.values() for mart in marts]
    assert sorted(grouped) == sorted(MARTS), "put the mart into a group of serving.yml"


@pytest.mark.parametrize(
    ("login", "role", "row"),
    [
        ("andy", "analyst", ("***", "***", None, "***")),
        ("ana", "region_analyst", ("***", "***", None, "***")),
        ("mark", "marketing", ("Leeds", "LS1", 44, "female")),
        ("stew", "steward", ("Leeds", "LS1", 44, "female")),
    ],
)
def test_a_masked_column_is_there_and_does_not_tell(bank, login, role, row):
    asked = "select city, postal_code, age_years, gender, kind, order_count"
    where = f"from c360_{role}.customer_360 where customer_id = 'c%s'"
    assert bank.ask(f"{asked} {where % 1}", login)[0][:4] == row
    assert bank.ask(f"{asked} {where % 3}", login)[0][:4] == (None,) * 4


@pytest.mark.parametrize(
    ("login", "role", "key"),
    [
        ("andy", "analyst", "***"),
        ("am 2", "account_manager", "***"),
        ("mark", "marketing", "***"),
        ("stew", "steward", "churn_causes-5"),
    ],
)
def test_the_record_of_a_cause_of_churn_is_named_to_stewards_only(bank, login, role, key):
    asked = f"select source_record_id from c360_{role}.churn_causes where customer_id = 'c5'"
    assert bank.ask(asked, login) == [(key,)]


def test_what_is_masked_cannot_be_searched_for_either(bank):
    found = "select count(*) from c360_analyst.customer_360 where city = 'Leeds' or age_years = 44"
    assert bank.ask(found, "andy") == [(0,)]
    assert bank.ask(found.replace("analyst", "marketing"), "mark") == [(1,)]


OTHERS = [
    pytest.param("select from c360.customer_360", id="the table"),
    pytest.param("select from c360_r1.customer_360", id="a release"),
    pytest.param("select from c360.logins", id="whose rows others see"),
    pytest.param("select from c360.pointer", id="the pointer"),
    pytest.param("select from c360_steward.customer_360", id="the view of another role"),
    pytest.param("update c360_region_analyst.customer_360 set kind = 'x'", id="write"),
    pytest.param("delete from c360_region_analyst.customer_360", id="delete"),
    pytest.param("create table c360_region_analyst.mine (x int)", id="make a table"),
    pytest.param("create view c360.mine as select 1", id="make a view"),
    pytest.param("copy (select 1) to '/tmp/c360-told'", id="write a file"),
    pytest.param("select pg_read_file('/etc/passwd')", id="read a file"),
    pytest.param("set role c360_region_analyst_owner", id="become the owner"),
    pytest.param("set role c360_steward", id="become another"),
    pytest.param(
        "alter view c360_region_analyst.audience set (security_barrier = false)", id="alter"
    ),
]


@pytest.mark.parametrize("attempt", OTHERS)
def test_a_role_can_do_nothing_but_read_its_views(bank, attempt):
    with pytest.raises(errors.InsufficientPrivilege):
        bank.ask(attempt, "ana")


def test_a_function_of_ones_own_is_never_shown_the_rows_of_others(bank):
    notices = []
    with bank.connect("ana", autocommit=True) as connection:
        connection.add_notice_handler(lambda notice: notices.append(notice.message_primary))
        connection.execute(
            "create function pg_temp.leak(text) returns boolean language plpgsql cost 0.0001 as "
            "$$ begin raise notice '%', $1; return true; end $$"
        )
        asked = "select count(*) from c360_region_analyst.audience where pg_temp.leak(customer_id)"
        assert connection.execute(asked).fetchone() == (3,)
    assert set(notices) == {"c1", "c2", "c3"}


def test_no_view_or_table_is_owned_by_who_is_above_policies(bank):
    owned = bank.ask(
        "select relkind::text, count(*), "
        "count(*) filter (where rolsuper or rolbypassrls or rolcanlogin) "
        "from pg_class join pg_roles on pg_roles.oid = relowner "
        "join pg_namespace on pg_namespace.oid = relnamespace "
        "where nspname like 'c360%' and relkind in ('v', 'p', 'r') group by 1 order by 1"
    )
    views = 15 + 37 + 22 + 22 + 39 + 46 + 6
    assert owned == [("p", 46, 0), ("r", 46 + 5, 0), ("v", views, 0)]
    policed = "select count(*) filter (where relrowsecurity and relforcerowsecurity) from pg_class"
    assert bank.ask(f"{policed} where relkind = 'p'") == [(46,)]
    barred = "select count(*) from pg_class where reloptions @> '{security_barrier=true}'"
    assert bank.ask(f"{barred} and relnamespace::regnamespace::text like 'c360%'") == [(views,)]


def test_the_table_itself_shows_the_owner_of_a_view_no_more_than_its_policy(bank):
    with bank.connect(autocommit=True) as connection:
        for role, count in {
            "marketing": 3,
            "analyst": 7,
            "region_analyst": 0,
            "dashboard": None,
        }.items():
            connection.execute(f"set role c360_{role}_owner")
            if count is None:
                with pytest.raises(errors.InsufficientPrivilege):
                    connection.execute("select from c360.audience")
            else:
                found = connection.execute("select count(*) from c360.audience").fetchone()
                assert found == (count,), role
            connection.execute("reset role")


def test_columns_and_views_are_described(bank):
    described = bank.ask(
        "select count(*), count(col_description(attrelid, attnum)) from pg_attribute "
        "where attrelid = 'c360_analyst.customer_360'::regclass and attnum > 0"
    )
    assert described[0][0] == described[0][1] > 200
    assert bank.ask("select obj_description('c360_analyst.audience'::regclass) is not null")[0][0]
