import re

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.identity.refs import RECORD, key_values, mint_id, read_ref, write_ref

KEY = b"a key of the tests"


def written(*records, end=""):
    schema = {f"{name}{end}": pl.String for name in RECORD}
    return (
        pl.DataFrame(list(records), schema=schema, orient="row")
        .select(ref=write_ref(end))["ref"]
        .to_list()
    )


@pytest.mark.parametrize(
    ("record", "ref"),
    [
        (("contact", "crm", "", "42"), "crm:42"),
        (("contact", "shop", "uk", "42"), "shop/uk:42"),
        (("account", "crm", "", "42"), "account=crm:42"),
        (("guest_order", "shop", "uk", "42"), "guest_order=shop/uk:42"),
        (("contact", "crm", "", "urn:li:7"), "crm:urn:li:7"),
        (("contact", "crm", "", "a/b=c #d"), "crm:a/b=c #d"),
        (("contact", "shop", "a/b", "42"), "shop/a/b:42"),
    ],
)
def test_a_record_is_written_as_people_name_it_and_read_back(record, ref):
    assert written(record) == [ref]
    assert read_ref(ref) == record


def test_a_contact_may_be_called_one():
    assert read_ref("contact=crm:42") == ("contact", "crm", "", "42")


@pytest.mark.parametrize(
    "ref", ["", "crm", "crm:", ":42", "edky2lnjnajvf5f4", "Crm:42", "order=shop:42", "+86138:1"]
)
def test_what_names_no_record_is_none(ref):
    assert read_ref(ref) is None


def test_each_end_of_a_pair_is_written_from_its_own_columns():
    pairs = pl.DataFrame(
        [("contact", "crm", "", "1", "account", "erp", "x", "2")],
        schema=[f"{name}_{end}" for end in "ab" for name in RECORD],
        orient="row",
    )
    assert pairs.select(a=write_ref("_a"), b=write_ref("_b")).row(0) == ("crm:1", "account=erp/x:2")


sources = st.from_regex(r"[a-z][a-z0-9_]{0,9}", fullmatch=True)
texts = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=9)
records = st.tuples(
    st.sampled_from(["contact", "account", "guest_order"]),
    sources,
    st.just("") | texts.filter(lambda account: ":" not in account),
    texts,
)


@given(st.lists(records, min_size=1, max_size=5))
def test_whatever_a_source_calls_its_records_each_is_found_again_by_its_reference(some):
    refs = written(*some)
    assert [read_ref(ref) for ref in refs] == some
    assert len(set(refs)) == len(set(some))


@given(st.lists(records, min_size=2, max_size=2, unique=True))
def test_two_records_mint_two_ids_and_one_record_one(two):
    one, other = (mint_id(record, KEY) for record in two)
    assert one != other
    assert mint_id(two[0], KEY) == one
    assert re.fullmatch("[a-z2-7]{16}", one)
    assert mint_id(two[0], b"another") != one


def test_a_value_has_a_pseudonym_by_its_type_and_the_key_and_shares_none_with_a_record():
    values = pl.DataFrame(
        {"id_type": ["email", "user_id", "email"], "value": ["li@x.com", "li@x.com", "li@x.com"]}
    )
    mail, login, again = key_values(values, KEY)
    assert mail == again
    assert len({mail, login, mint_id(("email", "li@x.com"), KEY)}) == 3
    assert key_values(values, b"another")[0] != mail
    assert key_values(values.clear(), KEY).to_list() == []
