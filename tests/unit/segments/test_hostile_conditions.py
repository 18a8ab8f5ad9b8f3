"""What is no condition is refused with a sentence, whatever it would do elsewhere."""

import pytest

from pipelines.errors import C360Error
from pipelines.segments.condition import read_conditions
from tests.unit.segments.list_people import AUDIENCE, segment

HOSTILE = [
    "", " ", ";", "--", "/* */", "(", "grade =", "grade = 'A", "where grade = 'A'", "grade 'A'",
    "grade = 'A'; drop table audience", "grade = 'A'; grade = 'B'", "; grade = 'A'",
    "grade = 'A' -- and not is_guest", "grade = 'A' /* and */ or true", "grade = 'A' # x",
    "select 1", "select * from audience", "drop table audience",
    "copy audience to '/tmp/c360_hostile'",
    "attach '/tmp/c360_hostile' as x", "install httpfs", "pragma database_list", "set x = 1",
    "order_count in (select order_count from audience)", "exists (select 1)", "(select 1) = 1",
    "order_count = (select max(order_count) from audience)", "order_count > all (select 1)",
    "city in (select * from read_csv('/etc/passwd'))", "read_csv('/etc/passwd') is not null",
    "read_text('/etc/passwd') = ''", "city in (table '/etc/passwd')", "'/etc/passwd' = any(city)",
    "upper(city) = 'LONDON'", "length(city) > 3", "city || 'x' = 'x'", "city like 'L%'",
    "city ilike 'l%'", "city similar to 'L.*'", "regexp_matches(city, '(a+)+$')", "city ~ 'L'",
    "getenv('C360_PSEUDONYM_KEY') = ''", "current_setting('home_directory') = ''",
    "version() = ''",
    "now() > first_order_on", "current_date > first_order_on", "random() < 0.5",
    "current_user = 'x'",
    "count(*) > 1", "row_number() over () < 9", "order_count + 1 > 2", "order_count % 2 = 0",
    "order_count::varchar = '1'", "cast(order_count as varchar) = '1'",
    "date 'now' = first_order_on",
    "cast(city as date) = first_order_on", "try_cast('x' as date) = first_order_on",
    "date '2026-02-30' = first_order_on", "timestamp '2026-01-01 00:00:00' > first_order_on",
    "audience.grade = 'A'", "main.audience.grade = 'A'", "customer_contacts.full_name = 'Li'",
    "full_name = 'Li'", "rowid = 1", "*", "* = 1", "columns(*) = 1", "Grade = 'A'", "gradе = 'A'",
    '"grade; drop table audience" = 1', '"grade" "x" = 1', '"no""such" = 1', "[grade] = 'A'",
    "`grade` = 'A'", "grade = \"A\"", "{{ env_var('X') }}", "grade = '{{ x }}' or {{ true }}",
    "{% if true %} true {% endif %}", "${grade} = 'A'", "$1 = 'A'", "? = 'A'", ":x = 'A'",
    "@x = 'A'",
    "$$A$$ = grade", "E'A' = grade", "x'41' = grade", "case when true then true end",
    "if(true, true, false)",
    "lambda x: x", "x -> x", "list_filter([1], x -> true) = [1]", "struct_pack(a := 1) = {'a': 1}",
    "(grade, city) = ('A', 'B')", "grade in ()", "grade in city", "grade is 'A'", "1 is 1",
    "order_count between symmetric 3 and 1",
    "grade = 'A' collate nocase",
    "grade = any(['A'])", "grade[1] = 'A'", "not", "and",
    "or true",
    "true and", "coalesce() = 1", "grade = 'A' limit 1", "grade = 'A' union select 1",
    "1 = 1 order by 1",
    "(" * 900 + "true" + ")" * 900, "not " * 400 + "true", "- " * 900 + "1 = 1", "(" * 5000,
    "true" + " or true" * 1000, "grade = '" + "A" * 3000 + "'", "grade = 'A'\0; drop table x",
    "ｇｒａｄｅ = 'A'",
    # Files, secrets and settings of the machine, by whatever name an engine has for them.
    "pg_read_file('/etc/passwd') is null", "read_blob('/etc/shadow') is not null",
    "glob('/etc/*') is not null", "duckdb_secrets() is null", "which_secret('x', 's3') is null",
    "query('select 1') = 1", "query_table('audience') = 1", "pg_sleep(99) is null",
    "system('id') = 0", "events(getenv('HOME'), 3) > 1", "on_list(read_text('/etc/passwd'))",
    # Names that are none: homoglyphs, full width, other case, dots, quotes, keywords.
    "ɡrade = 'A'", "grаde = 'A'", "grade\u200b = 'A'", "\u202egrade = 'A'", "GRADE = 'A'",
    "\"a.b\" = 1", "\"audience\".\"grade\" = 'A'", "grade.city = 'A'", "rowid.x is null", "_ = 1",
    # Numbers and divisions.
    "order_count > 1e999", "order_count > 1e5", "order_count > 99999999999999999999",
    "order_count > 0.1234567891", "order_count = 1/0", "order_count > nan",
    "order_count > infinity",
    "order_count > 0x1f", "order_count > 1__0", "order_count > --1", "order_count > 5 5",
    "order_count > 'nan'",
    # Bombs.
    "city like '%%%%%%%%%%%%%%%%%%%%%%%%%%x'", "city similar to '(a*)*b'",
    "order_count in (" + ", ".join(map(str, range(2000))) + ")", "grade = '" + "''" * 2000 + "'",
    "((((((((((((((((((((((is_guest))))))))))))))))))))))",
    "not (" * 30 + "is_guest" + ")" * 30,
    # The traps of null.
    "grade = null", "grade <> null", "null = grade", "grade in ('A', null)",
    "grade not in ('A', null)", "order_count between null and 3", "order_count between 1 and null",
    "null", "null = null", "null is null", "not null", "grade is distinct from null",
    "coalesce(order_count, null) > 1", "nullif(order_count, 1) = 2", "isnull(grade)",
    # What says nothing of the customer, or nothing at all.
    "1 = 1", "'a' = 'a'", "2 > 1", "1 between 0 and 2", "'A' in ('A')",
    "order_count between 3 and 1",
    "coalesce(1, 2) = 1", "true = true",
    # Functions that we have, called as we do not.
    "events()", "events('order')", "events('order', 90)", "events(order, 90) > 0",
    "events('order', '90') > 0", "events('order', 0) > 0", "events('order', -1) > 0",
    "events('order', 731) > 0", "events('order', 1.5) > 0", "events('order', order_count) > 0",
    "events('ordr', 9) > 0", "events('click', 7, 'Shoes') > 0", "events('view', 7, city) > 0",
    "events('view', 7, 'Shoes', 'Tea') > 0", "events('view', 7, null) > 0",
    "events('order', 90) = 'many'", "days_since_event() > 1", "days_since_event(click) > 1",
    "days_since_event('click')", "days_since_event('click', 7) > 1", "on_list()", "on_list(vip)",
    "on_list('no_such_list')", "on_list('A list')", "on_list('a', 'b')", "on_list('a_list')",
    "on_list('../../etc/passwd')", "coalesce(grade)", "event('order', 90) > 0",
    # Dates.
    "first_order_on > '2026-01-01'", "first_order_on > date '2026-1-1'",
    "first_order_on > date '2026-02-30'", "first_order_on > date 'infinity'",
    "first_order_on > as_of - 30", "first_order_on > as_of - interval 1 month",
    "first_order_on > as_of - interval '1 year'", "first_order_on > as_of - interval 99999 days",
    "first_order_on > as_of - interval order_count days", "order_count > 3 - interval 1 day",
    "first_order_on > as_of * interval 3 days", "first_order_on > interval 3 days",
    "as_of - first_order_on > 30", "first_order_on > today", "first_order_on > now",
    # Kinds that do not fit, and chains.
    "grade", "order_count", "as_of", "1", "'x'", "grade > 'B'", "grade between 'A' and 'C'",
    "is_guest > false", "grade and true", "order_count in ('1')", "order_count in (1, 'b')",
    "city in (grade)", "1 < order_count < 3", "grade = 'A' = true", "is_guest = (grade = 'A')",
    "grade = 'A' is null", "(grade = 'A') is null", "coalesce(grade, 1) = 1",
    "coalesce(grade = 'A', false)", "grade = is_guest", "- order_count > 3",
    "grade = 'A''", "grade = A'", "'", "grade = ''A''", "grade = 'A' 'B'",
    "grade == = 'A'", "grade = 'A' and", "grade = 'A',", ", grade = 'A'", "()", "grade () 'A'",
    "\x1b[31mgrade = 'A'", "grade = 'A\x07'", "grade = 'A'\r", "grade = '\ud800'",
    "is_guest\nunion\nselect\ntrue", "is_guest and exists(values (1))",
    "is_guest and (from audience)",
    "is_guest filter (where true)", "is_guest at time zone 'UTC'", "position('a' in city) > 0",
    "extract(year from as_of) = 2026", "as_of::text = ''", "trim(city) = ''", "is_guest as x",
]  # fmt: skip


@pytest.mark.parametrize(
    "where", HOSTILE, ids=lambda text: text[:40].encode("unicode_escape").decode()
)
def test_whatever_is_more_than_a_condition_over_the_audience_is_refused_with_a_sentence(where):
    with pytest.raises(C360Error) as refused:
        read_conditions([segment(where)], AUDIENCE)
    message, hint = refused.value.message, refused.value.hint
    assert message.startswith("Segment a_list: ")
    assert message.endswith(".")
    assert len(message) < 420
    assert message.isprintable()
    assert "docs/segments.md" in hint


def test_every_hostile_text_is_another():
    assert len(set(HOSTILE)) == len(HOSTILE) > 200


@pytest.mark.parametrize(
    ("where", "told"),
    [
        ("grade = null", "nothing is ever = null; write grade is null"),
        ("grade <> null", "nothing is ever <> null; write grade is not null"),
        ("grade not in ('A', null)", "`not in` a list with null is never true"),
        ("grade >= 'B'", "texts have no order, so >= says nothing; write in ('A', 'B')"),
        ('grade = "A"', "texts stand in single quotes, 'A', and column names in none"),
        ("Grade = 'A'", "Grade is not a column of the audience; did you mean grade"),
        ("gradе = 'A'", "its е is no plain letter (U+0435, CYRILLIC SMALL LETTER IE)"),
        ("upper(city) = 'A'", "the functions are events, days_since_event, on_list and coalesce"),
        ("events('oder', 9) > 1", "there is no kind of event 'oder'; did you mean order"),
        ("events('click', 7, 'Tea') > 0", "click has no category of product"),
        ("city like 'L%'", "texts are compared whole: write = or in"),
        ("order_count + 1 > 2", "the only arithmetic is a date plus or minus days"),
        ("order_count = '1'", "order_count is a number and '1' is a text"),
        ("order_count between 3 and 1", "is never true: the lower value comes first"),
        ("1 = 1", "asks nothing of the customer"),
        ("", "write true for everybody"),
        ("exists (select 1)", "a condition asks nothing of other tables"),
        ("grade", "grade is a text, not yes or no"),
        ("first_order_on > as_of - interval 1 month", "is not in days; write interval 30 days"),
        ("grade = 'A'; drop table x", "; has no meaning in a condition"),
        ("grade\u200b = 'A'", "its character 6 is invisible (U+200B)"),
    ],
)
def test_the_sentence_says_what_to_write_instead(where, told):
    with pytest.raises(C360Error) as refused:
        read_conditions([segment(where)], AUDIENCE)
    assert told in refused.value.message


LONG = " and ".join(f"order_count <> {n}" for n in range(30))


@pytest.mark.parametrize(
    ("part", "shown"),
    [
        ("ordr_count > 3", "ordr_count is not a column"),
        ("grade = null", "nothing is ever = null"),
        ("1 = 1", "asks nothing of the customer"),
        ("grade 'A'", "it cannot be read at `'A'`"),
        ("grade = A'B'", "A'…' is no text"),
        ("grade ; true", "; has no meaning"),
        ('grade = "A"', "texts stand in single quotes"),
        ("city = 'it''s' # 1", "# has no meaning"),
        ("not (city in ('a', null))", "`not in` a list with null"),
        ("grade\u200b = 'A'", "is invisible"),
        ("grade = 'A", "a quote is not closed"),
        ("grade -- x", "no comments"),
    ],
)
@pytest.mark.parametrize(("before", "after"), [(LONG, LONG), (LONG, ""), ("", LONG)])
def test_of_a_long_condition_the_place_of_the_fault_is_shown(part, shown, before, after):
    where = " and ".join(filter(None, (before, part, after)))
    with pytest.raises(C360Error) as refused:
        read_conditions([segment(where)], AUDIENCE)
    cut = refused.value.message.split("`")[1]
    assert shown in refused.value.message
    assert part.replace("\u200b", "�")[:10] in cut
    assert len(cut) <= 82
    assert (cut.startswith("…"), cut.endswith("…")) == (bool(before), bool(after))


def test_a_short_condition_is_shown_whole():
    where = "grade = 'A' and order_count > 3 and\n  ordr_count > 3"
    with pytest.raises(
        C360Error, match="`grade = 'A' and order_count > 3 and ordr_count > 3` is not"
    ):
        read_conditions([segment(where)], AUDIENCE)


def test_a_refusal_never_quotes_what_a_terminal_would_obey():
    with pytest.raises(C360Error) as refused:
        read_conditions([segment("\x1b[31m = 'x'")], AUDIENCE)
    assert "\x1b" not in refused.value.message
