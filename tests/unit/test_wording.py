import pytest

from pipelines.wording import count_of


@pytest.mark.parametrize(
    ("number", "told"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (1200, "1,200 rows")]
)
def test_one_is_told_in_the_singular_and_all_else_in_the_plural(number, told):
    assert count_of(number, "row") == told


def test_a_plural_that_is_no_s_is_the_one_that_is_given():
    told = [count_of(number, "tie was", "ties were") for number in (1, 2)]
    assert told == ["1 tie was", "2 ties were"]
