import io
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError
from simulated_orders import AS_OF, simulate_orders

from pipelines.rules import find_rules, load_rules
from pipelines.rules.schemas import RiskBands, ScoringParams
from pipelines.scoring.churn.scores import see_today
from pipelines.scoring.customers import Memory, Rules, score_customers
from pipelines.scoring.models.order_model import build_order_model
from pipelines.scoring.past.backtest import run_backtest
from pipelines.scoring.past.snapshots import prepare_order_days
from pipelines.scoring.report import ModelReport
from pipelines.scoring.totals import choose_total

BOOK = load_rules(find_rules(None))
PARAMS = ScoringParams(order_models=("mbg_nbd",), backtest_cuts=1)
RULES = Rules(PARAMS, BOOK.churn_reasons, BOOK.next_order)
ORDERS = simulate_orders(1_200)
MONEY = pl.Decimal(18, 4)
COUNTS = tuple(f"expected_orders_{days}_count" for days in ("horizon", "365d", "1095d"))


def moments_of(order_days):
    return order_days.select("customer_id", "ordered_on", ordered_hour=pl.lit(10, pl.Int64))


def score(order_days=ORDERS, rules=RULES, memory=None):
    return score_customers(order_days, moments_of(order_days), AS_OF, rules, memory)


@pytest.fixture(scope="module")
def scored():
    return score()


def as_bytes(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_ipc(buffer)
    return buffer.getvalue()


# ---------- scores


def test_every_customer_with_an_order_gets_one_row(scored):
    assert scored.report.status == "scored"
    assert scored.scores["customer_id"].to_list() == sorted(ORDERS["customer_id"].unique())
    assert scored.report.customers == scored.scores.height


def test_histories_are_those_of_the_purchase_days(scored):
    days = (
        ORDERS.group_by("customer_id")
        .agg(
            frequency_count=pl.len().cast(pl.Int64) - 1,
            first=pl.col("ordered_on").min(),
            last=pl.col("ordered_on").max(),
        )
        .select(
            "customer_id",
            "frequency_count",
            recency_days=(pl.col("last") - pl.col("first")).dt.total_days(),
            tenure_days=(pl.lit(AS_OF) - pl.col("first")).dt.total_days(),
        )
        .sort("customer_id")
    )
    assert scored.scores.select(days.columns).equals(days)


def floats(scored, name):
    return scored.scores[name].cast(pl.Float64).to_numpy()


def test_what_is_published_is_what_was_tried(scored):
    today = see_today(prepare_order_days(ORDERS), AS_OF, PARAMS)
    for target, count in (("orders", "expected_orders_{}_count"), ("value", "clv_{}_amount")):
        for name, days in (("horizon", None), ("365d", 365)):
            tried = choose_total(today, scored.backtest, PARAMS, target).expect(today, days)
            told = floats(scored, count.format(name))
            assert told == pytest.approx(tried, rel=1e-4, abs=1e-3), (target, name)
    value = choose_total(today, scored.backtest, PARAMS, "value")
    years = [value.expect(today, 365 * n) for n in (1, 2, 3)]
    first, second, third = years[0], years[1] - years[0], years[2] - years[1]
    worth = first + second * 1.1**-1.5 + third * 1.1**-2.5
    assert floats(scored, "clv_1095d_amount") == pytest.approx(worth, rel=1e-3, abs=1e-2)
    record = scored.report.order_model
    model = build_order_model(record.kind, record.parameters)
    past = [floats(scored, c) for c in ("frequency_count", "recency_days", "tenure_days")]
    assert floats(scored, "p_alive") == pytest.approx(model.p_alive(*past), abs=1e-6)


def test_the_window_is_that_of_the_published_risk(scored):
    assert (floats(scored, "p_order_within") >= 1 - floats(scored, "churn_risk") - 2e-6).all()
    # The window holds the middle half of what comes within the year.
    likely = scored.scores.drop_nulls("p_order_in_window")
    share = likely["p_order_in_window"] / likely["p_order_within"]
    assert share.mean() == pytest.approx(0.5, abs=0.05)


def choose(monkeypatch, **chosen):
    """Let the back-test choose by decree."""

    def run_and_choose(*args, **kwargs):
        tried = run_backtest(*args, **kwargs)
        choices = {
            target: replace(tried.choices[target], model=model, grade="C", reason="By decree.")
            for target, model in chosen.items()
        }
        return replace(tried, choices=tried.choices | choices)

    monkeypatch.setattr("pipelines.scoring.customers.run_backtest", run_and_choose)


def test_the_order_model_is_the_one_that_was_chosen(monkeypatch):
    both = PARAMS.model_copy(update={"order_models": ("mbg_nbd", "bg_nbd")})
    choose(monkeypatch, value="bg_nbd")
    result = score(rules=replace(RULES, scores=both))
    assert result.report.order_model.kind == "bg_nbd"
    one_time = result.scores.filter(pl.col("frequency_count") == 0)
    assert one_time["p_alive"].unique().to_list() == [1.0]


def test_where_models_do_worse_the_customers_own_rate_is_published_and_called_so(monkeypatch):
    choose(monkeypatch, orders="own_rate", value="own_rate")
    result = score()
    assert set(result.scores["clv_basis"]) == set(result.scores["expected_orders_basis"])
    assert set(result.scores["clv_basis"]) == {"own_rate"}
    assert result.scores["clv_365d_low_amount"].null_count() == result.scores.height
    today = see_today(prepare_order_days(ORDERS), AS_OF, PARAMS)
    tried = choose_total(today, result.backtest, PARAMS, "value").expect(today)
    assert floats(result, "clv_horizon_amount") == pytest.approx(tried, rel=1e-4, abs=1e-3)
    assert any("graded C" in note for note in result.notes)


def test_a_model_that_is_not_clearly_good_is_told_of():
    strict = PARAMS.model_copy(
        update={"grade_limits": PARAMS.grade_limits.model_copy(update={"min_skill": 0.99})}
    )
    result = score(rules=Rules(strict, BOOK.churn_reasons, BOOK.next_order))
    told = [note for note in result.notes if "is graded B: " in note]
    graded = [choice for choice in result.backtest.choices.values() if choice.grade == "B"]
    assert len(told) == len(graded) >= 1


def test_who_has_seen_no_whole_year_is_asked_for_the_season_of_the_books(scored):
    short = simulate_orders(1_200, days=400)
    known_days = (AS_OF - short["ordered_on"].min()).days
    asked = [note for note in score(short).notes if "usual_month_orders" in note]
    assert asked == [
        f"Orders go back {known_days} days and show a season from 454 on. Until then "
        "usual_month_orders in scores.yml may tell one."
    ]
    told = PARAMS.model_copy(update={"usual_month_orders": (1.0,) * 12})
    for result in (scored, score(short, Rules(told, BOOK.churn_reasons, BOOK.next_order))):
        assert not any("usual_month_orders" in note for note in result.notes)


def test_a_model_that_cannot_be_fitted_tonight_is_stood_in_for(monkeypatch):
    both = PARAMS.model_copy(update={"order_models": ("mbg_nbd", "bg_nbd")})

    def without_bg(*args, **kwargs):
        today = see_today(*args, **kwargs)
        return replace(today, order_models={"mbg_nbd": today.order_models["mbg_nbd"]})

    choose(monkeypatch, churn="bg_nbd", orders="bg_nbd")
    monkeypatch.setattr("pipelines.scoring.customers.see_today", without_bg)
    result = score(rules=replace(RULES, scores=both))
    assert result.scores["churn_risk"].null_count() == 0


def test_nobody_orders_on_more_days_than_there_are(monkeypatch):
    def tenfold(_, today, *args):
        return np.full(today.aggregates.height, 5_000.0)

    monkeypatch.setattr("pipelines.scoring.totals.ChosenTotal.expect", tenfold)
    result = score()
    for name, days in zip(COUNTS, (90, 365, 1095), strict=True):
        assert set(floats(result, name)) == {days}


def test_scores_stay_in_their_range_and_in_order(scored):
    scores = scored.scores
    chances = scores.select("p_alive", "churn_risk", "p_order_within")
    assert chances.filter(pl.any_horizontal(~pl.all().is_between(0, 1))).is_empty()
    assert scores.filter(
        (pl.col("clv_365d_low_amount") > pl.col("clv_365d_high_amount"))
        | (pl.col("clv_horizon_amount") < 0)
        | (pl.col("clv_1095d_amount") < pl.col("clv_365d_amount"))
        | (pl.col("expected_orders_1095d_count") < pl.col("expected_orders_365d_count"))
    ).is_empty()
    windows = scores.drop_nulls("next_order_from_on")
    assert windows.filter(
        (pl.col("next_order_from_on") <= AS_OF)
        | (pl.col("next_order_to_on") < pl.col("next_order_from_on"))
    ).is_empty()
    assert windows.height > 100


def test_reasons_are_told_of_those_at_risk_in_both_languages(scored):
    ranks = scored.reasons.group_by("customer_id").agg(pl.col("reason_rank").max())
    assert ranks["reason_rank"].max() == 3
    assert scored.reasons.null_count().select("text_en", "text_zh").row(0) == (0, 0)
    at_risk = scored.scores.filter(pl.col("churn_risk_band") != "low")
    assert at_risk.join(scored.reasons, on="customer_id", how="anti").is_empty()
    plain = scored.reasons.filter(pl.col("reason") == "like_most")
    assert 0 < plain.height < at_risk.height / 2
    assert plain["text_en"].str.contains(r"^Nothing stands out: the risk is \d+%, of all").all()


def test_row_order_does_not_change_a_byte(scored):
    shuffled = score(ORDERS.sample(fraction=1.0, shuffle=True, seed=3))
    for name in ("scores", "reasons", "distributions"):
        assert as_bytes(getattr(shuffled, name)) == as_bytes(getattr(scored, name)), name
    assert shuffled.report == scored.report
    assert shuffled.backtest.reports.equals(scored.backtest.reports)


def test_customers_in_parts_are_scored_as_all_at_once(scored, monkeypatch):
    monkeypatch.setattr("pipelines.scoring.customers.CHUNK_ROWS", 500)
    monkeypatch.setattr("pipelines.scoring.churn.scores.CHUNK_ROWS", 350)
    assert scored.scores.height % 500 > 0
    assert as_bytes(score().scores.rechunk()) == as_bytes(scored.scores.rechunk())


def test_orders_without_a_margin_have_no_value_and_all_else():
    nothing = pl.lit(None, MONEY)
    unpriced = score(ORDERS.with_columns(margin_amount=nothing))
    assert unpriced.report.status == "scored"
    money = unpriced.scores.select(pl.col("^.*_amount$"))
    assert set(money.null_count().row(0)) == {unpriced.scores.height}
    assert unpriced.scores["churn_risk"].null_count() == 0


def test_what_comes_after_the_night_is_not_known(scored):
    later = ORDERS.with_columns(ordered_on=pl.col("ordered_on") + timedelta(days=1_000))
    assert as_bytes(score(pl.concat([ORDERS, later])).scores) == as_bytes(scored.scores)


@pytest.mark.parametrize("refund", [50, 500, 5_000])
def test_a_refund_lowers_what_is_expected_and_is_no_order(scored, refund):
    regular = scored.scores.filter(pl.col("frequency_count") > 4)["customer_id"][0]
    given_back = pl.DataFrame(
        {
            "customer_id": [regular], "ordered_on": [AS_OF - timedelta(days=1)],
            "margin_amount": [Decimal(-refund)], "is_discounted": [False], "is_order": [False],
        },
        schema_overrides={"margin_amount": MONEY},
    )  # fmt: skip
    told = pl.concat([ORDERS.with_columns(is_order=pl.lit(True)), given_back])
    result = score_customers(told, moments_of(ORDERS), AS_OF, RULES).scores

    def row(frame):
        return frame.row(by_predicate=pl.col("customer_id") == regular, named=True)

    assert row(result)["frequency_count"] == row(scored.scores)["frequency_count"]
    margin = "expected_order_margin_amount"
    assert 0 <= row(result)[margin] < row(scored.scores)[margin]
    if refund == 5_000:
        assert row(result)["clv_365d_amount"] == 0


# ---------- memory


def test_the_next_night_starts_from_the_last_and_ends_at_the_same(scored):
    again = score(memory=Memory(scored.report, scored.distributions))
    warm, cold = again.report.order_model, scored.report.order_model
    assert warm.iterations < cold.iterations
    assert warm.parameters == pytest.approx(cold.parameters, rel=1e-6)
    assert again.drift["psi"].to_list() == pytest.approx([0] * again.drift.height, abs=1e-6)
    assert not [note for note in again.notes if "PSI" in note]


def moved(report: ModelReport, factor: float) -> ModelReport:
    record = report.order_model
    parameters = record.parameters | {"alpha": record.parameters["alpha"] * factor}
    errors = tuple(error / 100 for error in record.standard_errors)
    return report.model_copy(
        update={
            "order_model": record.model_copy(
                update={"parameters": parameters, "standard_errors": errors}
            )
        }
    )


def test_a_jump_of_the_parameters_is_believed_on_the_second_night(scored):
    before = Memory(moved(scored.report, 1.5), scored.distributions)
    first = score(memory=before)
    assert first.report.order_model.parameters == before.report.order_model.parameters
    assert first.report.refused_fit.parameters == pytest.approx(
        scored.report.order_model.parameters, rel=1e-6
    )
    assert "believed" in first.notes[0]
    second = score(memory=Memory(first.report, first.distributions))
    assert second.report.refused_fit is None
    assert second.report.order_model.parameters == pytest.approx(
        scored.report.order_model.parameters, rel=1e-6
    )


def test_drift_is_told_in_a_sentence(scored):
    half = scored.distributions.with_columns(
        share=pl.when((pl.col("column") == "churn_risk") & (pl.col("bin") == 0))
        .then(0.6)
        .otherwise("share")
    )
    result = score(memory=Memory(scored.report, half))
    assert any("churn_risk moved since the last release" in note for note in result.notes)


def test_a_refused_night_keeps_what_the_last_one_knew(scored):
    few = ORDERS.filter(pl.col("customer_id") < "c00400")
    refused = score(few, memory=Memory(scored.report, scored.distributions))
    assert refused.status == "refused"
    assert refused.order_model == scored.report.order_model


# ---------- refusals


def refusal(order_days, params: ScoringParams = PARAMS) -> str:
    result = score(order_days, replace(RULES, scores=params))
    assert isinstance(result, ModelReport)
    assert result.status == "refused"
    assert result.order_model is None
    return result.reason


def test_too_little_is_refused_with_what_would_be_enough():
    few = ORDERS.filter(pl.col("customer_id") < "c00400")
    assert "customers have an order; 500 are needed." in refusal(few)
    young = ORDERS.filter(pl.col("ordered_on") > AS_OF - timedelta(days=200))
    assert "270 are needed." in refusal(young)
    assert "0 customers have an order; 500 are needed." in refusal(ORDERS.clear())


def test_an_unfinished_search_is_refused_not_published(monkeypatch):
    monkeypatch.setattr("pipelines.scoring.models.newton.MAX_ITERATIONS", 2)
    assert "did not end after 2 steps" in refusal(ORDERS)


def test_two_rows_of_one_day_are_an_error():
    with pytest.raises(ValueError, match="two rows of one day"):
        score(pl.concat([ORDERS, ORDERS.head(1)]))


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


def test_the_packaged_rules_are_the_defaults():
    assert date(2026, 6, 30) == AS_OF
    assert BOOK.scores == ScoringParams()
