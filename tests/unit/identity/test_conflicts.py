from datetime import date

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.identity.conflicts import find_conflicts
from pipelines.identity.names import normalise_names

RECORD = {
    "party": pl.String,
    "full_name": pl.String,
    "first_name": pl.String,
    "last_name": pl.String,
    "birth_date": pl.Date,
    "gender": pl.String,
}


def pair(records_a, records_b):
    return pl.concat(
        [
            normalise_names(pl.DataFrame(records, schema=RECORD, orient="row")).rename(
                lambda name, end=end: f"{name}_{end}"
            )
            for end, records in (("a", records_a), ("b", records_b))
        ],
        how="horizontal",
    )


def conflict(name_a, name_b, *, party="person", born=(None, None), genders=(None, None)):
    a, b = (
        (party, name, None, None, day, gender)
        for name, day, gender in zip((name_a, name_b), born, genders, strict=True)
    )
    return find_conflicts(pair([a], [b]))[0]


@pytest.mark.parametrize(
    ("name_a", "name_b"),
    [
        ("Robert Smith", "Bob Smith"),
        ("Robbie Smith", "Bob Smith"),
        ("B Smith", "Robert Smith"),
        ("J. Muir", "Jane Muir"),
        ("Robert Smith", "Robert E Smith"),
        ("Margaret Charney", "Peggie Charney"),
        ("Mohamed Antoun", "Mhd Antoun"),
        ("Emiily Reed", "Emily Reed"),
        ("Maria Sentosa", "Maria Medina"),
        ("Daniella Shaw", "Shaw Daniella"),
        ("Emma", "Smith Emma"),
        ("Susan Mooney", "Susanne Moony"),
        ("Mei Ling Tan", "Meiling Tan"),
        ("王超娜", "Wang Chaona"),
        ("王超娜", "Chaona WANG"),
        ("王超娜", "小娜"),
        ("王超娜", "阿娜"),
        ("王伟", "老王"),
        ("王伟", "王"),
        ("超娜", "王超娜"),
        ("王偉", "王伟"),
        ("王晓明", "王小明"),
        ("吕娜", "Na Lyu"),
        ("Li Na", "Na Li"),
        ("王伟", "David Wang"),
        ("陳大文", "Chan Tai Man"),
        ("Chen Zhongwei", "Chen Zongwei"),
        ("王伟", None),
        ("小Emma Reed", "Reed, Emma"),
        ("Mei Ling Chan", "Chan Mei Ling"),
        ("Mitchell Ramsey", "Ramsyr Mitcehll"),
        ("Faisal Siddiqui", "فيصل صديقي"),
    ],
)
def test_two_writings_of_one_name_do_not_conflict(name_a, name_b):
    assert conflict(name_a, name_b) is None


@pytest.mark.parametrize(
    ("name_a", "name_b"),
    [
        ("Jim Muir", "Jane Muir"),
        ("Mark Kusha", "Mary Kusha"),
        ("Mark Kusha", "Marsha Kusha"),
        ("Patrick Smith", "Patricia Smith"),
        ("J Muir", "Robert Muir"),
        ("王伟", "王薇"),
        ("王伟", "李娜"),
        ("王娜", "王超娜"),
        ("王伟", "小娜"),
        ("王伟", "Emma Reed"),
        ("王伟", "Wang Na"),
        ("Xiaoming Wang", "Xiaoling Wang"),
    ],
)
def test_two_given_names_that_differ_conflict(name_a, name_b):
    assert conflict(name_a, name_b) == "given_name"


@pytest.mark.parametrize(
    ("day_a", "day_b", "reason"),
    [
        (date(1978, 11, 12), None, None),
        (date(1978, 11, 12), date(1978, 12, 11), None),
        (date(1978, 11, 12), date(1979, 11, 12), None),
        (date(1978, 11, 12), date(1987, 11, 12), None),
        (date(1978, 11, 12), date(1979, 12, 11), None),
        (date(1978, 11, 12), date(1900, 1, 1), None),
        (date(1978, 11, 12), date(1952, 3, 12), "birth_date"),
        (date(1978, 11, 12), date(1978, 3, 25), "birth_date"),
    ],
)
def test_birth_dates_conflict_beyond_a_typing_error(day_a, day_b, reason):
    assert conflict("John Smith", "John Smith", born=(day_a, day_b)) == reason


def test_a_second_name_in_one_field_is_no_conflict():
    whole = ("person", "Mei Ling Chan", None, None, None, None)
    parts = ("person", None, "Mei Ling", "Chan", None, None)
    assert find_conflicts(pair([whole], [parts]))[0] is None


def test_twins_conflict_and_an_unknown_name_of_the_same_day_does_not():
    day = date(1997, 9, 28)
    assert conflict("Mark Kusha", "Marsha Kusha", born=(day, day)) == "given_name"
    assert conflict("Tosin Adebayo", "Gbenga Adebayo", born=(day, day)) is None
    assert conflict("Tosin Adebayo", "Gbenga Adebayo") == "given_name"


def test_unknown_names_are_told_apart_only_between_two_who_share_something():
    one = ("person", "Tosin Adebayo", None, None, None, None)
    other = ("person", "Gbenga Adebayo", None, None, None, None)
    known = ("person", "Robert Adebayo", None, None, None, None)
    assert find_conflicts(pair([one], [other]), is_direct=False)[0] is None
    assert (
        find_conflicts(
            pair([known], [("person", "Sarah A", None, None, None, None)]), is_direct=False
        )[0]
        == "given_name"
    )


def test_names_that_are_merely_alike_conflict_when_the_genders_differ():
    assert conflict("Daniel Shaw", "Danielle Shaw") is None
    assert conflict("Daniel Shaw", "Danielle Shaw", genders=("male", "F")) == "given_name"
    assert conflict("王伟", "Lisa Wang", genders=("男", "女")) == "given_name"
    assert conflict("Robert Shaw", "Bob Shaw", genders=("male", "F")) is None


@pytest.mark.parametrize(
    ("name_a", "name_b", "reason"),
    [
        ("Robert Smith Sr", "Robert Smith Jr", "name_suffix"),
        ("Robert Smith Senior", "Smith, Robert, Sr.", None),
        ("Robert Smith II", "Robert Smith Jr", None),
        ("Robert Smith III", "Robert Smith Jr", "name_suffix"),
        ("Robert Smith", "Robert Smith Jr", None),
    ],
)
def test_father_and_son_conflict(name_a, name_b, reason):
    assert conflict(name_a, name_b) == reason


@pytest.mark.parametrize(
    ("name_a", "name_b", "reason"),
    [
        ("Acme Ltd", "ACME Limited", None),
        ("Univrsl Export Inc", "Universal Exports, USA", None),
        ("IBM", "International Business Machines Corp.", None),
        ("上海华远科技有限公司", "华远科技", None),
        ("上海华远科技有限公司", "Huayuan Technology Ltd", None),
        ("上海华远科技有限公司", "上海新邦科技有限公司", "company_name"),
        ("上海第一中学", "上海第二中学", "company_name"),
        ("Bright Trading Ltd (7)", "Bright Trading Ltd (8)", "company_name"),
        ("Acme Ltd", "Bright Trading Ltd", "company_name"),
    ],
)
def test_companies_conflict_when_their_names_clearly_differ(name_a, name_b, reason):
    assert conflict(name_a, name_b, party="organisation") == reason


def test_a_person_and_an_organisation_conflict():
    person = ("person", "Acme", None, None, None, None)
    company = ("organisation", "Acme", None, None, None, None)
    assert find_conflicts(pair([person], [company]))[0] == "party"


def test_no_pair_has_no_conflict():
    assert find_conflicts(pair([], [])).len() == 0


names = st.sampled_from(
    ["Robert Smith", "Bob Smith Jr", "B Smith", "R. Smith Sr", "Smith Emma", "Emma", "王伟", "王薇",
     "小娜", "王超娜", "Wang Wei", "David Wang", "Chan Tai Man", "老王", "Mark Kusha", "Marsha K",
     "Acme Ltd", "华远科技", "北京华远科技（2）", "Bright Trading", None]
)  # fmt: skip
days = st.none() | st.dates(date(1978, 1, 1), date(1988, 12, 31))
records = st.tuples(
    st.sampled_from(["person", "organisation"]),
    names,
    st.none(),
    st.none(),
    days,
    st.sampled_from([None, "male", "F", "unknown"]),
)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(records, records), min_size=1, max_size=8))
def test_a_conflict_is_the_same_from_both_sides_and_in_any_company(pairs):
    left, right = ([one[end] for one in pairs] for end in (0, 1))
    there = find_conflicts(pair(left, right)).to_list()
    assert find_conflicts(pair(right, left)).to_list() == there
    assert [find_conflicts(pair([a], [b]))[0] for a, b in pairs] == there


@settings(deadline=None, max_examples=50)
@given(records)
def test_no_record_conflicts_with_itself(record):
    assert find_conflicts(pair([record], [record]))[0] is None
