import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.identity import normalise
from pipelines.identity.normalise import (
    normalise_email,
    normalise_handle,
    normalise_identifiers,
    normalise_phone,
)


@pytest.mark.parametrize(
    ("written", "country", "compared"),
    [
        ("+86 138-0013-8001", "CN", "+8613800138001"),
        ("+86 138-0013-8001", "GB", "+8613800138001"),
        ("0086 138 0013 8001", "CN", "+8613800138001"),
        ("13800138001", "CN", "+8613800138001"),
        ("138 0013 8001 ", "CN", "+8613800138001"),
        ("１３８００１３８００１", "CN", "+8613800138001"),
        ("＋８６１３８００１３８００１", "GB", "+8613800138001"),
        ("tel:+8613800138001", "CN", "+8613800138001"),
        ("010-5992 8888", "CN", "+861059928888"),
        ("(020) 7946 0958", "GB", "+442079460958"),
        ("+44 (0)20 7946 0958", "CN", "+442079460958"),
        ("020 7946 0958 ext. 12", "GB", "+442079460958"),
        ("(650) 253-0000", "US", "+16502530000"),
        ("011 44 20 7946 0958", "US", "+442079460958"),
        ("02 3661 8300", "IT", "+390236618300"),
    ],
)
def test_a_phone_number_is_compared_in_e164(written, country, compared):
    assert normalise_phone(written, country) == compared


@pytest.mark.parametrize(
    ("written", "country"),
    [
        ("", "CN"),
        ("   ", "CN"),
        ("12345", "CN"),
        ("110", "CN"),
        ("00000000000", "CN"),
        ("138001380010", "CN"),
        ("13800138001 / 13800138002", "CN"),
        ("+999 123456789", "CN"),
        ("unknown", "CN"),
        ("+", "GB"),
        ("1" * 300, "CN"),
        ("(020) 7946 0958", "US"),
    ],
)
def test_a_number_that_cannot_exist_is_compared_with_nothing(written, country):
    assert normalise_phone(written, country) is None


@pytest.mark.parametrize(
    ("written", "compared"),
    [
        ("Li.Wei@Example.COM", "li.wei@example.com"),
        ("  li.wei@example.com\n", "li.wei@example.com"),
        ("user.name+nyc@example.com", "user.name+nyc@example.com"),
        ("user.name@gmail.com", "user.name@gmail.com"),
        ("ｌｉ．ｗｅｉ＠ｅｘａｍｐｌｅ．ｃｏｍ", "li.wei@example.com"),
        ("info@BÜCHER.de", "info@xn--bcher-kva.de"),
        ("用户@例子.中国", "用户@xn--fsqu00a.xn--fiqs8s"),
        ("o'brien@example.com", "o'brien@example.com"),
    ],
)
def test_an_email_is_compared_in_lower_case_with_an_ascii_domain(written, compared):
    assert normalise_email(written) == compared


@pytest.mark.parametrize(
    "written",
    [
        "", "@", "a@", "@example.com", "none", "a b@example.com", "a@b", "a..b@example.com",
        ".a@example.com", "a.@example.com", "a@example..com", "a@-example.com", "a@example.com.",
        "a@localhost", "a@nowhere.invalid", "a@x.test", "a@[127.0.0.1]", "Li Wei <a@example.com>",
        "a@b@example.com", "a@exa mple.com", "a,b@example.com", "a@example.com\0",
        "a@" + "b" * 64 + ".com", "a@" + "b." * 130 + "com", '"a b"@example.com',
    ],
)  # fmt: skip
def test_what_is_no_email_is_compared_with_nothing(written):
    assert normalise_email(written) is None


@pytest.mark.parametrize(
    ("written", "compared"),
    [
        ("@LiWei", "liwei"),
        (" liwei ", "liwei"),
        ("＠LiWei", "liwei"),
        ("@@li", "li"),
        ("@ li", "li"),
        ("李伟", "李伟"),
        ("@", None),
        ("", None),
        ("  ", None),
    ],
)
def test_a_handle_is_compared_without_case_and_at_sign(written, compared):
    assert normalise_handle(written) == compared


ADDRESSES = st.one_of(
    st.text(max_size=40),
    st.builds(
        "{}@{}.{}".format,
        st.text("aZ9._+-é'中 ", max_size=70),
        st.text("aZ9.-éß中", max_size=70),
        st.sampled_from(["com", "COM", "co.uk", "test", "invalid", "c", "中国", "", "1"]),
    ),
)


@settings(deadline=None)
@given(ADDRESSES)
def test_the_short_way_for_plain_addresses_says_what_the_parser_says(written):
    plain = normalise.unicodedata.normalize("NFKC", written).strip()
    assert normalise_email(written) == normalise._parse_email(plain)


@settings(deadline=None)
@given(st.one_of(ADDRESSES, st.emails()))
def test_comparing_an_email_twice_changes_nothing(written):
    once = normalise_email(written)
    assert once is None or normalise_email(once) == once


@settings(deadline=None)
@given(st.text(max_size=40), st.sampled_from(["CN", "GB", "US", "IT", "XX"]))
def test_comparing_a_phone_or_handle_twice_changes_nothing(written, country):
    phone, handle = normalise_phone(written, country), normalise_handle(written)
    assert phone is None or normalise_phone(phone, "GB") == phone
    assert handle is None or normalise_handle(handle) == handle


WRITTEN = pl.DataFrame(
    [
        ("email", "A@example.com", ""),
        ("email", "broken", ""),
        ("phone", "138 0013 8001", ""),
        ("phone", "138 0013 8001", "CN"),
        ("phone", "(020) 7946 0958", "GB"),
        ("phone", "(020) 7946 0958", "ZZ"),
        ("social_handle", "@Li", ""),
        ("external_userid", " wmAbC ", ""),
        ("unionid", "  ", ""),
        ("user_id", "U-1", ""),
    ],
    schema=["id_type", "raw_value", "country_code"],
    orient="row",
)


def compared(frame):
    keyed = normalise_identifiers(frame, "CN")
    return {tuple(row[:3]): row[3] for row in keyed.iter_rows()}


def test_each_kind_of_identifier_is_compared_by_its_own_rule():
    assert compared(WRITTEN) == {
        ("email", "A@example.com", ""): "a@example.com",
        ("email", "broken", ""): None,
        ("phone", "138 0013 8001", ""): "+8613800138001",
        ("phone", "138 0013 8001", "CN"): "+8613800138001",
        ("phone", "(020) 7946 0958", "GB"): "+442079460958",
        ("phone", "(020) 7946 0958", "ZZ"): "+862079460958",  # read as one of Guangzhou
        ("social_handle", "@Li", ""): "li",
        ("external_userid", " wmAbC ", ""): "wmAbC",
        ("unionid", "  ", ""): None,
        ("user_id", "U-1", ""): "U-1",
    }


def test_no_identifiers_at_all_are_a_frame_with_the_column():
    empty = normalise_identifiers(WRITTEN.clear(), "CN")
    assert empty.schema == {**WRITTEN.schema, "value": pl.String}


def test_many_numbers_spread_over_the_cores_are_compared_the_same(monkeypatch):
    numbers = WRITTEN.select(
        pl.lit("phone").alias("id_type"),
        (pl.int_range(13800130000, 13800130000 + 20).cast(pl.String)).alias("raw_value"),
        pl.lit("CN").alias("country_code"),
    )
    plain = compared(numbers)
    assert all(plain.values())
    monkeypatch.setattr(normalise, "POOL_FROM", 10)
    monkeypatch.setattr(normalise, "CHUNK", 7)
    assert compared(numbers) == plain


def test_without_a_country_only_an_international_number_is_one():
    assert normalise_phone("+44 20 7123 4567", None) == "+442071234567"
    assert normalise_phone("020 7123 4567", None) is None
