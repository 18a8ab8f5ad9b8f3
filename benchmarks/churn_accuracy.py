"""How well churn, orders and value are foreseen, against baselines and a known truth.

    python benchmarks/churn_accuracy.py DATA [--horizon 91] [--cuts 4]

DATA holds drop folders in the landing contract: cdnow/drop and online_retail/drop, each with
orders.parquet and perhaps refunds.parquet. Two more bases are drawn from models that are known: one
without seasons, where the true model's AUC is the most that can be had, and one with a December.
"""

import argparse
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
from sklearn.metrics import roc_auc_score

from pipelines.rules import find_rules, load_rules
from pipelines.rules.schemas import ScoringParams
from pipelines.scoring.churn.features import aggregate_history
from pipelines.scoring.models.bg_nbd import BgNbd
from pipelines.scoring.past.backtest import Backtest, run_backtest
from pipelines.scoring.past.order_models import histories_of
from pipelines.scoring.past.snapshots import cut_snapshot, prepare_order_days

LAST_DAYS = {
    "cdnow": (date(1998, 6, 30),),
    # Thirteen months hold two cuts a quarter apart; other last days give others.
    "online_retail": (date(2011, 12, 9), date(2011, 11, 9), date(2011, 10, 9)),
}
# What the shop's books would have told: orders by month of the year before the file, January first
# (Online Retail II, UCI 502, CC BY 4.0; 2010, of December 2009), counted after cleaning by others.
USUAL_MONTHS = {
    "online_retail": (1049, 1189, 1647, 1435, 1484, 1615, 1507, 1402, 1789, 2244, 2719, 1666)
}
SIMULATED_DAYS, WEEK = 1092, 7
TRUTH = {"r": 0.55, "alpha": 2.25 * WEEK, "a": 0.55, "b": 3.0}
EPOCH = date(2024, 1, 1)
SHOWN = {
    "churn": ("auc", "log_loss", "brier", "ece", "retained_lift_10", "total_bias"),
    "orders": ("gini", "spearman", "mae", "decile_mape", "total_bias"),
    "value": ("gini", "spearman", "mae", "decile_mape", "total_bias"),
}


def read_order_days(folder: Path) -> pl.DataFrame:
    """Completed orders by customer and day; a refund is a row of its own day."""
    orders = pl.read_parquet(folder / "orders.parquet").filter(pl.col("status") == "completed")
    frames = [add_up(orders, "ordered_at", pl.col("total_amount"), is_order=True)]
    if (folder / "refunds.parquet").is_file():
        refunds = pl.read_parquet(folder / "refunds.parquet")
        frames.append(add_up(refunds, "refunded_at", -pl.col("amount"), is_order=False))
    return prepare_order_days(pl.concat(frames))


def add_up(rows: pl.DataFrame, at: str, amount: pl.Expr, *, is_order: bool) -> pl.DataFrame:
    """Amounts by customer and day."""
    return (
        rows.filter(pl.col("customer_source_id").is_not_null())
        .group_by(customer_id="customer_source_id", ordered_on=pl.col(at).dt.date())
        .agg(margin_amount=amount.sum().cast(pl.Float64))
        .with_columns(is_order=pl.lit(is_order))
    )


def simulate(customers: int, seed: int, december: float) -> pl.DataFrame:
    """Order days of a BG/NBD base over three years; orders of December `december` times as dense.

    A season is a clock that runs faster: an order at operational time s falls on the day at which
    the sum of the days' rates reaches s.
    """
    random = np.random.default_rng(seed)
    days = [EPOCH + timedelta(days=day) for day in range(SIMULATED_DAYS)]
    rates = np.array([december if day.month == 12 else 1.0 for day in days])
    clock = np.append(0.0, np.cumsum(rates / rates[:364].mean()))
    at = random.uniform(0.0, clock[-1] * 0.85, customers)
    rate = random.gamma(TRUTH["r"], 1.0 / TRUTH["alpha"], customers)
    stops = random.beta(TRUTH["a"], TRUTH["b"], customers)
    active, found = np.arange(customers), []
    while len(active):
        day = np.searchsorted(clock, at[active], side="right") - 1
        found.append((active.copy(), day))
        if len(found) > 1:
            active = active[random.random(len(active)) > stops[active]]
        with np.errstate(divide="ignore", over="ignore"):
            at[active] += random.exponential(1.0, len(active)) / rate[active]
        active = active[at[active] < clock[-1]]
    who, when = (np.concatenate(parts) for parts in zip(*found, strict=True))
    margins = random.gamma(6.25, 1.0, len(who)) * (15.44 / random.gamma(3.74, 1.0, customers))[who]
    drawn = (
        pl.DataFrame({"customer": who, "day": when, "margin_amount": margins})
        .group_by("customer", "day")
        .agg(pl.col("margin_amount").sum())
        .select(
            customer_id=pl.format("c{}", pl.col("customer").cast(pl.String).str.zfill(8)),
            ordered_on=pl.lit(EPOCH) + pl.duration(days="day"),
            margin_amount="margin_amount",
        )
    )
    return prepare_order_days(drawn)


def true_auc(order_days: pl.DataFrame, feature_on: date, horizon_days: int) -> float:
    """The AUC of the model that the data were drawn from."""
    snapshot = cut_snapshot(order_days, feature_on, horizon_days)
    histories = histories_of(aggregate_history(snapshot.known, feature_on))
    risk = BgNbd(**TRUTH, may_stop_at_once=False).p_no_order(horizon_days, *histories)
    return float(roc_auc_score(snapshot.labels["is_churned"], risk))


def print_table(name: str, backtest: Backtest) -> None:
    """Each target's choice, and the metrics of every model and cut."""
    print(f"\n== {name}, {backtest.as_of}")
    for target, metrics in SHOWN.items():
        choice = backtest.choices[target]
        print(f"\n{target}: {choice.model}, grade {choice.grade}. {choice.reason}")
        rows = backtest.reports.filter(
            (pl.col("target") == target) & pl.col("metric").is_in(metrics)
        )
        if rows.height:
            wide = rows.pivot("metric", index=["model", "feature_on"], values="value")
            wide = wide.select("model", "feature_on", *metrics)
            print(wide.with_columns(pl.col(pl.Float64).round(4)))


def main() -> None:
    """Run all bases and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--horizon", type=int, default=91)
    parser.add_argument("--cuts", type=int, default=4)
    asked = parser.parse_args()
    rules = load_rules(find_rules(None)).scores
    everybody = {"horizon_days": asked.horizon, "sample_customers": 1_000_000}
    params = ScoringParams.model_validate({**dict(rules), **everybody})
    pl.Config(tbl_rows=60, tbl_cols=20, tbl_width_chars=160, tbl_hide_column_data_types=True,
              tbl_hide_dataframe_shape=True, tbl_formatting="ASCII_MARKDOWN")  # fmt: skip
    for name, last_days in LAST_DAYS.items():
        order_days = read_order_days(asked.data / name / "drop")
        for as_of in last_days:
            print_table(name, run_backtest(order_days, as_of, params, cuts=asked.cuts))
            if name in USUAL_MONTHS:
                told = params.model_copy(update={"usual_month_orders": USUAL_MONTHS[name]})
                backtest = run_backtest(order_days, as_of, told, cuts=asked.cuts)
                print_table(f"{name}, its books told", backtest)
    as_of = EPOCH + timedelta(days=SIMULATED_DAYS - 1)
    order_days = simulate(40_000, seed=7, december=1.0)
    print_table("simulation", run_backtest(order_days, as_of, params, cuts=asked.cuts))
    for back in range(1, asked.cuts + 1):
        day = as_of - timedelta(days=asked.horizon * back)
        print(f"AUC of the true model at {day}: {true_auc(order_days, day, asked.horizon):.4f}")
    seasonal = simulate(40_000, seed=8, december=3.0)
    print_table("simulated December", run_backtest(seasonal, as_of, params, cuts=asked.cuts))


if __name__ == "__main__":
    main()
