import itertools
from datetime import date
from pathlib import Path

import polars as pl
import pytest

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
GIVEN = "Emma Oliver Grace Henry Chloe Jack Alice Samuel Ruth Thomas Laura Adam".split()  # noqa: SIM905 - names in a row
FAMILY = "Hughes Green Clarke Patel Murphy Fraser Baker Mitchell Cooper Reed Foster".split()  # noqa: SIM905 - names in a row


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
PHONE = {"phone": "07123 456789"}
BORN = {"birth_date": "1983-05-14"}
LINKED, TWO_PEOPLE = {(True, None)}, {(True, "given_name")}

# Two records, and what may be said of them: nothing, or (linked, conflict).
PAIRS = {
    "a nickname": (("Robert Harvey", HOME | BORN), ("Bob Harvey", HOME | BORN), LINKED),
    "a typing error": (("Robert Hadley", HOME | BORN), ("Robert Hadlye", HOME | BORN), LINKED),
    "a comma": (("Robert Hanley", HOME | BORN), ("Hanley, Robert", HOME | BORN), LINKED),
    "another order": (("Robert Hartley", HOME | BORN), ("Hartley Robert", HOME | BORN), LINKED),
    "characters and pinyin": (("王超娜", HOME | BORN), ("Chaona WANG", HOME | BORN), LINKED),
    "a name among friends": (("陈超娜", HOME | BORN), ("小娜", HOME | BORN), LINKED),
    "a birth date with a wrong digit": (
        ("Alan Hickey", HOME | BORN), ("Alan Hickey", HOME | {"birth_date": "1983-05-13"}), LINKED
    ),
    "day and month changed": (
        ("Alan Hobbs", HOME | {"birth_date": "1983-05-04"}),
        ("Alan Hobbs", HOME | {"birth_date": "1983-04-05"}),
        LINKED,
    ),
    "a number that cannot exist": (
        ("Nora Hoyle", BORN | {"phone": "99 0123 4567"}),
        ("N Hoyle", BORN | {"phone": "(099) 0123-4567"}),
        LINKED,
    ),
    "a move": (
        ("Nora Hughes", HOME | BORN | PHONE),
        ("Nora Hughes", {"street": "9 Elm Court", "city": "Bath"} | BORN | PHONE),
        LINKED,
    ),
    "neighbours of one home": (
        ("Robert Hamley", HOME | PHONE), ("Sarah Hamley", HOME | PHONE), set()
    ),
    "twins": (
        ("Robert Hensley", HOME | PHONE | BORN), ("Sarah Hensley", HOME | PHONE | BORN), TWO_PEOPLE
    ),
    "father and son": (
        ("Robert Hilton Sr", HOME), ("Robert Hilton Jr", HOME), {(True, "name_suffix")}
    ),
    "other characters of one sound": (("王伟", HOME | BORN), ("王薇", HOME | BORN), TWO_PEOPLE),
    "a rare name and nothing else": (("Zebulon Quirke", {}), ("Zebulon Quirke", {}), set()),
    "mailboxes of one's own name": (
        ("Orla Quinlan", {"email": "orla.quinlan@a.com"}),
        ("Orla Quinlan", {"email": "orla.quinlan@b.com"}),
        set(),
    ),
    "mailboxes of one name and two numbers": (
        ("Orla Quested", {"email": "orla.quested2787@a.com"}),
        ("Orla Quested", {"email": "orla.quested8687@b.com"}),
        set(),
    ),
}  # fmt: skip


STREETS = (
    "Acorn Rise", "Birch Walk", "Copper Yard", "Dovecote Mews", "Elgar View", "Foundry Row",
    "Gorse Hill", "Heron Quay", "Ivy Bank", "Juniper Gate", "Kestrel Way", "Limehouse Cut",
    "Meadow Fold", "Nettle Green", "Orchard End", "Priory Grange", "Quarry Top",
)  # fmt: skip


def unlike(number, known):
    """The same facts for another case, so that its records are not alike those of the others."""
    changed = dict(known)
    if "street" in known:
        changed["street"] = known["street"].replace("Maple Drive", STREETS[number])
        changed["city"] = STREETS[number][:5] + known["city"]
        changed["postal_code"] = f"{STREETS[number][:2]}{number} {number}AB"
    if "phone" in known:
        changed["phone"] = known["phone"].replace("123", f"{137 + 43 * number}")
    if "birth_date" in known:
        day = f"{1931 + 4 * number}-{1 + number % 9:02}-2"
        changed["birth_date"] = known["birth_date"].replace("1983-05-1", day)
    return changed


@pytest.fixture(scope="module")
def judged():
    rows = [
        record(2 * number + end, case[end][0], **unlike(number, case[end][1]))
        for number, case in enumerate(PAIRS.values())
        for end in (0, 1)
    ]
    return found(*rows)


@pytest.mark.parametrize("case", PAIRS)
def test_two_records_are_judged_by_all_that_is_known_of_them(case, judged):
    number = list(PAIRS).index(case)
    said = {judged[pair] for pair in judged if pair == (2 * number, 2 * number + 1)}
    if PAIRS[case][2] == LINKED:
        assert said == LINKED
    else:
        assert {answer for answer in said if answer[0]} <= PAIRS[case][2]


def test_nobody_is_linked_with_somebody_of_another_case(judged):
    linked = {pair for pair, (is_linked, conflict) in judged.items() if is_linked and not conflict}
    assert all(a // 2 == b // 2 for a, b in linked)


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
    people = profiles(*[record(n, "Robert Harvey", **HOME, **BORN) for n in (7, 3, 5)])
    pairs = predict_pairs(people, MODEL, RULES)
    assert pairs.select("node_a", "node_b").rows() == [(3, 5), (3, 7), (5, 7)]
    assert pairs.columns == ["node_a", "node_b", "party", "weight", "probability", "conflict"]


def test_the_order_of_records_does_not_matter():
    rows = profiles(
        record(1, "Robert Harvey", **HOME, **BORN),
        record(2, "Bob Harvey", **HOME),
        record(3, "Harvey, R", **BORN),
    )
    shuffled = rows.sample(fraction=1.0, shuffle=True, seed=5)
    assert predict_pairs(shuffled, MODEL, RULES).equals(predict_pairs(rows, MODEL, RULES))


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
    assert blocks.is_not_null().to_list() == [False] * 10 + [True] * 3


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
    rows = duplicated(780)
    model = train_model(rows, MODEL, AS_OF)
    assert train_model(rows.sort("node", descending=True), MODEL, AS_OF) == model
    assert IdentityModel.model_validate_json(model.model_dump_json()) == model
    assert model.person.trained_on == AS_OF
    assert model.person.record_count == 1_040
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
