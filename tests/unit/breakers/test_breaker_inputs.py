import pytest

from pipelines.breakers.inputs import read_inputs
from pipelines.rules.breakers import InputBreakers, InputLimits
from tests.unit.breakers.past_nights import AS_OF, outcomes, remember

RULES = InputBreakers(defaults=InputLimits(min_nights=7))


def judged(rows, past, days=1, stale=frozenset(), rules=RULES, table="orders"):
    memory = remember("landing", **{f"size__shop_of_{table}": past})
    found = read_inputs([("shop", table, rows, days)], stale, AS_OF, rules, memory)
    return outcomes(found, "landing")["size"]


@pytest.mark.parametrize(
    ("factor", "outcome"),
    [
        (0, "tripped"), (0.2, "tripped"), (0.5, "tripped"), (0.501, "passed"), (0.8, "passed"),
        (1, "passed"), (1.3, "passed"), (2.999, "passed"), (3, "tripped"), (20, "tripped"),
    ],
)  # fmt: skip
def test_a_half_or_less_and_three_times_or_more_of_the_median_of_14_runs_trip(factor, outcome):
    past = [1000] * 6 + [900, 1100] + [1000] * 6
    assert judged(round(1000 * factor), past) == outcome


def test_a_source_that_is_new_is_not_judged():
    assert judged(0, [1000] * 6) == "not_judged"
    assert judged(0, [1000] * 7) == "tripped"


def test_a_table_that_is_small_is_not_judged():
    for usual, outcome in ((49, "not_judged"), (50, "tripped")):
        assert judged(0, [usual] * 14) == outcome
        assert judged(usual * 5, [usual] * 14) == outcome


def test_the_first_load_does_not_become_usual():
    assert judged(500, [400_000] + [500] * 8) == "passed"


def weekdays(busy, quiet):
    """Fourteen nights on which the weekday of AS_OF brings `quiet` rows, the others `busy`."""
    return [quiet if night % 7 == 0 else busy for night in range(-14, 0)]


def test_a_weekday_on_which_nothing_ever_comes_does_not_trip():
    assert judged(0, weekdays(1000, 0)) == "passed"
    assert judged(0, weekdays(1000, 1000)) == "tripped"


def test_a_weekday_that_is_always_busy_does_not_trip():
    assert judged(5000, weekdays(1000, 5000)) == "passed"
    assert judged(15_000, weekdays(1000, 5000)) == "tripped"
    assert judged(400, weekdays(1000, 5000)) == "tripped"


def test_one_silent_weekday_that_was_accepted_makes_no_pattern():
    past = weekdays(1000, 1000)
    past[7] = 0
    assert judged(0, past) == "tripped"


def test_after_nights_without_the_source_it_may_bring_what_it_gathered():
    assert judged(3000, [1000] * 14, days=3) == "passed"
    assert judged(9000, [1000] * 14, days=3) == "tripped"
    assert judged(1000, [1000] * 14, days=3) == "passed"  # a snapshot is as large as ever
    assert judged(500, [1000] * 14, days=3) == "tripped"


def test_a_source_that_is_known_to_be_down_may_bring_nothing():
    assert judged(0, [1000] * 14, stale=frozenset(["shop"])) == "passed"
    assert judged(3000, [1000] * 14, stale=frozenset(["shop"])) == "tripped"


def test_a_table_has_limits_of_its_own_by_name_or_by_source_and_name():
    rules = InputBreakers(
        defaults=InputLimits(),
        tables={
            "orders": InputLimits(most_of_usual=None),
            "shop.orders": InputLimits(least_of_usual=0.1),
            "refunds": InputLimits(severity="warning"),
        },
    )
    past = [1000] * 14
    assert judged(100_000, past, rules=rules) == "passed"
    assert judged(200, past, rules=rules) == "passed"
    assert judged(100, past, rules=rules) == "tripped"
    assert judged(0, past, rules=rules, table="refunds") == "warning"
