import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.identity import names
from pipelines.identity.chinese import is_pinyin, split_han
from pipelines.identity.names import normalise_names, read_company, read_name

WRITTEN = {
    "party": pl.String,
    "full_name": pl.String,
    "first_name": pl.String,
    "last_name": pl.String,
}


def profiles(*rows):
    return pl.DataFrame(rows, schema=WRITTEN, orient="row")


def parts_of(full=None, first=None, last=None):
    row = normalise_names(profiles(("person", full, first, last))).row(0, named=True)
    return row["given_key"], row["family_key"], row["han_name"], row["name_suffix"]


@pytest.mark.parametrize(
    "written",
    ["王超娜", "王 超娜", "超娜 王", "Wang Chaona", "Chaona Wang", "Chaona WANG", "WANG Chao Na",
     "Wang, Chaona", "Chao-Na Wang", "王超娜女士", "王超娜(销售部)", "ＷＡＮＧ　Ｃｈａｏｎａ"],
)  # fmt: skip
def test_a_chinese_name_is_compared_alike_in_every_order_and_writing(written):
    assert parts_of(written)[:2] == ("chaona", "wang")


@pytest.mark.parametrize(
    ("written", "given_key", "family_key"),
    [
        ("Robert Smith", "robert", "smith"),
        ("Smith, Robert", "robert", "smith"),
        ("Dr. Robert E. Smith PhD", "robert e", "smith"),
        ('Robert "Bob" Smith', "robert", "smith"),
        ("Zoë O'Neill", "zoe", "oneill"),
        ("Maria de la Cruz", "maria", "de la cruz"),
        ("Jean-Luc PICARD", "jean luc", "picard"),
        ("Chan Tai Man", "taiman", "chan"),
        ("김민준", "minjun", "gim"),
        ("ВАСИЛЬЕВ, Александр", "aleksandr", "vasilev"),
        ("欧阳娜娜", "nana", "ouyang"),
        ("陳大文", "dawen", "chen"),
        ("单雄信", "xiongxin", "shan"),
        ("吕布", "bu", "lu"),
        ("山本 太郎", "tailang", "shanben"),
        ("买买提·阿里", "maimaiti", "ali"),
        ("王伟 David Wang", "wei", "wang"),
        ("王小Emma", "emma", "wang"),
        ("小Emma Reed", "emma", "reed"),
        ("Mei Ling Chan", "meiling", "chan"),
        ("ReedEmma", "reed", "emma"),
        ("Emma MacLeod", "emma", "macleod"),
    ],
)
def test_a_name_is_split_by_the_rules_of_its_own_writing(written, given_key, family_key):
    assert parts_of(written)[:2] == (given_key, family_key)


@pytest.mark.parametrize("written", ["Lyu Bu", "Lü Bu", "Lv Bu", "LU Bu", "吕布"])
def test_the_vowel_that_has_no_latin_letter_has_one_spelling(written):
    assert set(parts_of(written)[:2]) == {"lu", "bu"}


@pytest.mark.parametrize(
    ("full", "first", "last", "expected"),
    [
        (None, "Robert", "Smith Sr", ("robert", "smith", None, "sr")),
        (None, "小Emma", "王", ("emma", "wang", None, None)),
        (None, "Robert Smith", "Smith", ("robert", "smith", None, None)),
        (None, "超娜", "王", ("chaona", "wang", "王超娜", None)),
        (None, "王", "超娜", ("chaona", "wang", "王超娜", None)),
        (None, "王超娜", "王", ("chaona", "wang", "王超娜", None)),
        (None, None, "王超娜", ("chaona", "wang", "王超娜", None)),
        (None, None, "Smith", (None, "smith", None, None)),
        (None, "Emma", None, ("emma", None, None, None)),
        ("Emma Reed", "Emma", None, ("emma", "reed", None, None)),
        ("Shown Name", "Emma", "Reed", ("emma", "reed", None, None)),
        (" ", " ", " ", (None, None, None, None)),
        ("未知", None, None, (None, None, None, None)),
        ("n/a", None, None, (None, None, None, None)),
    ],
)
def test_first_and_last_name_are_used_where_both_say_something(full, first, last, expected):
    assert parts_of(full, first, last) == expected


@pytest.mark.parametrize(
    ("written", "suffix"),
    [
        ("Robert Smith Sr", "sr"),
        ("Robert Smith, Senior", "sr"),
        ("Smith, Jr., Robert", "jr"),
        ("Smith, Robert, Jr", "jr"),
        ("Morris Klein II", "ii"),
        ("Robert Smith", None),
        ("Junior", None),
    ],
)
def test_a_generation_is_told_apart_from_the_name(written, suffix):
    assert parts_of(written)[3] == suffix
    assert parts_of(written)[0] is not None


@pytest.mark.parametrize("called", ["小娜", "阿娜", "老娜"])
def test_a_name_among_friends_is_a_given_name(called):
    assert parts_of(called) == ("na", None, called, None)


def test_a_screen_name_is_not_split():
    assert parts_of("阳光总在风雨后") == (None, None, "阳光总在风雨后", None)


def test_a_dual_family_name_is_known():
    assert split_han("司马懿") == ("司马", "懿")
    assert split_han("司明") == ("司", "明")


@pytest.mark.parametrize("text", ["xiaoming", "chao na", "lvyun"])
def test_syllables_of_mandarin_are_recognised(text):
    assert is_pinyin(text)
    assert not is_pinyin(text + "th")


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("Foo & Sons Trading Co., Ltd.", "foo and sons trading"),
        ("ＦＯＯ　Trading LTD", "foo trading"),
        ("Ferrari S.p.A.", "ferrari"),
        ("The Lego Group", "lego"),
        ("Müllenkranz GmbH & Co. KG", "mullenkranz"),
        ("上海华远科技有限公司", "shanghaihuayuankeji"),
        ("上海華遠科技股份有限公司", "shanghaihuayuankeji"),
        ("上海华远科技有限责任公司", "shanghaihuayuankeji"),
        ("上海华远科技（集团）有限公司", "shanghaihuayuankeji"),
        ("华远集团", "huayuan"),
        ("Bright Trading Ltd（7）", "bright trading 7"),
        ("株式会社ソニー", "soni"),
        ("Ltd", "ltd"),
    ],
)
def test_a_company_is_compared_without_its_legal_form(written, key):
    assert read_company(written).whole == key


def test_persons_and_organisations_have_only_their_own_keys():
    named = normalise_names(
        profiles(("organisation", "Acme Ltd", "x", "y"), ("person", "Emma Reed", None, None))
    )
    assert named["company_key"].to_list() == ["acme", None]
    assert named["given_key"].to_list() == [None, "emma"]
    assert named["full_name"].to_list() == ["Acme Ltd", "Emma Reed"]


def test_no_record_is_no_name():
    assert normalise_names(profiles()).columns[-5:] == [
        "given_key", "family_key", "han_name", "name_suffix", "company_key"
    ]  # fmt: skip


texts = st.none() | st.text(alphabet="ab WÉé王伟娜小,.·-'()김", max_size=8)


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["person", "organisation"]), texts, texts, texts)))
def test_a_name_does_not_depend_on_the_names_beside_it(rows):
    together = normalise_names(profiles(*rows))
    apart = [normalise_names(profiles(row)) for row in rows]
    assert together.rows() == [frame.row(0) for frame in apart]


@given(st.text(max_size=12))
def test_keys_are_plain_words(text):
    name = read_name(text)
    for key in (name.given, name.family, read_company(text).whole):
        assert key == " ".join(key.split())
        assert all(c.isascii() and (c.islower() or c.isdigit() or c == " ") for c in key)


def test_many_names_are_read_by_several_processes_alike(monkeypatch):
    rows = [("person", f"{first} {last}", None, None) for first in "abc" for last in ("Li", "王")]
    alone = normalise_names(profiles(*rows))
    monkeypatch.setattr(names, "POOL_FROM", 2)
    monkeypatch.setattr(names, "CHUNK", 4)
    assert normalise_names(profiles(*rows)).equals(alone)
