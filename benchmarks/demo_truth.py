"""How near the churn risk of the demo company comes to what could be known at all.

    c360 demo && C360_RULES_DIR=.../demo/rules c360 nightly --date 2026-06-30
    .venv/bin/python benchmarks/demo_truth.py HOME

Of the persons who are one customer each, the AUC of who orders in the next 90 days, by the
published risk, by somebody who knows each person's own rate of orders beside the history, and by
somebody who also knows who has stopped. Then by boosted trees that learn on the very day and answer
(in five folds: no forecast has that): of all that the night knows, with longer memories of visits,
opens and carts, and with the true rate. What the rate alone adds cannot be learnt from the data.
"""

import argparse
from datetime import date
from itertools import pairwise
from pathlib import Path

import lightgbm
import numpy as np
import polars as pl
from sklearn.metrics import roc_auc_score

from pipelines.demo.people import DROPOUT_DAYS, DROPOUT_SHAPE
from pipelines.demo.world import DAY, ORIGIN, demand_at, second_of
from pipelines.rules import find_rules, load_rules
from pipelines.scoring.churn.scores import see_today
from pipelines.scoring.past.metrics import expected_calibration_error
from pipelines.scoring.past.order_models import level_columns
from pipelines.scoring.past.snapshots import prepare_order_days

AS_OF, HORIZON = date(2026, 6, 30), 90
ENTITIES = {"crm_contacts": "contact", "orders": "guest_order"}
STEPS = 200
TREES, FOLDS = 150, 5
SETTINGS = {
    "objective": "binary", "learning_rate": 0.05, "num_leaves": 8, "min_data_in_leaf": 80,
    "lambda_l2": 5.0, "feature_fraction": 0.7, "seed": 1, "verbose": -1, "num_threads": 1,
}  # fmt: skip


def read_persons(home: Path, run: Path) -> pl.DataFrame:
    """Scores and truth of the buyers who are one customer, and nobody else is it."""
    people = pl.read_parquet(home / "demo/truth/people.parquet")
    people = people.filter(pl.col("table").is_in(list(ENTITIES))).with_columns(
        entity=pl.col("table").replace_strict(ENTITIES)
    )
    keys = pl.read_parquet(run / "pipeline/customer_keys.parquet")
    both = keys.join(people, on=["entity", "source", "source_record_id"])
    pairs = both.select("customer_id", "person_id").unique()
    for name in ("customer_id", "person_id"):
        pairs = pairs.filter(pl.len().over(name) == 1)
    truth = pl.read_parquet(home / "demo/truth/customers.parquet")
    buyers = truth.filter((pl.col("kind") == "person") & (pl.col("order_rate_per_day") > 0))
    scores = pl.read_parquet(run / "pipeline/customer_scores.parquet")
    return scores.join(pairs, on="customer_id").join(buyers, on="person_id").sort("customer_id")


def risk_of_own_rate(persons: pl.DataFrame, last_on: pl.Series, alive: np.ndarray | None):
    """No order in the horizon, of who knows the rate, the seasons and the law of stopping."""

    def days(column: pl.Series) -> np.ndarray:
        return (column - ORIGIN).dt.total_days().to_numpy()

    def clock(day: date | np.ndarray) -> np.ndarray:
        seconds = day * DAY + DAY // 2 if isinstance(day, np.ndarray) else second_of(day) + DAY
        return demand_at(np.atleast_1d(np.asarray(seconds, dtype=np.int64))) / DAY

    def survival(age: np.ndarray) -> np.ndarray:
        return (1 + np.maximum(age, 0) / (DROPOUT_SHAPE * DROPOUT_DAYS)) ** -DROPOUT_SHAPE

    def silence(begin: np.ndarray, end: np.ndarray, busy: np.ndarray) -> tuple[np.ndarray, ...]:
        """The chances of no order of who stops between two ages, and of who does not."""
        shares, stopped = np.linspace(0, 1, STEPS + 1), np.zeros(len(rate))
        for low, high in pairwise(shares):
            stops = survival(begin + low * (end - begin)) - survival(begin + high * (end - begin))
            stopped += stops * np.exp(-rate * busy * (low + high) / 2)
        return stopped, survival(end) * np.exp(-rate * busy)

    rate, born = persons["order_rate_per_day"].to_numpy(), days(persons["acquired_on"])
    last, now = days(last_on), (AS_OF - ORIGIN).days
    if alive is None:
        stopped, active = silence(last - born, now - born, clock(AS_OF) - clock(last))
        alive = active / (stopped + active)
    end = clock(np.array([now + HORIZON]))
    stopped, active = silence(now - born, now + HORIZON - born, end - clock(AS_OF))
    return 1 - alive * (1 - (stopped + active) / survival(now - born))


def remember_longer(touches: pl.DataFrame) -> pl.DataFrame:
    """Visits, carts and opens of a year and of all time, per customer."""
    known = touches.filter(pl.col("touched_on") <= AS_OF).with_columns(
        age=(pl.lit(AS_OF) - pl.col("touched_on")).dt.total_days()
    )
    count, found = pl.col("touch_count"), []
    for kind in ("visit", "cart", "open"):
        of_kind = known.filter(kind=kind).group_by("customer_id")
        columns = {
            f"{kind}_365d": count.filter(pl.col("age") < 365).sum(), f"{kind}_all": count.sum(),
            f"{kind}_first": pl.col("age").max(), f"{kind}_last": pl.col("age").min(),
            f"{kind}_rate": count.sum() / (pl.col("age").max() + 30),
        }  # fmt: skip
        found.append(of_kind.agg(**columns))
    visits, carts, opens = found
    both = visits.join(carts, on="customer_id", how="full", coalesce=True)
    return both.join(opens, on="customer_id", how="full", coalesce=True)


def learn_on_the_answer(features: pl.DataFrame, churned: np.ndarray) -> float:
    """The AUC of trees on folds that they have not seen, of the day itself."""
    rows = features.select(pl.all().cast(pl.Float64)).to_numpy()
    start = features.select(pl.sum_horizontal(level_columns("mbg_nbd"))).to_series().to_numpy()
    fold = np.random.default_rng(0).integers(0, FOLDS, len(churned))
    told = np.zeros(len(churned))
    for place in range(FOLDS):
        seen, kept = fold != place, fold == place
        data = lightgbm.Dataset(rows[seen], churned[seen].astype(float), init_score=start[seen])
        trees = lightgbm.train(SETTINGS, data, TREES)
        told[kept] = start[kept] + trees.predict(rows[kept], raw_score=True)
    return float(roc_auc_score(churned, told))


def main() -> None:
    """Print a line for each who foresees."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("home", type=Path)
    home = parser.parse_args().home
    run = home / "runs" / AS_OF.isoformat()
    persons = read_persons(home, run)
    churned = (persons["orders_next_90d"] == 0).to_numpy()
    order_days = pl.read_parquet(run / "models/int_orders_summed_to_customer_days.parquet")
    known = prepare_order_days(order_days.drop("net_margin_amount"))
    last = known.filter("is_order").group_by("customer_id").agg(pl.col("ordered_on").max())
    last_on = persons.join(last, on="customer_id", maintain_order="left")["ordered_on"]
    alive = (persons["dropped_out_on"] > AS_OF).fill_null(value=True).to_numpy().astype(float)
    risk = persons["churn_risk"].to_numpy()
    error = expected_calibration_error(churned, risk)
    print(f"{persons.height:,} persons, {churned.mean():.1%} did not order")
    print(f"published                   {roc_auc_score(churned, risk):.4f}, ECE {error:.4f}")
    for name, is_alive in (("own rate known", None), ("and who has stopped", alive)):
        told = risk_of_own_rate(persons, last_on, is_alive)
        print(f"{name:27s} {roc_auc_score(churned, told):.4f}")
    facts = pl.read_parquet(run / "models/int_facts_joined_to_feature_days.parquet")
    rules = load_rules(find_rules(None)).scores
    today = see_today(known, AS_OF, rules, facts)
    touches = pl.read_parquet(run / "models/int_touches_attributed.parquet")
    longer = remember_longer(touches)
    rate = persons.select("customer_id", rate="order_rate_per_day")
    seen = rate.join(today.features, on="customer_id", maintain_order="left")
    seen = seen.join(longer, on="customer_id", how="left", maintain_order="left")
    columns = [name for name in today.features.columns if name != "customer_id"]
    more = [name for name in longer.columns if name != "customer_id"]
    orders = [name for name in columns if name not in facts.columns]
    for name, told in (
        ("orders, answers learnt", orders), ("all sources, answers learnt", columns),
        ("with longer memories", [*columns, *more]), ("with the true rate", [*columns, "rate"]),
    ):  # fmt: skip
        print(f"{name:27s} {learn_on_the_answer(seen.select(told), churned):.4f}")


if __name__ == "__main__":
    main()
