import io
from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pipelines.scoring.customers import RiskBands, ScoringParams, score_customers
from pipelines.scoring.models.bg_nbd import BgNbd

AS_OF = date(2026, 6, 30)
PARAMS = ScoringParams()
MONEY = pl.Decimal(18, 4)


@pytest.fixture(scope="module")
def customers(simulate) -> pl.DataFrame:
    """1,500 simulated customers as the profile hands them over, in no order."""
    base = simulate(1_500, r=0.6, alpha=25.0, a=0.6, b=3.0, seed=12)
    random = np.random.default_rng(13)
    tenure, recency = np.floor(base.tenure).astype(int), np.floor(base.t_x).astype(int)
    order_days = np.minimum(base.x.astype(int), recency) + 1
    recency = np.where(order_days > 1, recency, 0)
    margins = [
        Decimal(f"{random.gamma(6.0, 5.0):.2f}") if days > 1 else None for days in order_days
    ]
    ordered = (tenure - recency < 90).astype(int)
    return pl.DataFrame(
        {
            "customer_id": [f"c{number:05d}" for number in random.permutation(1_500)],
            "first_order_on": [AS_OF - timedelta(days=int(days)) for days in tenure],
            "last_order_on": [
                AS_OF - timedelta(days=int(days)) for days in np.maximum(tenure - recency, 0)
            ],
            "order_day_count": order_days,
            "order_days_in_horizon_count": ordered,
            "repeat_margin_mean_amount": pl.Series(margins, dtype=MONEY),
            "email": "not used",
        }
    )


def with_row(customers: pl.DataFrame, **values: object) -> pl.DataFrame:
    """Change the first row only."""
    first = customers.head(1).with_columns(
        pl.lit(value, dtype=customers.schema[name]).alias(name) for name, value in values.items()
    )
    return pl.concat([first, customers.slice(1)])


def as_bytes(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_ipc(buffer)
    return buffer.getvalue()


# ---------- scores


def test_every_customer_with_an_order_gets_one_row(customers):
    without_orders = customers.head(5).with_columns(
        customer_id="zz" + pl.col("customer_id"),
        first_order_on=pl.lit(None, pl.Date),
        last_order_on=pl.lit(None, pl.Date),
        order_day_count=pl.lit(0, pl.Int64),
    )
    result = score_customers(pl.concat([without_orders, customers]), PARAMS, AS_OF)

    assert result.report.status == "scored"
    assert result.report.reason is None
    assert result.report.customers == 1_500
    assert result.scores["customer_id"].to_list() == sorted(customers["customer_id"])


def test_columns_and_types(customers):
    assert dict(score_customers(customers, PARAMS, AS_OF).scores.schema) == {
        "customer_id": pl.String(),
        "frequency_count": pl.Int64(),
        "recency_days": pl.Int64(),
        "tenure_days": pl.Int64(),
        "p_alive": pl.Float64(),
        "expected_orders_horizon_count": pl.Float64(),
        "expected_orders_365d_count": pl.Float64(),
        "expected_order_margin_amount": MONEY,
        "clv_365d_amount": MONEY,
        "churn_risk": pl.Float64(),
        "churn_risk_band": pl.String(),
    }


def test_scores_are_those_of_the_reported_model(customers):
    result = score_customers(customers, PARAMS, AS_OF)
    reported = result.report.bg_nbd
    model = BgNbd(reported.r, reported.alpha, reported.a, reported.b)
    x, t_x, tenure = (
        result.scores[name].to_numpy()
        for name in ("frequency_count", "recency_days", "tenure_days")
    )

    def scored(name: str) -> np.ndarray:
        return result.scores[name].cast(pl.Float64).to_numpy()

    assert scored("p_alive") == pytest.approx(model.p_alive(x, t_x, tenure), abs=6e-7)
    risk, year = model.p_no_order(90, x, t_x, tenure), model.expected_orders(365, x, t_x, tenure)
    assert scored("churn_risk") == pytest.approx(risk, abs=6e-7)
    assert scored("expected_orders_365d_count") == pytest.approx(year, abs=6e-7)
    value = year * scored("expected_order_margin_amount")
    assert scored("clv_365d_amount") == pytest.approx(value, rel=1e-4, abs=1e-3)


def test_scores_stay_in_their_range(customers):
    scores = score_customers(customers, PARAMS, AS_OF).scores

    assert scores.null_count().sum_horizontal().item() == 0
    assert scores.select(pl.col("p_alive", "churn_risk").is_between(0, 1).all()).row(0) == (
        True,
        True,
    )
    assert scores.filter(pl.col("clv_365d_amount") < 0).is_empty()
    assert scores.filter(pl.col("churn_risk") < 1 - pl.col("p_alive") - 2e-6).is_empty()


def test_risk_is_cut_into_bands_with_the_limits_in_the_middle(customers):
    risks = score_customers(customers, PARAMS, AS_OF).scores["churn_risk"].sort()
    low, high = risks[300], risks[1_000]
    params = ScoringParams(risk_bands=RiskBands(low_below=low, high_above=high))
    scores = score_customers(customers, params, AS_OF).scores
    band_of = dict(scores.select("churn_risk", "churn_risk_band").iter_rows())

    assert band_of[low] == band_of[high] == "medium"
    assert {band for risk, band in band_of.items() if risk < low} == {"low"}
    assert {band for risk, band in band_of.items() if risk > high} == {"high"}


@settings(derandomize=True, deadline=None, max_examples=15)
@given(seed=st.integers(0, 10_000))
def test_row_order_does_not_change_a_byte(customers, seed):
    expected = score_customers(customers, PARAMS, AS_OF)
    shuffled = score_customers(
        customers.sample(fraction=1.0, shuffle=True, seed=seed), PARAMS, AS_OF
    )

    assert as_bytes(shuffled.scores) == as_bytes(expected.scores)
    assert shuffled.report == expected.report


def test_second_run_is_identical(customers):
    first, second = (score_customers(customers, PARAMS, AS_OF) for _ in range(2))

    assert as_bytes(first.scores) == as_bytes(second.scores)
    assert first.report.model_dump_json() == second.report.model_dump_json()


def test_returning_customers_with_a_loss_get_the_population_margin(customers):
    regular = customers.filter(pl.col("order_day_count") > 1).head(1)
    at_a_loss = regular["customer_id"][0]
    loss = pl.when(pl.col("customer_id") == at_a_loss).then(pl.lit(Decimal("-80"), MONEY))
    changed = customers.with_columns(
        repeat_margin_mean_amount=loss.otherwise(pl.col("repeat_margin_mean_amount"))
    )
    scores = score_customers(changed, PARAMS, AS_OF).scores
    margin = dict(scores.select("customer_id", "expected_order_margin_amount").iter_rows())
    one_time = scores.filter(pl.col("frequency_count") == 0)["customer_id"][0]

    assert margin[at_a_loss] == margin[one_time] > 0


def test_unknown_margins_give_null_money_and_keep_the_rest(customers):
    unknown = customers.with_columns(repeat_margin_mean_amount=pl.lit(None, MONEY))
    result = score_customers(unknown, PARAMS, AS_OF)

    assert result.report.status == "scored"
    assert "Only 0 customers" in result.report.gamma_gamma.fallback_reason
    assert result.scores["clv_365d_amount"].null_count() == 1_500
    assert result.scores["churn_risk"].null_count() == 0


def test_equal_margins_are_reported_as_a_fall_back(customers):
    equal = customers.with_columns(repeat_margin_mean_amount=pl.lit(19.5))
    result = score_customers(equal, PARAMS, AS_OF)

    assert result.report.gamma_gamma.p is None
    assert "so all get the mean" in result.report.gamma_gamma.fallback_reason
    assert result.scores["expected_order_margin_amount"].unique().to_list() == [Decimal("19.5")]


def test_customers_who_never_stop_are_scored(customers):
    weekly = customers.with_columns(
        first_order_on=pl.lit(AS_OF - timedelta(days=350)),
        last_order_on=pl.lit(AS_OF),
        order_day_count=pl.lit(51, pl.Int64),
        order_days_in_horizon_count=pl.int_range(pl.len()) % 2,
    )
    result = score_customers(weekly, PARAMS, AS_OF)

    assert result.report.bg_nbd.converged
    assert set(result.scores["churn_risk_band"]) == {"low"}


# ---------- refusals


def refusal(customers: pl.DataFrame, params: ScoringParams = PARAMS) -> str:
    result = score_customers(customers, params, AS_OF)
    assert result.report.status == "refused"
    assert result.scores.is_empty()
    assert result.report.bg_nbd is None
    assert result.report.reason is not None
    return result.report.reason


def test_refused_scores_have_the_same_columns(customers):
    refused = score_customers(customers.head(10), PARAMS, AS_OF).scores

    assert refused.schema == score_customers(customers, PARAMS, AS_OF).scores.schema


def test_too_few_customers_are_refused(customers):
    params = ScoringParams(min_events_per_class=1)

    assert refusal(customers.head(499), params) == "499 customers have an order; 500 are needed."
    assert score_customers(customers.head(500), params, AS_OF).report.status == "scored"


def test_too_short_a_history_is_refused(customers):
    def since(days: int) -> pl.DataFrame:
        return customers.filter(pl.col("first_order_on") >= AS_OF - timedelta(days=days))

    params = ScoringParams(min_customers=1, min_events_per_class=1, min_history_horizons=4)
    oldest = (AS_OF - since(359)["first_order_on"].min()).days
    assert refusal(since(359), params) == f"Orders go back {oldest} days; 360 are needed."
    edge = with_row(
        since(359).sort("first_order_on"), first_order_on=AS_OF - timedelta(days=360),
        last_order_on=AS_OF - timedelta(days=360), order_day_count=1,
    )  # fmt: skip
    assert score_customers(edge, params, AS_OF).report.status == "scored"


@pytest.mark.parametrize(
    ("ordered_every", "sentence"),
    [
        (16, "customers known for 90 days or longer ordered in the last 90 days; 100 are needed."),
        (1, "customers known for 90 days or longer did not order in the last 90 days; 100 are"),
    ],
)
def test_too_few_events_of_a_class_are_refused(customers, ordered_every, sentence):
    rare = customers.with_columns(
        order_days_in_horizon_count=(pl.int_range(pl.len()) % ordered_every == 0).cast(pl.Int64)
    )

    assert sentence in refusal(rare)


def test_new_customers_do_not_count_as_events(customers):
    # All orders of the last horizon are by customers who were not there before it.
    new = pl.col("first_order_on") > AS_OF - timedelta(days=90)
    only_new = pl.concat(
        [
            customers.with_columns(order_days_in_horizon_count=pl.lit(0, pl.Int64)),
            customers.head(200).with_columns(
                customer_id="n" + pl.col("customer_id"),
                first_order_on=pl.lit(AS_OF - timedelta(days=89)),
                last_order_on=pl.lit(AS_OF - timedelta(days=89)),
                order_day_count=pl.lit(1, pl.Int64),
                order_days_in_horizon_count=pl.lit(1, pl.Int64),
            ),
        ]
    )

    assert only_new.filter(new).height == 200
    assert refusal(only_new).startswith("0 customers known for 90 days or longer ordered")


def test_all_that_is_missing_is_named_at_once(customers):
    reason = refusal(customers.clear())

    assert reason.startswith("0 customers have an order; 500 are needed.")
    assert "Orders go back 0 days; 270 are needed." in reason
    assert reason.count("needed.") == 4


def test_unfinished_search_is_refused_not_published(customers, monkeypatch):
    monkeypatch.setattr("pipelines.scoring.models.newton.MAX_ITERATIONS", 2)
    result = score_customers(customers, PARAMS, AS_OF)

    assert result.report.status == "refused"
    assert "did not end after 2 steps" in result.report.reason
    assert result.report.bg_nbd.converged is False
    assert result.scores.is_empty()


# ---------- errors


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"first_order_on": AS_OF + timedelta(days=1)}, "1 customer rows have a first order after"),
        ({"last_order_on": AS_OF + timedelta(days=1)}, "have a last order after 2026-06-30"),
        ({"last_order_on": date(2001, 1, 1)}, "have a last order before their first"),
        ({"order_day_count": 0}, "contradicts their first and last order day"),
        ({"order_day_count": None}, "lack one of customer_id, last_order_on, order_day_count"),
    ],
)
def test_impossible_rows_are_an_error(customers, values, message):
    with pytest.raises(ValueError, match=message):
        score_customers(with_row(customers, **values), PARAMS, AS_OF)


def test_two_rows_of_one_customer_are_an_error(customers):
    with pytest.raises(ValueError, match="2 customer rows share their customer_id"):
        score_customers(pl.concat([customers, customers.head(1)]), PARAMS, AS_OF)


# ---------- settings


def test_every_setting_has_a_default_and_a_description():
    for model in (ScoringParams, RiskBands):
        assert model() == model.model_validate({})
        assert all(field.description for field in model.model_fields.values())


@pytest.mark.parametrize(
    "settings_in_rules",
    [{"horizont_days": 90}, {"horizon_days": 0}, {"risk_bands": {"low_below": 0.7}}],
)
def test_wrong_settings_are_refused(settings_in_rules):
    with pytest.raises(ValidationError):
        ScoringParams.model_validate(settings_in_rules)
