import polars as pl
import pytest
from factories import rows

from pipelines.privacy.references import record_key
from pipelines.privacy.subjects import find_keys, record_keys

ME = record_key("contact", "crm", "", "77")


@pytest.fixture
def keys_of(catalogue):
    """The keys beside the record itself, as words."""

    def find(**tables: list[dict]) -> set[str]:
        frames = {
            name: rows(name, *({"source": "crm"} | row for row in told))
            for name, told in tables.items()
        }
        found = find_keys(frozenset([ME]), frames, catalogue.landing, "CN")
        return {key.replace("\x1f", " ") for key in found - {ME}}

    return find


PERSON = {"source_record_id": "77", "email": "li@example.com", "phone": "13812345678"}


def test_the_records_of_a_customer_are_its_keys():
    records = pl.DataFrame(
        {
            "entity": ["contact", "guest_order"], "source": ["crm", "shop"],
            "source_account_id": ["", "eu"], "source_record_id": ["77", "9"],
        }
    )  # fmt: skip
    assert record_keys(records) == {ME, record_key("order", "shop", "eu", "9")}


def test_what_belongs_to_a_person_is_followed_to_its_end(keys_of):
    found = keys_of(
        crm_contacts=[PERSON | {"phone": None, "email": None}],
        orders=[{"source_record_id": "o1", "customer_source_id": "77"}, {"source_record_id": "o2"}],
        order_items=[{"source_record_id": "i1", "order_source_id": "o1"}],
        crm_cases=[{"source_record_id": "c1", "order_source_id": "o1"}],
    )
    assert found == {"order crm  o1", "purchase o1", "order_item crm  i1", "case crm  c1"}


def test_the_visit_that_led_to_an_order_is_the_customers_unless_two_shops_have_that_order(keys_of):
    orders = [{"source_record_id": "o1", "customer_source_id": "77"}]
    visits = [{"transaction_id": "o1", "anonymous_id": "a1", "source": "web"}]
    assert keys_of(orders=orders, web_events=visits) == {
        "order crm  o1", "purchase o1", "visitor web  a1",
    }  # fmt: skip
    twice = [*orders, {"source_record_id": "o1", "source": "other"}]
    assert keys_of(orders=twice, web_events=visits) == {"order crm  o1"}


def test_an_address_of_ones_own_is_a_key_and_a_familys_number_is_not(keys_of):
    family = {"source_record_id": "78", "phone": "+86 138 1234 5678"}
    assert keys_of(crm_contacts=[PERSON, family]) == {"email li@example.com"}


def test_a_login_is_found_by_the_tie_to_an_address_and_its_visitors_by_the_login(keys_of):
    found = keys_of(
        crm_contacts=[PERSON | {"phone": None}],
        identity_links=[
            {"id_type_a": "email", "id_a": "LI@example.com", "id_type_b": "user_id", "id_b": "u1"}
        ],
        web_events=[
            {"user_id": "u1", "anonymous_id": "a1"},
            {"anonymous_id": "a1"},
            {"user_id": "u1", "anonymous_id": "shared"},
            {"user_id": "u2", "anonymous_id": "shared"},
        ],
    )
    assert found == {"email li@example.com", "user_id u1", "visitor crm  a1"}
