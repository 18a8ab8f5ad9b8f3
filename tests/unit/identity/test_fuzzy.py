import itertools
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.errors import C360Error
from pipelines.identity import fuzzy_columns, training
from pipelines.identity.fuzzy import fit_odds, predict_pairs
from pipelines.identity.fuzzy_columns import describe_records
from pipelines.identity.names import normalise_names
from pipelines.identity.splink_model import prior_weight, share_of_values
from pipelines.identity.training import train_model
from pipelines.rules.identity import Fuzzy
from pipelines.rules.identity_model import IdentityModel

MODEL = IdentityModel.model_validate_json(
    Path("pipelines/rules/identity_model.json").read_text(encoding="utf-8")
)
RULES = Fuzzy(link_above=0.99, review_above=0.70)
AS_OF = date(2026, 1, 1)
WRITTEN = {
    "node": pl.Int64,
    "party": pl.String,
    "full_name": pl.String,
    "first_name": pl.String,
    "last_name": pl.String,
    "gender": pl.String,
    "birth_date": pl.Date,
    "street": pl.String,
    "city": pl.String,
    "postal_code": pl.String,
    "email": pl.String,
    "phone": pl.String,
    "domain": pl.String,
}
GIVEN = "Emma Oliver Grace Henry Chloe Jack Alice Samuel Ruth Thomas Laura Adam".split()  # noqa: SIM905
FAMILY = "Hughes Green Clarke Patel Murphy Fraser Baker Mitchell Cooper Reed Foster".split()  # noqa: SIM905


def record(node, full_name, **known):
    if isinstance(known.get("birth_date"), str):
        known["birth_date"] = date.fromisoformat(known["birth_date"])
    return {"node": node, "party": "person", "full_name": full_name, **known}


def strangers(count=300):
    """People who have nothing in common but names, so that frequencies mean something."""
    names = itertools.cycle(itertools.product(GIVEN, FAMILY))
    return [
        record(
            1_000 + number,
            f"{given} {family}",
            birth_date=str(date.fromordinal(date(1950, 1, 1).toordinal() + number * 61)),
            street=f"{number + 1} {'ABCDEFGHIJ'[number % 10]}{'aeiou'[number % 5]}lton Road",
            city=f"{'NSEW'[number % 4]}ville",
            postal_code=f"{1000 + number * 7}",
            phone=f"0{7_000_000_000 + number * 7_654_321}",
        )
        for number, (given, family) in zip(range(count), names, strict=False)
    ]


def profiles(*records, among=300):
    rows = [
        {column: row.get(column) for column in WRITTEN} for row in [*records, *strangers(among)]
    ]
    return normalise_names(pl.DataFrame(rows, schema=WRITTEN))


def found(*records, among=300):
    """Pairs of the given records and what is said of each."""
    pairs = predict_pairs(profiles(*records, among=among), MODEL, RULES)
    return {
        (a, b): (probability >= RULES.link_above, conflict)
        for a, b, probability, conflict in pairs.filter(pl.col("node_b") < 1_000)
        .select("node_a", "node_b", "probability", "conflict")
        .rows()
    }


HOME = {"street": "12 Maple Drive", "city": "Northampton", "postal_code": "NN1 4AB"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"full_name": "Robert Harvey"}, {"full_name": "Bob Harvey"}),
        ({"full_name": "Robert Harvey"}, {"full_name": "Robert Harvye"}),
        ({"full_name": "Robert Harvey"}, {"full_name": "Harvey, Robert"}),
        ({"full_name": "Robert Harvey"}, {"full_name": "Harvey Robert"}),
        ({"full_name": "王超娜"}, {"full_name": "Chaona WANG"}),
        ({"full_name": "王超娜"}, {"full_name": "王 超娜"}),
        ({"full_name": "王超娜"}, {"full_name": "小娜"}),
    ],
)
def test_one_person_under_two_writings_is_found_by_home_and_birth_date(one, other):
    born = {"birth_date": "1983-05-14"}
    pairs = found(record(1, **one, **HOME, **born), record(2, **other, **HOME, **born))
    assert pairs == {(1, 2): (True, None)}


@pytest.mark.parametrize(
    ("born", "other_born"), [("1983-05-14", "1983-05-13"), ("1983-05-04", "1983-04-05")]
)
def test_a_birth_date_may_have_a_typing_error(born, other_born):
    pairs = found(
        record(1, "Robert Harvey", **HOME, birth_date=born),
        record(2, "Robert Harvey", **HOME, birth_date=other_born),
    )
    assert pairs == {(1, 2): (True, None)}


def test_a_number_that_cannot_exist_still_counts():
    pairs = found(
        record(1, "Robert Harvey", phone="99 0123 4567", city="Leeds"),
        record(2, "R Harvey", phone="(099) 0123-4567", city="Leeds"),
    )
    assert (1, 2) in pairs


def test_neighbours_of_one_home_are_not_one_person():
    shared = {**HOME, "phone": "07123 456789"}
    assert found(record(1, "Robert Harvey", **shared), record(2, "Sarah Harvey", **shared)) == {}


def test_twins_are_left_to_a_person():
    shared = {**HOME, "phone": "07123 456789", "birth_date": "1997-09-28"}
    pairs = found(record(1, "Robert Harvey", **shared), record(2, "Sarah Harvey", **shared))
    assert set(pairs.values()) <= {(True, "given_name")}


def test_father_and_son_are_not_linked():
    pairs = found(record(1, "Robert Harvey Sr", **HOME), record(2, "Robert Harvey Jr", **HOME))
    assert pairs == {(1, 2): (True, "name_suffix")}


def test_a_name_alone_links_nobody():
    pairs = found(record(1, "Zebulon Quirke"), record(2, "Zebulon Quirke"))
    assert not any(is_linked for is_linked, _ in pairs.values())


def test_a_mailbox_of_ones_name_is_no_proof_of_a_namesake():
    pairs = found(
        record(1, "Zebulon Quirke", email="zebulon.quirke@a.com"),
        record(2, "Zebulon Quirke", email="zebulon.quirke@b.com"),
    )
    assert not any(is_linked for is_linked, _ in pairs.values())


def test_two_of_one_name_with_mailboxes_that_differ_in_the_number_are_two():
    pairs = found(
        record(1, "Zebulon Quirke", email="zebulon.quirke2787@a.com"),
        record(2, "Zebulon Quirke", email="zebulon.quirke8687@b.com"),
    )
    assert not any(is_linked for is_linked, _ in pairs.values())


def test_characters_that_differ_are_another_name():
    born = {"birth_date": "1983-05-14"}
    pairs = found(record(1, "王伟", **HOME, **born), record(2, "王薇", **HOME, **born))
    assert set(pairs.values()) <= {(True, "given_name")}


def company(node, full_name, **known):
    return {"node": node, "party": "organisation", "full_name": full_name, **known}


def test_companies_are_found_by_name_and_address():
    pairs = found(
        company(1, "Harvey Engineering Ltd", **HOME),
        company(2, "HARVEY ENGINEERING", **HOME),
        company(3, "Harvey Engineering (2) Ltd", **HOME),
        company(4, "Northampton Flowers", **HOME),
        *[company(10 + n, f"{FAMILY[n]} {n}", domain=f"d{n}.com") for n in range(11)],
    )
    assert pairs[(1, 2)] == (True, None)
    assert not any(
        is_linked and conflict is None
        for pair, (is_linked, conflict) in pairs.items()
        if pair != (1, 2)
    )


def test_a_person_is_never_paired_with_an_organisation():
    shared = {**HOME, "phone": "07123 456789", "email": "robert@harvey.com"}
    pairs = found(record(1, "Robert Harvey", **shared), company(2, "Robert Harvey", **shared))
    assert pairs == {}


def test_pairs_are_sorted_and_numbered_upwards():
    born = {"birth_date": "1983-05-14"}
    people = profiles(*[record(n, "Robert Harvey", **HOME, **born) for n in (7, 3, 5)])
    pairs = predict_pairs(people, MODEL, RULES)
    assert pairs.select("node_a", "node_b").rows() == [(3, 5), (3, 7), (5, 7)]
    assert pairs.columns == ["node_a", "node_b", "party", "weight", "probability", "conflict"]


@settings(deadline=None, max_examples=5)
@given(st.randoms(use_true_random=False))
def test_the_order_of_records_does_not_matter(chance):
    born = {"birth_date": "1983-05-14"}
    rows = profiles(
        record(1, "Robert Harvey", **HOME, **born),
        record(2, "Bob Harvey", **HOME),
        record(3, "Harvey, R", **born),
    )
    order = list(range(rows.height))
    chance.shuffle(order)
    assert predict_pairs(rows[order], MODEL, RULES).equals(predict_pairs(rows, MODEL, RULES))


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_records_are_no_pairs(count):
    rows = profiles(*[record(1, "Robert Harvey")] * count, among=0)
    assert predict_pairs(rows, MODEL, RULES).is_empty()


def test_nothing_is_logged_or_printed(capfd, caplog):
    found(record(1, "Robert Harvey", **HOME), record(2, "Robert Harvey", **HOME))
    assert not caplog.records
    assert capfd.readouterr() == ("", "")


def test_a_model_for_other_comparisons_is_refused():
    person = MODEL.person.model_copy(update={"comparisons": {"shoe_size": {}}})
    with pytest.raises(C360Error, match="trained for other comparisons"):
        predict_pairs(profiles(), MODEL.model_copy(update={"person": person}), RULES)


def test_the_prior_follows_the_size_of_the_base():
    small, large = (prior_weight(count, MODEL.person) for count in (1_001, 1_000_001))
    assert small - large == pytest.approx(9.97, abs=0.01)


def test_a_common_value_is_worth_less_and_a_pair_of_its_own_nothing():
    shares = share_of_values(pl.Series("given", ["ann"] * 600 + ["bo"] * 2 + [None] * 9))
    by_value = dict(shares.rows())
    assert by_value["ann"] > 100 * by_value["bo"]
    assert by_value["bo"] == pytest.approx(1 / 1_602)


def evidence(shared, own, count):
    return pl.DataFrame({"shared": [shared] * count, "own": [own] * count}).with_columns(
        is_telling=pl.lit(value=True)
    )


def test_many_neighbours_make_a_shared_home_worth_less():
    same, other = evidence(30.0, 12.0, 400), evidence(30.0, -9.0, 1_600)
    few = fit_odds(same, MODEL.person, 10_000)
    many = fit_odds(pl.concat([same, other]), MODEL.person, 10_000)
    assert many.shared_at_most < few.shared_at_most
    assert many.shared_at_most == pytest.approx(0.0, abs=0.1)


def test_many_duplicates_make_another_one_likelier():
    few = fit_odds(evidence(30.0, 12.0, 10), MODEL.person, 10_000)
    many = fit_odds(evidence(30.0, 12.0, 20_000), MODEL.person, 10_000)
    assert 1 < many.prior - few.prior <= 6


def test_the_largest_blocks_are_left_out_when_pairs_become_many(monkeypatch):
    monkeypatch.setattr(fuzzy_columns, "PAIRS_AT_LEAST", 10)
    monkeypatch.setattr(fuzzy_columns, "PAIRS_PER_RECORD", 0)
    rows = profiles(
        *[record(n, "Ann Li", city="Large") for n in range(10)],
        *[record(n, "Bo Wu", city="Small") for n in range(10, 13)],
        among=0,
    )
    blocks = describe_records(rows, "person")["block_city"]
    assert blocks.drop_nulls().to_list() == ["small"] * 3


def duplicated(count):
    """People of whom every third has a second record that differs in one thing."""
    first = strangers(count)
    changed = [
        {"phone": None}, {"birth_date": None}, {"street": "1 New Road", "postal_code": None},
        {"full_name": "Bo Smith"}, {"postal_code": "0"},
    ]  # fmt: skip
    second = [
        {**row, **changed[place % len(changed)], "node": 100_000 + place}
        for place, row in enumerate(first)
        if place % 3 == 0
    ]
    rows = [{column: row.get(column) for column in WRITTEN} for row in [*first, *second]]
    return normalise_names(pl.DataFrame(rows, schema=WRITTEN))


def test_training_is_the_same_whatever_the_order_and_keeps_what_it_cannot_learn(monkeypatch):
    monkeypatch.setattr(training, "RANDOM_PAIRS", 1e5)
    rows = duplicated(900)
    model = train_model(rows, MODEL, AS_OF)
    assert train_model(rows.sort("node", descending=True), MODEL, AS_OF) == model
    assert IdentityModel.model_validate_json(model.model_dump_json()) == model
    assert model.person.trained_on == AS_OF
    assert model.person.record_count == 1_200
    assert model.person.comparisons["birth_date"]["same"].m > 0.9
    assert model.person.comparisons["gender"] == MODEL.person.comparisons["gender"]
    assert model.organisation == MODEL.organisation


def test_too_few_records_teach_nothing():
    with pytest.raises(C360Error, match="fewer than 1000"):
        train_model(duplicated(60), MODEL, AS_OF)


def test_records_without_a_duplicate_teach_nothing():
    rows = profiles(among=1_100).with_columns(birth_date=pl.lit(None, pl.Date))
    rows = rows.with_columns(family_key=pl.col("node").cast(pl.String))
    with pytest.raises(C360Error, match="agree on anything"):
        train_model(rows, MODEL, AS_OF)
