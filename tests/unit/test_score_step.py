"""The `score` step on files: what it reads of the run and of the last release, and writes."""

from datetime import date, timedelta
from decimal import Decimal

import polars as pl
import pytest
from factories import rows

from pipelines.feedback import TEXTS
from pipelines.lake import read_json, write_table
from pipelines.release import release_run, write_manifest
from pipelines.rules import find_rules, load_rules
from pipelines.score import (
    DATASETS,
    DISTRIBUTIONS,
    ORDER_STATE,
    REPORT,
    backtest_table,
    score,
    try_models,
)
from pipelines.scoring.churn.features import aggregate_history
from tests.unit.scoring.simulated_orders import AS_OF, simulate_orders

ORDERS = simulate_orders(900)
ITEM = {"item_id": pl.String, "product_id": pl.String, "item_name": pl.String,
        "category": pl.String, "is_active": pl.Boolean}  # fmt: skip


@pytest.fixture(scope="module")
def book():
    packaged = load_rules(find_rules(None))
    quick = packaged.scores.model_copy(
        update={"order_models": ("mbg_nbd",), "backtest_cuts": 1, "min_customers": 300}
    )
    return packaged.model_copy(update={"scores": quick})


def profile(run, orders=ORDERS):
    """What `transform profile` hands over: a customer buys tea, and every second a pot with it."""

    def write(name, frame):
        write_table(frame, run.table("models", name))

    net = pl.col("margin_amount").alias("net_margin_amount")
    write("int_orders_summed_to_customer_days", orders.with_columns(net, is_order=pl.lit(True)))
    completed = orders.select("customer_id", "ordered_on", ordered_hour=pl.lit(9, pl.Int64))
    guest = completed.head(1).with_columns(customer_id=pl.lit(None, pl.String))
    given_back = completed.with_columns(ordered_hour=pl.lit(3, pl.Int64))
    write(
        "int_orders_completed",
        pl.concat(
            [
                pl.concat([completed, guest]).with_columns(is_counted=pl.lit(True)),
                pl.concat([given_back, given_back]).with_columns(is_counted=pl.lit(False)),
            ]
        ),
    )
    number = pl.col("customer_id").str.slice(1).cast(pl.Int64, strict=False)
    bought = [
        orders.filter(chosen).select(
            "customer_id", "ordered_on", item_id=pl.lit(item), category=pl.lit(category)
        )
        for item, category, chosen in (
            ("shop:tea", "Tea", pl.lit(True)),
            ("shop:pot", "Kitchen", number % 2 == 0),
        )
    ]
    write("int_order_items_attributed", pl.concat(bought))
    said = ("c1", "case", "crm", "", "k1", AS_OF, "Where is my parcel?", None, None, None, True)
    write("int_texts_attributed", pl.DataFrame([said], schema=TEXTS, orient="row"))
    write(
        "int_items_merged_to_ids",
        pl.DataFrame(
            [("shop:tea", "tea", "Tea", "Tea", True), ("shop:pot", "pot", "Pot", "Kitchen", True),
             ("shop:old", "old", "Old", None, False)],
            schema=ITEM, orient="row",
        ),
    )  # fmt: skip
    write(
        "int_items_returned",
        pl.DataFrame(
            {"customer_id": ["prospect"], "item_id": ["shop:tea"], "returned_on": [AS_OF]}
        ),
    )
    nothing = {"customer_id": pl.String, "feature_on": pl.Date, "visit_90d_count": pl.Int64}
    write("int_facts_joined_to_feature_days", pl.DataFrame(schema=nothing))
    for name in ("customer_aliases", "customer_keys"):
        write_table(rows(name, group="pipeline").clear(), run.table("pipeline", name))
    names = [*orders["customer_id"].unique().sort(), "prospect"]
    write(
        "customer_360", rows("customer_360", *[{"customer_id": n} for n in names], group="models")
    )


def written(run):
    return {name: pl.read_parquet(run.table("pipeline", name)) for name in DATASETS}


def release_state(lake, run, *names):
    """Release what the next night reads of this one."""
    for name in names:
        kept = pl.read_parquet(run.table("pipeline", name))
        write_table(kept, run.release / "state" / f"{name}.parquet")
    facts = {"date": run.as_of.isoformat(), "models": read_json(run.path / "pipeline" / REPORT)}
    release_run(lake, run, write_manifest(run.release, facts))


@pytest.fixture
def run(lake):
    made = lake.run(AS_OF)
    profile(made)
    return made


def test_it_writes_every_dataset_in_the_catalogues_types(lake, run, catalogue, book):
    result = score(lake, run, catalogue, book)
    tables = written(run)
    for name, table in tables.items():
        assert table.schema == catalogue["pipeline", name].schema, name
        assert table.is_duplicated().sum() == 0
        key = catalogue["pipeline", name].key
        assert table.select(key).is_duplicated().sum() == 0, name
    customers = ORDERS["customer_id"].n_unique()
    assert tables["customer_scores"].height == customers
    assert result.summary.startswith(f"{customers} customers scored; churn ")
    assert set(tables["model_choices"]["target"]) == {"churn", "orders", "value"}
    assert tables["model_drift"].is_empty()


def test_channels_of_first_orders_are_tried_and_that_is_recorded(lake, run, catalogue, book):
    path = run.table("models", "customer_360")
    place = pl.int_range(pl.len()) % 3
    channel = pl.when(place == 0).then(pl.lit("store")).otherwise(pl.lit("web"))
    write_table(pl.read_parquet(path).with_columns(first_order_channel=channel), path)
    kinds = {"order_models": ("mbg_nbd", "mbg_nbd_channels"), "min_cohort_customers": 100}
    scores = book.scores.model_copy(update=kinds)
    score(lake, run, catalogue, book.model_copy(update={"scores": scores}))
    tables = written(run)
    tried = tables["model_reports"].filter(model="mbg_nbd_channels")
    assert set(tried["target"]) == {"churn", "orders", "value"}
    # Made without regard to channels: nothing is won by them.
    assert "mbg_nbd_channels" not in set(tables["model_choices"]["model"])


def test_everybody_is_recommended_something_and_nothing_that_is_gone(lake, run, catalogue, book):
    score(lake, run, catalogue, book)
    given = written(run)["recommendations"]
    assert "prospect" in set(given["customer_id"])
    assert set(given["kind"]) == {"product", "category"}
    assert "shop:old" not in set(given["item_id"])
    of_prospect = given.filter(pl.col("customer_id") == "prospect", pl.col("kind") == "product")
    assert of_prospect["item_id"].to_list() == ["shop:pot"]  # the tea was given back


def test_orders_that_were_given_back_make_no_habit(lake, run, catalogue, book):
    score(lake, run, catalogue, book)
    times = written(run)["customer_scores"]
    assert set(times["weekday_order_count"]) == set(times["frequency_count"] + 1)
    assert times["best_hour"].drop_nulls().is_empty() or set(times["best_hour"]) == {9}


def test_with_too_little_it_says_why_and_recommends_all_the_same(lake, catalogue, book):
    run = lake.run(AS_OF)
    profile(run, ORDERS.filter(pl.col("customer_id") < "c00200"))
    result = score(lake, run, catalogue, book)
    tables = written(run)
    assert result.summary.startswith("No scores tonight: 200 customers have an order; 300 are")
    assert result.notes == (result.summary,)
    assert tables["customer_scores"].is_empty()
    assert not tables["recommendations"].is_empty()
    assert tables["feedback_topics"]["topic"].to_list() == ["delivery"]
    assert read_json(run.path / "pipeline" / REPORT)["status"] == "refused"


def test_the_next_night_goes_on_from_what_was_released(lake, run, catalogue, book):
    score(lake, run, catalogue, book)
    report = read_json(run.path / "pipeline" / REPORT)
    release_state(lake, run, DISTRIBUTIONS)
    following = lake.run(AS_OF + timedelta(days=1))
    profile(following)
    score(lake, following, catalogue, book)
    warm = read_json(following.path / "pipeline" / REPORT)
    assert warm["order_model"]["iterations"] < report["order_model"]["iterations"]
    assert written(following)["model_drift"]["psi"].max() < 0.05


def test_a_night_that_goes_on_from_the_state_of_orders_writes_the_bytes_of_one_that_sums_all(
    lake, run, catalogue, book, monkeypatch
):
    following = lake.run(AS_OF + timedelta(days=1))
    late = ORDERS.filter(pl.col("ordered_on") < AS_OF - timedelta(days=40)).head(1)
    again = late.with_columns(pl.lit(AS_OF + timedelta(days=1)).alias("ordered_on"))
    profile(following, pl.concat([ORDERS, again]).sort("customer_id", "ordered_on"))
    score(lake, following, catalogue, book)
    summed_all = [following.table("pipeline", name).read_bytes() for name in DATASETS]
    score(lake, run, catalogue, book)
    kept = pl.read_parquet(run.table("pipeline", ORDER_STATE))
    write_table(kept, run.release / "state" / f"{ORDER_STATE}.parquet")
    release_run(lake, run, write_manifest(run.release, {"date": run.as_of.isoformat()}))
    summed = []

    def watched(days, as_of):
        summed.append(days["customer_id"].n_unique())
        return aggregate_history(days, as_of)

    monkeypatch.setattr("pipelines.scoring.order_state.aggregate_history", watched)
    score(lake, following, catalogue, book)
    assert [following.table("pipeline", name).read_bytes() for name in DATASETS] == summed_all
    assert 0 < summed[0] < 100  # of 900


def test_a_night_without_scores_hands_on_what_the_last_one_is_compared_with(
    lake, run, catalogue, book
):
    score(lake, run, catalogue, book)
    known = pl.read_parquet(run.table("pipeline", DISTRIBUTIONS))
    release_state(lake, run, DISTRIBUTIONS)
    following = lake.run(AS_OF + timedelta(days=1))
    profile(following, ORDERS.filter(pl.col("customer_id") < "c00200"))
    score(lake, following, catalogue, book)
    assert written(following)["customer_scores"].is_empty()
    assert written(following)[DISTRIBUTIONS].equals(known)


def test_models_are_tried_on_as_many_past_days_as_asked_for(lake, run, catalogue, book):
    tried = try_models(run, book, 3)
    assert tried.choices["churn"].cuts == 3
    told = pl.read_parquet(backtest_table(run, "model_reports"))
    assert told.equals(tried.reports)
    assert told["feature_on"].n_unique() == 3
    assert told["feature_on"].max() == date(2026, 4, 1)


def test_money_is_as_exact_as_it_was(lake, run, catalogue, book):
    score(lake, run, catalogue, book)
    amounts = written(run)["customer_scores"]["clv_365d_amount"]
    assert amounts.dtype == pl.Decimal(18, 4)
    assert amounts.max() > Decimal(0)
