"""Customers bound in other ways: the model of their kind is tried, and wins where it is true."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError
from simulated_orders import AS_OF, simulate_orders

from pipelines.rules import find_rules, load_rules
from pipelines.rules.schemas import Relation, ScoringParams
from pipelines.scoring.churn.scores import see_today
from pipelines.scoring.customers import CustomerScores, Memory, Rules, score_customers
from pipelines.scoring.past.backtest import run_backtest
from pipelines.scoring.past.order_models import level_columns, says_more
from pipelines.scoring.past.snapshots import prepare_order_days

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
BOOK = load_rules(find_rules(None))
MONTHLY = {"period_days": 30}


def draw_periods(customers: int, *, contract: bool, seed: int = 4) -> pl.DataFrame:
    """Orders every 30 days, some days early or late, of customers who leave for good."""
    random = np.random.default_rng(seed)
    begins = random.integers(0, 30 * 24, customers)
    leave = random.beta(0.6, 5.0, customers)
    take = np.ones(customers) if contract else random.beta(1.2, 0.75, customers)
    stays, found = np.ones(customers, dtype=bool), [(np.arange(customers), begins)]
    for chance in range(1, 31):
        stays &= random.random(customers) >= leave
        day = begins + 30 * chance + random.integers(-3, 4, customers)
        taken = np.flatnonzero(stays & (random.random(customers) < take) & (day < 900))
        found.append((taken, day[taken]))
    return as_order_days(found, AS_OF - timedelta(days=899))


def order_till_they_stop(
    random: np.random.Generator, at: Floats, rate: Floats, stops: Floats, days: int
) -> list[tuple[Ints, Ints]]:
    """Orders of customers who may stop for good after each one; `at` is the day of the first."""
    active, found = np.arange(len(at)), []
    while len(active):
        found.append((active.copy(), at[active].astype(int)))
        active = active[random.random(len(active)) >= stops[active]]
        at[active] += random.exponential(1.0, len(active)) / rate[active]
        active = active[at[active] < days]
    return found


def draw_cohorts(customers: int = 3_000, seed: int = 6) -> pl.DataFrame:
    """Who was won by the end of 2024 seldom stops; of those won later most do soon."""
    random = np.random.default_rng(seed)
    days, start = 900, AS_OF - timedelta(days=899)
    at = random.uniform(0.0, days - 90.0, customers)
    is_old = at < (date(2025, 1, 1) - start).days
    stops = np.where(is_old, random.beta(1.0, 30.0, customers), random.beta(3.0, 3.0, customers))
    rate = random.gamma(1.0, 1.0 / 60.0, customers) + 1e-4
    found = order_till_they_stop(random, at, rate, stops, days)
    return as_order_days(found, start)


def draw_cut_off(seed: int = 6) -> pl.DataFrame:
    """A shop of years, whose history begins 400 days ago; those won since then order less."""
    random = np.random.default_rng(seed)
    at = np.append(np.zeros(1_500), random.uniform(0.0, 400.0, 1_500))
    rate = np.append(random.gamma(2.0, 1.0 / 60.0, 1_500), random.gamma(0.5, 1.0 / 60.0, 1_500))
    # Who was there before is first seen when the next order comes.
    at[:1_500] += random.exponential(1.0, 1_500) / rate[:1_500]
    active, found = np.flatnonzero(at < 400.0), []
    while len(active):
        found.append((active.copy(), at[active].astype(int)))
        at[active] += random.exponential(1.0, len(active)) / np.maximum(rate[active], 1e-9)
        active = active[at[active] < 400.0]
    return as_order_days(found, AS_OF - timedelta(days=399))


def draw_channels(customers: int = 2_400, seed: int = 6) -> pl.DataFrame:
    """Who was won in the store orders often and stays, who came by an advertisement does not."""
    random = np.random.default_rng(seed)
    by_store = np.arange(customers) % 3 > 0
    at = random.uniform(0.0, 500.0, customers)
    stops = np.where(by_store, random.beta(1.0, 30.0, customers), random.beta(3.0, 3.0, customers))
    rate = random.gamma(1.0, 1.0 / 60.0, customers) + 1e-4
    found = order_till_they_stop(random, at, rate, stops, 600)
    days = as_order_days(found, AS_OF - timedelta(days=599))
    number = pl.col("customer_id").str.slice(1).cast(pl.Int64)
    channel = pl.when(number % 3 > 0).then(pl.lit("store")).otherwise(pl.lit("advertisement"))
    return days.with_columns(first_channel=pl.when(number % 40 != 0).then(channel))


def as_order_days(found: list[tuple[Ints, Ints]], start: date) -> pl.DataFrame:
    """Who ordered on which day, as the scores read it."""
    who, when = (np.concatenate(parts) for parts in zip(*found, strict=True))
    drawn = pl.DataFrame({"number": who, "day": when}).unique()
    return prepare_order_days(
        drawn.select(
            customer_id=pl.format("c{}", pl.col("number").cast(pl.String).str.zfill(5)),
            ordered_on=pl.lit(start) + pl.duration(days="day"),
            margin_amount=10.0 + pl.col("number") % 7,
        )
    )


@pytest.mark.parametrize(
    ("kind", "contract", "model"), [("periodic", False, "bg_bb"), ("contractual", True, "sbg")]
)
def test_where_orders_come_by_the_period_the_model_of_it_wins_if_it_is_asked_for(
    kind, contract, model
):
    orders = draw_periods(1_500, contract=contract)
    free = ScoringParams(order_models=("mbg_nbd",))
    told = free.model_copy(update={"relation": Relation(kind=kind, **MONTHLY)})
    tried = run_backtest(orders, AS_OF, told)
    assert tried.choices["orders"].model == tried.choices["value"].model == model
    assert tried.choices["orders"].grade == "A"
    assert model not in run_backtest(orders, AS_OF, free).reports["model"].to_list()


def test_cohorts_win_where_they_differ_and_go_on_from_the_last_release():
    orders = draw_cohorts()
    params = ScoringParams(order_models=("mbg_nbd", "mbg_nbd_cohorts"), min_cohort_customers=300)
    rules = Rules(params, BOOK.churn_reasons, BOOK.next_order)
    hours = orders.select("customer_id", "ordered_on", ordered_hour=pl.lit(9, pl.Int64))
    night = score_customers(orders, hours, AS_OF, rules)
    assert isinstance(night, CustomerScores)
    assert night.backtest.choices["orders"].model == "mbg_nbd_cohorts"
    fitted = night.report.order_model
    assert fitted.kind == "mbg_nbd_cohorts"
    cohorts = {name.partition("_")[2] for name in fitted.parameters}
    assert cohorts == {"", "start", "2024", "2025", "2026"}
    memory = Memory(night.report, night.distributions)
    again = score_customers(orders, hours, AS_OF + timedelta(days=1), rules, memory)
    assert again.report.order_model.iterations < fitted.iterations
    assert again.report.refused_nights == 0
    assert night.scores["clv_365d_low_amount"].null_count() == 0


def test_who_was_there_before_the_history_began_is_not_taken_for_new():
    kinds = ("mbg_nbd", "mbg_nbd_cohorts")
    params = ScoringParams(order_models=kinds, min_cohort_customers=300, backtest_cuts=1)
    tried = run_backtest(draw_cut_off(), AS_OF, params)
    assert tried.choices["orders"].model == "mbg_nbd_cohorts"
    biases = tried.reports.filter(target="orders", metric="total_bias")
    bias = dict(biases.select("model", pl.col("value").abs()).rows())
    assert bias["mbg_nbd_cohorts"] < bias["mbg_nbd"]


CHANNELS = ScoringParams(
    order_models=("mbg_nbd", "mbg_nbd_channels"),
    min_cohort_customers=300,
    sample_customers=1_200,
    backtest_cuts=1,
)


def test_channels_win_where_they_differ_and_go_on_from_the_last_release(monkeypatch):
    orders = draw_channels()
    rules = Rules(CHANNELS, BOOK.churn_reasons, BOOK.next_order)
    hours = orders.select("customer_id", "ordered_on", ordered_hour=pl.lit(9, pl.Int64))
    night = score_customers(orders, hours, AS_OF, rules)
    assert night.backtest.choices["orders"].model == "mbg_nbd_channels"
    fitted = night.report.order_model
    assert fitted.kind == "mbg_nbd_channels"
    names = {name.partition("_")[2] for name in fitted.parameters}
    assert names == {"", "advertisement", "store"}
    # In parts of the customers each part is of its own channels.
    monkeypatch.setattr("pipelines.scoring.customers.CHUNK_ROWS", 500)
    assert score_customers(orders, hours, AS_OF, rules).scores.equals(night.scores)
    memory = Memory(night.report, night.distributions)
    again = score_customers(orders, hours, AS_OF + timedelta(days=1), rules, memory)
    assert again.report.order_model.iterations < fitted.iterations
    assert again.report.refused_nights == 0


def test_without_channels_nothing_of_them_is_tried():
    orders = draw_channels()
    unknown = orders.with_columns(first_channel=pl.lit(None, pl.String))
    for days in (orders.drop("first_channel"), unknown):
        tried = run_backtest(prepare_order_days(days), AS_OF, CHANNELS)
        assert set(tried.reports.filter(target="orders")["model"]) == {"own_rate", "mbg_nbd"}
        assert tried.choices["orders"].model == "mbg_nbd"


def test_one_cohort_is_none():
    orders = prepare_order_days(simulate_orders(800, days=300))
    today = see_today(orders, AS_OF, ScoringParams(min_cohort_customers=100))
    years = orders.group_by("customer_id").agg(pl.col("ordered_on").min().dt.year())
    assert years["ordered_on"].n_unique() == 2
    assert says_more(today.order_models["mbg_nbd_cohorts"])
    assert set(level_columns("mbg_nbd_cohorts")) <= set(today.features.columns)
    alone = see_today(orders, AS_OF, ScoringParams())
    assert not says_more(alone.order_models["mbg_nbd_cohorts"])
    few = ScoringParams(order_models=("mbg_nbd",), min_events_per_class=30)
    more = ScoringParams(order_models=("mbg_nbd", "mbg_nbd_cohorts"), min_events_per_class=30)
    assert run_backtest(orders, AS_OF, more).reports.equals(
        run_backtest(orders, AS_OF, few).reports
    )


@pytest.mark.parametrize("wrong", [{"kind": "periodic"}, {"period_days": 30}])
def test_a_period_is_needed_by_periodic_relations_and_by_no_other(wrong):
    with pytest.raises(ValidationError, match="period_days is needed"):
        Relation(**wrong)
