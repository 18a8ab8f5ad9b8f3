"""The SQL of `customer_rfm` itself, on customers that Hypothesis makes up."""

from decimal import Decimal

import duckdb
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.rfm_shuffle import GROUPS, read_model

SCORES = ("recency_score", "frequency_score", "monetary_score")
MEASURES = ("recency_days", "frequency_count", "monetary_amount")
PERSON = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["person", "company", "institution"]),
        "order_count": st.integers(0, 4),
        "days_since_last_order": st.integers(0, 6),
        "order_count_365d": st.integers(0, 4),
        "net_margin_365d_amount": st.integers(-3, 3),
    }
)
PEOPLE = st.lists(PERSON, min_size=1, max_size=40)
MODEL = read_model()
DATABASE = duckdb.connect()
DATABASE.execute(GROUPS)
FEW = settings(deadline=None, max_examples=40)


def score(people, threads=1):
    frame = pl.DataFrame(people).with_columns(
        as_of=pl.lit("2026-06-30").str.to_date(),
        net_margin_365d_amount=pl.col("net_margin_365d_amount").cast(pl.Decimal(18, 4)),
    )
    DATABASE.execute(f"set threads = {threads}")
    DATABASE.register("customer_360", frame)
    return DATABASE.execute(MODEL).pl()


def numbered(people):
    return [person | {"customer_id": f"{n:03}"} for n, person in enumerate(people)]


@FEW
@given(PEOPLE, st.randoms(use_true_random=False))
def test_no_order_of_rows_changes_a_score(people, chance):
    first = score(numbered(people))
    shuffled = numbered(people)
    chance.shuffle(shuffled)
    assert score(shuffled, threads=2).equals(first)


@FEW
@given(PEOPLE)
def test_equal_values_have_equal_scores_and_better_ones_no_lower(people):
    scored = score(numbered(people))
    for measure, name in zip(MEASURES, SCORES, strict=True):
        better = -pl.col(measure) if measure == "recency_days" else pl.col(measure)
        steps = (
            scored.group_by("rfm_base", better.alias("worth"))
            .agg(pl.col(name).min().alias("low"), pl.col(name).max().alias("high"))
            .sort("rfm_base", "worth")
        )
        assert (steps["low"] == steps["high"]).all()
        rises = steps.select(pl.col("low").diff().over("rfm_base")).to_series().drop_nulls()
        assert (rises >= 0).all()


@FEW
@given(PEOPLE)
def test_a_score_is_the_fifth_in_which_the_mean_rank_of_equals_lies(people):
    buyers = [person for person in numbered(people) if person["order_count"] > 0]
    scored = {row["customer_id"]: row for row in score(numbered(people)).iter_rows(named=True)}
    assert scored.keys() == {person["customer_id"] for person in buyers}
    for person in buyers:
        base = [one for one in buyers if (one["kind"] == "person") == (person["kind"] == "person")]
        below = sum(one["order_count_365d"] < person["order_count_365d"] for one in base)
        equal = sum(one["order_count_365d"] == person["order_count_365d"] for one in base)
        fifth = Decimal(2 * below + equal) / (2 * len(base)) * 5
        assert scored[person["customer_id"]]["frequency_score"] == min(5, int(fifth) + 1)
