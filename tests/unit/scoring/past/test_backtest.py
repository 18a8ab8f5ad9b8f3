from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from simulated_orders import AS_OF, simulate_orders

from pipelines.rules import find_rules, load_rules
from pipelines.rules.schemas import GradeLimits, ScoringParams
from pipelines.scoring.churn.features import aggregate_history
from pipelines.scoring.churn.scores import SCHEMA, score_churn, see_today
from pipelines.scoring.past.backtest import (
    REPORT_SCHEMA,
    choose_model,
    compare_losses,
    run_backtest,
)
from pipelines.scoring.past.metrics import AMOUNT_METRICS, RISK_METRICS
from pipelines.scoring.past.snapshots import prepare_order_days, sample_customers
from pipelines.scoring.totals import choose_total

PARAMS = ScoringParams(order_models=("mbg_nbd", "bg_nbd"))
REASONS = load_rules(find_rules(None)).churn_reasons
ORDERS = simulate_orders(2_000)
PREPARED = prepare_order_days(ORDERS)
LIMITS = GradeLimits()


@pytest.fixture(scope="module")
def backtest():
    return run_backtest(PREPARED, AS_OF, PARAMS, cuts=3)


@pytest.fixture(scope="module")
def today():
    return see_today(PREPARED, AS_OF, PARAMS)


@pytest.fixture(scope="module")
def scores(backtest, today):
    return score_churn(today, backtest, PARAMS, REASONS)


def losses(baseline: float, model: float, other: float = 9.0, *, spread: float = 0.1):
    random = np.random.default_rng(3)
    noise = random.normal(0.0, spread, (3, 900))
    noise -= noise.mean(axis=1, keepdims=True)
    names = {"recency": baseline, "logistic": model, "mbg_nbd": other}
    return pl.DataFrame(
        {"customer_id": [f"c{n}" for n in range(900)]}
        | {name: value + row for (name, value), row in zip(names.items(), noise, strict=True)}
    )


# ---------- season


def test_the_books_put_the_totals_of_a_short_history_right():
    spring = simulate_orders(4_000, days=420, busy_months=(4, 5, 6), busier=2.0)
    books = tuple(200.0 if month in (4, 5, 6) else 100.0 for month in range(1, 13))
    bias = {}
    for usual in (None, books):
        params = ScoringParams(order_models=("mbg_nbd",), usual_month_orders=usual)
        reports = run_backtest(prepare_order_days(spring), AS_OF, params, cuts=1).reports
        row = reports.filter(target="orders", model="mbg_nbd", metric="total_bias")
        bias[usual] = row["value"].item()
    assert bias[None] < -0.25
    assert abs(bias[books]) < 0.1


# ---------- choice and grade


def choose(frame: pl.DataFrame, level: float = 0.01):
    off = dict.fromkeys(frame.columns[1:], level)
    return choose_model("churn", frame, off, LIMITS, cuts=2)


def test_clearly_better_with_the_level_right_is_an_a():
    choice = choose(losses(0.50, 0.45))
    assert (choice.model, choice.grade) == ("logistic", "A")
    assert "loss 10.0% below that of recency" in choice.reason


def test_worse_than_the_baseline_tells_how_far_the_level_of_what_is_published_is_off():
    worse = losses(0.50, 0.60)
    off = {"recency": 0.08, "logistic": 0.01, "mbg_nbd": 0.01}
    choice = choose_model("churn", worse, off, LIMITS, cuts=2)
    assert (choice.model, choice.grade) == ("recency", "C")
    published = "recency is published instead"
    assert choice.reason.endswith(f"{published}; its level is off by 0.080, more than 0.050.")
    assert choose(worse).reason.endswith(f"{published}.")


def test_clearly_better_with_the_level_wrong_is_a_b():
    choice = choose(losses(0.50, 0.45), level=0.08)
    assert (choice.model, choice.grade) == ("logistic", "B")
    assert "its level is off by 0.080, more than 0.050" in choice.reason


def test_better_by_chance_or_by_next_to_nothing_is_a_b():
    assert choose(losses(0.50, 0.48, spread=1.0)).grade == "B"
    assert choose(losses(0.50, 0.495, spread=0.001)).grade == "B"


def test_worse_is_a_c_and_the_baseline_is_published():
    choice = choose(losses(0.45, 0.50))
    assert (choice.model, choice.grade) == ("recency", "C")
    assert "recency is published instead" in choice.reason


def test_another_model_must_be_clearly_better_than_the_preferred_one():
    assert choose(losses(0.60, 0.50, 0.47)).model == "mbg_nbd"
    assert choose(losses(0.60, 0.50, 0.47, spread=1.0)).model == "logistic"
    assert choose(losses(0.60, 0.50, 0.4999, spread=0.00001)).model == "logistic"


def test_without_any_model_the_baseline_stands():
    choice = choose(losses(0.5, 0.4).select("customer_id", "recency"))
    assert (choice.model, choice.grade) == ("recency", "C")


def test_a_customer_of_two_cuts_is_one_witness():
    once = losses(0.5, 0.4)
    gain, error = compare_losses(once, "recency", "logistic")
    again, same_error = compare_losses(pl.concat([once, once]), "recency", "logistic")
    assert again == pytest.approx(gain)
    assert same_error == pytest.approx(error)


# ---------- the whole back-test


def test_reports_have_one_row_per_target_model_cut_and_metric(backtest):
    reports = backtest.reports
    assert reports.schema == REPORT_SCHEMA
    assert not reports.select("target", "model", "feature_on", "metric").is_duplicated().any()
    cuts = [AS_OF - timedelta(days=90 * back) for back in (3, 2, 1)]
    assert sorted(reports["feature_on"].unique()) == cuts
    of_churn = reports.filter(pl.col("target") == "churn")
    assert set(of_churn["metric"]) == set(RISK_METRICS)
    assert set(of_churn["model"]) == {"recency", "logistic", "mbg_nbd", "bg_nbd"}
    of_value = reports.filter(pl.col("target") == "value")
    assert set(of_value["metric"]) == {*AMOUNT_METRICS, "deviance"}


def test_models_beat_their_baselines_on_customers_who_do_stop(backtest):
    assert backtest.choices["churn"].grade in ("A", "B")
    assert backtest.choices["orders"].grade in ("A", "B")
    chosen = backtest.reports.filter("is_chosen", pl.col("target") == "churn")
    by_metric = chosen.pivot("metric", index="feature_on", values="value")
    assert by_metric["auc"].min() > 0.75
    assert by_metric["ece"].mean() < 0.05


def test_choices_are_rows_too(backtest):
    rows = backtest.choice_rows()
    assert rows["target"].to_list() == ["churn", "orders", "value"]
    assert rows["as_of"].unique().to_list() == [AS_OF]
    assert rows["cuts"].to_list() == [3, 3, 3]


def test_what_comes_after_the_day_changes_nothing(backtest):
    later = ORDERS.with_columns(pl.col("ordered_on") + pl.duration(days=600))
    both = prepare_order_days(pl.concat([ORDERS, later]))
    again = run_backtest(both.filter(pl.col("ordered_on") <= AS_OF), AS_OF, PARAMS, cuts=3)
    with_later = run_backtest(both, AS_OF, PARAMS, cuts=3)
    assert_frame_equal(with_later.reports, again.reports)


def test_the_order_of_rows_does_not_matter(backtest, scores):
    shuffled = prepare_order_days(ORDERS.sample(fraction=1.0, shuffle=True, seed=8))
    again = run_backtest(shuffled, AS_OF, PARAMS, cuts=3)
    assert_frame_equal(again.reports, backtest.reports, check_exact=True)
    same = score_churn(see_today(shuffled, AS_OF, PARAMS), again, PARAMS, REASONS)
    assert_frame_equal(same, scores, check_exact=True)


def test_a_sample_of_the_customers_does(today):
    few = PARAMS.model_copy(update={"sample_customers": 1_000})
    tried = run_backtest(PREPARED, AS_OF, few)
    assert tried.days[0].features.height <= 1_000
    everybody = score_churn(see_today(PREPARED, AS_OF, few), tried, few, REASONS)
    assert everybody.height == today.features.height


def test_of_those_who_are_not_in_the_sample_sums_are_enough():
    few = PARAMS.model_copy(update={"sample_customers": 300})
    days, sums = sample_customers(PREPARED, 300), aggregate_history(PREPARED, AS_OF)
    told, seen = see_today(days, AS_OF, few, aggregates=sums), see_today(PREPARED, AS_OF, few)
    assert_frame_equal(told.features, seen.features, check_exact=True)
    assert told.seasons == seen.seasons


# ---------- refusal


@pytest.mark.parametrize(
    ("orders", "why"),
    [
        (PREPARED.clear(), "0 customers have an order; 500 are needed."),
        (prepare_order_days(simulate_orders(400)), "400 customers have an order; 500 are needed."),
        (
            PREPARED.filter(pl.col("ordered_on") > AS_OF - timedelta(days=200)),
            "days; 270 are needed.",
        ),
        (
            PREPARED.filter(pl.col("ordered_on") <= AS_OF - timedelta(days=90)),
            "ordered in the 90 days after it; 100 are needed.",
        ),
    ],
)
def test_too_little_data_is_refused_with_what_would_be_enough(orders, why):
    refused = run_backtest(orders, AS_OF, PARAMS)
    assert refused.reports.is_empty()
    assert refused.reports.schema == REPORT_SCHEMA
    for choice in refused.choices.values():
        assert choice.model is None
        assert choice.grade is None
        assert why in choice.reason


def test_orders_without_a_margin_give_no_value():
    free = PREPARED.with_columns(margin_amount=pl.lit(0.0))
    choices = run_backtest(free, AS_OF, PARAMS, cuts=1).choices
    assert choices["value"].model is None
    assert "No margin_amount was seen" in choices["value"].reason
    assert choices["churn"].model is not None


def test_a_refused_night_has_no_scores(today):
    refused = run_backtest(PREPARED.clear(), AS_OF, PARAMS)
    none = score_churn(today, refused, PARAMS, REASONS)
    assert none.is_empty()
    assert none.schema == SCHEMA
    assert choose_total(today, refused, PARAMS, "orders").basis == "own_rate"


# ---------- scores


def test_every_customer_has_a_risk_a_band_and_reasons(scores):
    assert scores.schema == SCHEMA
    assert scores["customer_id"].to_list() == sorted(set(ORDERS["customer_id"]))
    assert scores["churn_risk"].is_between(0, 1).all()
    bands = scores.group_by("churn_risk_band").agg(
        low=pl.col("churn_risk").min(), high=pl.col("churn_risk").max()
    )
    edges = {band: (low, high) for band, low, high in bands.iter_rows()}
    assert edges["low"][1] < 0.33 <= edges["medium"][0]
    assert edges["medium"][1] <= 0.66 < edges["high"][0]
    high = scores.filter(pl.col("churn_risk_band") == "high")
    assert high["churn_reason_1"].null_count() < 0.1 * high.height


def test_totals_by_the_chosen_models(backtest, today):
    orders = choose_total(today, backtest, PARAMS, "orders").expect(today)
    value = choose_total(today, backtest, PARAMS, "value").expect(today)
    assert orders.shape == value.shape == (today.features.height,)
    assert (orders >= 0).all()


# ---------- other sources


def complaints(is_told: bool) -> pl.DataFrame:
    """Open complaints on past days and today; where told, of those who will not order again."""
    frames = []
    for back in range(7):
        day = AS_OF - timedelta(days=90 * back)
        after = PREPARED.filter(
            pl.col("ordered_on") > day, pl.col("ordered_on") <= day + timedelta(days=90)
        )
        active = after["customer_id"].unique().implode()
        known = PREPARED.filter(pl.col("ordered_on") <= day).select(
            pl.col("customer_id").unique(maintain_order=True)
        )
        number = pl.int_range(pl.len())
        complains = (number % 3 > 0) & ~pl.col("customer_id").is_in(active)
        frames.append(
            known.with_columns(
                feature_on=pl.lit(day),
                open_complaint_count=complains.cast(pl.Int64) if is_told else number % 5,
            )
        )
    return pl.concat(frames)


def test_trees_are_tried_with_other_sources_and_useful_columns_help(backtest):
    pytest.importorskip("lightgbm")
    tried = run_backtest(PREPARED, AS_OF, PARAMS, cuts=2, optional=complaints(is_told=True))
    models = set(tried.reports.filter(pl.col("target") == "churn")["model"])
    assert "lightgbm" in models
    assert tried.choices["churn"].model in ("logistic", "lightgbm")
    assert tried.choices["churn"].loss < 0.8 * backtest.choices["churn"].loss


def test_trees_that_are_not_clearly_better_are_not_taken():
    pytest.importorskip("lightgbm")
    tried = run_backtest(PREPARED, AS_OF, PARAMS, cuts=2, optional=complaints(is_told=False))
    assert tried.choices["churn"].model != "lightgbm"


def test_what_other_sources_say_of_another_day_is_not_used(today):
    yesterday = complaints(is_told=True).with_columns(pl.col("feature_on") - pl.duration(days=1))
    seen = see_today(PREPARED, AS_OF, PARAMS, yesterday)
    assert seen.features["open_complaint_count"].null_count() == seen.features.height


def test_on_orders_alone_trees_are_not_tried(backtest):
    assert "lightgbm" not in set(backtest.reports["model"])
    assert backtest.optional == backtest.churn_columns == ()


def known_since(day):
    """Complaints of a source that came on a day: before it nothing is known of anybody."""
    count = pl.when(pl.col("feature_on") >= day).then("open_complaint_count")
    return complaints(is_told=True).with_columns(open_complaint_count=count)


def test_a_source_younger_than_any_day_to_learn_it_on_is_not_tried():
    optional = known_since(AS_OF - timedelta(days=90))
    tried = run_backtest(PREPARED, AS_OF, PARAMS, cuts=2, optional=optional)
    assert tried.optional == ()
    assert "lightgbm" not in set(tried.reports["model"])


def test_a_source_counts_as_soon_as_one_day_taught_it_and_a_later_one_tried_it(backtest):
    pytest.importorskip("lightgbm")
    optional = known_since(AS_OF - timedelta(days=180))
    tried = run_backtest(PREPARED, AS_OF, PARAMS, cuts=2, optional=optional)
    assert tried.optional == tried.churn_columns == ("open_complaint_count",)
    losses = tried.reports.filter(metric="log_loss", target="churn", model="logistic")
    young, old = losses.sort("feature_on")["value"].reverse()
    assert young < 0.9 * old
