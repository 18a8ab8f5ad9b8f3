"""Homes: written in many ways, one home is one; two homes are never one."""

import unicodedata

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from pipelines.identity.households import HOMES, fold_text, read_homes

SPACERS = st.text(" ,.-/#·，。、－（）\t", min_size=0, max_size=3)
WORDS = st.text("abcxyzéßЖ中山路号室", min_size=1, max_size=5)
NUMBERS = st.integers(0, 999).map(str)
PROFILE = {
    "party": "person", "family_key": "lee", "street": "1 Elm St", "city": "Dallas",
    "postal_code": "75001", "country_code": "US",
}  # fmt: skip


def folded(*texts: str) -> list[str]:
    return pl.DataFrame({"text": texts}).select(fold_text(pl.col("text"))).to_series().to_list()


def homes(*profiles: dict[str, str | None]) -> pl.DataFrame:
    rows = [PROFILE | profile for profile in profiles]
    frame = pl.DataFrame(rows, schema=dict.fromkeys(PROFILE, pl.String)).with_row_index("node")
    return read_homes(frame)


def full_width(text: str) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)


def keys_of(*profiles: dict[str, str | None]) -> list[tuple[str | None, ...]]:
    return homes(*profiles).select("family_key", *HOMES).rows()


@given(st.lists(WORDS, min_size=1, max_size=4), st.data())
def test_an_address_is_the_same_however_it_is_spaced_cased_and_punctuated(words, data):
    spaced = [word + data.draw(SPACERS) for word in words]
    written = "".join(spaced)
    assert len(set(folded("".join(words), written, written.upper().lower()))) == 1
    assert folded(full_width(written)) == folded(written)
    assert folded(unicodedata.normalize("NFD", written)) == folded(written)


@given(st.lists(NUMBERS, min_size=1, max_size=5), st.lists(NUMBERS, min_size=1, max_size=5))
def test_numbers_beside_each_other_are_never_read_as_one(some, others):
    one, other = folded("-".join(some), " / ".join(others))
    assert (one == other) == (some == others)


@given(NUMBERS, NUMBERS)
def test_homes_of_two_numbers_are_two_homes(one, other):
    first, second = keys_of({"street": f"{one} Elm St"}, {"street": f"Elm St. {other}"})
    assert first != second
    first, second = keys_of({"street": f"{one} Elm St"}, {"street": f"{other} elm st."})
    assert (first == second) == (one == other)


def test_a_street_and_a_postal_code_make_a_home_and_so_do_street_city_and_country():
    by_both, by_code, by_city, by_neither = keys_of(
        {},
        {"city": None, "country_code": None},
        {"postal_code": " "},
        {"postal_code": None, "country_code": None},
    )
    assert by_code[1:] == (by_both[1], None)
    assert by_city[1:] == (None, by_both[2])
    assert by_neither[1:] == (None, None)


def test_a_street_without_a_number_is_no_home():
    assert (
        keys_of({"street": "Elm St"}, {"street": None}, {"street": "中山路十二号"})
        == [("lee", None, None)] * 3
    )
    assert keys_of({"street": "Elm St １２"})[0][1] is not None


def test_the_parts_of_an_address_do_not_run_into_each_other():
    one, other = keys_of(
        {"street": "1 Elm", "postal_code": "23"}, {"street": "1 Elm 2", "postal_code": "3"}
    )
    assert one[1] != other[1]


def test_only_persons_whose_name_tells_a_family_have_a_home():
    found = homes({}, {"party": "organisation"}, {"family_key": None})
    assert found["node"].to_list() == [0]


def test_nobody_at_all_has_no_home():
    assert homes().is_empty()
