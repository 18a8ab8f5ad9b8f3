"""What if: the same nights under two sets of rules."""

from datetime import date, timedelta

import pytest

from pipelines.tiers.night import Facts, Memory
from pipelines.tiers.replay import AS_IS, OTHER, replay_nights
from tests.unit.tiers.people import (
    BOOK,
    BY_MARGIN,
    NO_ALIASES,
    NO_OVERRIDES,
    NO_SCORES,
    customer_360,
    grade,
    hundred,
)

DAY = date(2026, 5, 1)
WIDER = BY_MARGIN.model_copy(
    update={
        "grades": (
            BY_MARGIN.grades[0].model_copy(update={"min_percentile": 0.90}),
            *BY_MARGIN.grades[1:],
        )
    }
)


def nights(*margins_of_p001):
    """Nights ten days apart, on which one customer's margin is told."""
    for number, margin in enumerate(margins_of_p001):
        people = [
            row | {"tenure_days": 10 + number * 10}
            | ({"net_margin_365d_amount": margin} if row["customer_id"] == "p001" else {})
            for row in hundred()
        ]  # fmt: skip
        facts = Facts(customer_360(*people), NO_SCORES, NO_ALIASES, NO_OVERRIDES)
        yield DAY + timedelta(10 * number), facts


def test_equal_rules_move_nobody_otherwise():
    told = replay_nights(nights(1, 1), None, BY_MARGIN, BY_MARGIN, BOOK.influence)
    assert told.customers.is_empty()
    assert (told.moves["level"].eq_missing(told.moves["other_level"])).all()
    assert (told.nights, told.first_on, told.last_on) == (2, DAY, DAY + timedelta(10))


def test_who_would_stand_elsewhere_is_counted_and_money_follows():
    told = replay_nights(nights(1, 1), None, BY_MARGIN, WIDER, BOOK.influence)
    elsewhere = told.moves.filter(ladder="grade", level="B", other_level="A")
    assert elsewhere["customer_count"].item() == 5
    assert {row[0] for row in told.customers.rows()} == {f"p{n:03}" for n in range(91, 96)}
    money = dict(told.grades.filter(grade="A").select("rules", "net_margin_365d_amount").rows())
    assert money == {AS_IS: sum(range(96, 101)), OTHER: sum(range(91, 101))}


def test_changes_are_counted_in_customer_years_and_first_grades_are_none():
    told = replay_nights(nights(1, 99, 99, 99), None, BY_MARGIN, WIDER, BOOK.influence)
    counted = told.changes.filter(ladder="grade")
    assert counted["change_count"].to_list() == [1, 1]
    per_year = round(1 / (100 * 30 / 365), 4)
    assert counted["changes_per_customer_year"].to_list() == [per_year, per_year]


def test_other_rules_that_go_live_lower_nobody_without_warning():
    before = grade(hundred(), day=DAY - timedelta(10))
    memory = Memory(before.edges, before.standing)
    told = replay_nights(nights(1, 1), memory, WIDER, BY_MARGIN, BOOK.influence)
    assert told.changes.filter(rules=AS_IS, ladder="grade")["change_count"].item() == 5
    narrower = replay_nights(
        nights(1, 1, 1, 1), Memory(*_standing(WIDER)), WIDER, BY_MARGIN, BOOK.influence
    )
    lost = narrower.changes.filter(rules=OTHER, ladder="grade")
    assert lost["change_count"].item() == 5  # after 30 days of grace, on the fourth night
    sooner = replay_nights(
        nights(1, 1, 1), Memory(*_standing(WIDER)), WIDER, BY_MARGIN, BOOK.influence
    )
    assert sooner.changes.filter(rules=OTHER, ladder="grade")["change_count"].item() == 0


def _standing(tiers):
    graded = grade(hundred(), day=DAY - timedelta(10), tiers=tiers)
    return graded.edges, graded.standing


@pytest.mark.parametrize("margins", [(1,), (1, 99, 99)])
def test_fewer_than_28_days_say_nothing_of_a_year(margins):
    told = replay_nights(nights(*margins), None, BY_MARGIN, BY_MARGIN, BOOK.influence)
    counted = told.changes.filter(ladder="grade")["change_count"]
    assert counted.to_list() == [len(margins) > 1] * 2
    assert told.changes["changes_per_customer_year"].null_count() == told.changes.height


def test_without_a_night_there_is_nothing_to_go_through():
    with pytest.raises(ValueError, match="no night"):
        replay_nights([], None, BY_MARGIN, BY_MARGIN, BOOK.influence)
