"""Key figures of a night, against a second way of reckoning that shares nothing with the first."""

import shutil
from datetime import date, timedelta
from pathlib import Path

import duckdb
import polars as pl
import pytest

from pipelines.catalogue import load_catalogue
from pipelines.lake import Lake, Run, write_json, write_table
from pipelines.measure import TOTAL, measure_by_grade, measure_kpis
from pipelines.metrics import Metrics
from pipelines.publish import MARTS
from pipelines.rules import find_rules, load_rules
from tests.factories import PROJECT
from tests.pipeline.conftest import Night

pytestmark = pytest.mark.slow
ANYBODY = {"kind": TOTAL}


@pytest.fixture(scope="module")
def metrics(night: Night) -> Metrics:
    return Metrics(_manifest(night.run).read_text(encoding="utf-8"))


def _manifest(run: Run) -> Path:
    return run.path / "dbt" / "target" / "semantic_manifest.json"


def _model(night: Night, name: str) -> pl.DataFrame:
    return pl.read_parquet(night.run.table("models", name))


def _kpis(night: Night) -> pl.DataFrame:
    return pl.read_parquet(night.run.table("pipeline", "kpi_by_grade"))


def _counts(night: Night, before: date | None = None) -> dict[str, int]:
    """Completed orders of each customer, of all time or up to and with a day."""
    orders = _model(night, "int_orders_completed").filter("is_counted").drop_nulls("customer_id")
    if before is not None:
        orders = orders.filter(pl.col("ordered_on") <= before)
    return dict(orders.group_by("customer_id").len().iter_rows())


def _churned(night: Night, day: date) -> set[str]:
    """Who had been without an order for three own rhythms at the end of a day."""
    rules = load_rules(find_rules(None)).lifecycle
    days = _model(night, "int_orders_completed").filter("is_counted", pl.col("ordered_on") <= day)
    dates = (
        days.drop_nulls("customer_id")
        .group_by("customer_id")
        .agg(pl.col("ordered_on").unique().sort())
    )
    gaps = dates.with_columns(gap=pl.col("ordered_on").list.diff(null_behavior="drop").list.eval(
        pl.element().dt.total_days()
    ))  # fmt: skip
    base = gaps["gap"].list.median().median()
    count = gaps["gap"].list.len()
    own = gaps["gap"].list.median().fill_null(0)
    rhythm = (own * count + base * rules.shrinkage_gaps) / (count + rules.shrinkage_gaps)
    rhythm = rhythm.clip(rules.min_rhythm_days, rules.max_rhythm_days)
    since = (pl.Series([day]) - gaps["ordered_on"].list.last()).dt.total_days()
    return set(gaps.filter((since / rhythm).round(4) > rules.churned_above)["customer_id"])


def _share(part: set[str], whole: set[str]) -> tuple[float | None, int]:
    return (round(len(part & whole) / len(whole), 6) if whole else None, len(whole))


@pytest.mark.parametrize("days", [90, 365])
def test_changes_are_those_of_the_orders_then_and_now(night: Night, days: int) -> None:
    cut = night.as_of - timedelta(days=days)
    now, then = _counts(night), _counts(night, cut)
    earlier = _counts(night, cut - timedelta(days=days))
    known = _model(night, "customer_360").filter(pl.col("first_seen_on") <= cut)["customer_id"]
    since = {name for name, count in now.items() if count > then.get(name, 0)}
    before = {name for name, count in then.items() if count > earlier.get(name, 0)}
    left, gone = _churned(night, cut), _churned(night, night.as_of)
    expected = {
        f"retention_rate_{days}d": _share(since, before),
        f"churn_rate_{days}d": _share(gone, set(then) - left),
        f"win_back_rate_{days}d": _share(since, left),
        f"prospect_to_first_rate_{days}d": _share(set(now), set(known) - set(then)),
        f"first_to_repeat_rate_{days}d": _share(
            {name for name, count in now.items() if count >= 2},
            {name for name, count in then.items() if count == 1},
        ),
        f"repeat_to_loyal_rate_{days}d": _share(
            {name for name, count in now.items() if count >= 4},
            {name for name, count in then.items() if 2 <= count < 4},
        ),
    }
    told = {
        row["metric"]: (row["value"], row["base_count"])
        for row in _kpis(night).filter(grade=TOTAL, kind=TOTAL).iter_rows(named=True)
    }
    assert {name: told[name] for name in expected} == expected
    assert all(count for _, count in expected.values())


def test_satisfaction_by_grade_is_that_of_the_customers_of_the_grade(night: Night) -> None:
    customers = _model(night, "customer_360").join(
        _model(night, "customer_grades").select("customer_id", "grade"), on="customer_id"
    )
    answered = (
        customers.drop_nulls("nps_class")
        .group_by("grade")
        .agg(
            base=pl.len(),
            promoters=(pl.col("nps_class") == "promoter").sum(),
            detractors=(pl.col("nps_class") == "detractor").sum(),
            repeated=(pl.col("order_count") >= 2).sum(),
        )
    )
    expected = {
        grade: (round(100 * (up - down) / base, 4), base)
        for grade, base, up, down, _ in answered.iter_rows()
    }
    told = _kpis(night).filter(pl.col("grade") != TOTAL, metric="nps", kind=TOTAL)
    told = told.filter(pl.col("base_count") > 0)
    assert {g: (v, n) for g, v, n in told.select("grade", "value", "base_count").rows()} == expected
    assert len(expected) > 2


def test_the_money_of_key_figures_is_that_of_the_economics_of_grades(night: Night) -> None:
    money = {
        "customers": "customer_count", "buyers": "buyer_count",
        "active_customers_365d": "active_365d_count", "orders_365d": "order_count_365d",
        "net_revenue_365d": "net_revenue_365d_amount", "net_margin_365d": "net_margin_365d_amount",
        "cost_to_serve_365d": "cost_to_serve_365d_amount", "profit_365d": "profit_365d_amount",
        "return_on_service_365d": "return_on_service_365d_ratio",
    }  # fmt: skip
    economics = _model(night, "grade_economics").filter(vip_band=TOTAL)
    told = _kpis(night).filter(pl.col("metric").is_in(list(money)))
    wide = told.pivot("metric", index=["grade", "kind"], values="value")
    both = economics.join(wide, on=["grade", "kind"], how="left")
    assert both.height == economics.height == wide.height > 10
    for metric, column in money.items():
        assert both[metric].eq_missing(both[column].cast(pl.Float64)).all(), metric


def test_every_figure_is_told_once_for_everybody_and_explained_in_both_languages(
    night: Night,
) -> None:
    kpis = _kpis(night)
    catalogue = pl.read_parquet(night.run.table("pipeline", "metrics"))
    total = kpis.filter(grade=TOTAL, kind=TOTAL)
    assert total["metric"].sort().to_list() == catalogue["metric"].sort().to_list()
    assert catalogue["label_zh"].str.contains(r"\p{Han}").all()
    assert catalogue["definition"].str.len_chars().min() > 30
    assert catalogue["label"].is_unique().all()
    assert catalogue["label_zh"].is_unique().all()
    missing = kpis.filter(pl.col("value").is_null())
    assert missing["missing_because"].null_count() == 0
    rates = kpis.filter(unit="rate")["value"].drop_nulls()
    assert rates.is_between(0, 1).all()


def test_what_only_history_tells_is_unknown_on_the_first_night_and_never_nought(
    night: Night,
) -> None:
    of_grades = _kpis(night).filter(
        pl.col("metric").str.contains("^(d_to_c|c_to_b|second_to_first_tier)_")
    )
    assert of_grades["metric"].n_unique() == 6
    assert of_grades["value"].null_count() == of_grades.height
    assert set(of_grades["missing_because"]) == {"unknown"}


def test_a_change_is_told_by_the_grade_of_then_once_the_history_reaches_back(
    night: Night, metrics: Metrics
) -> None:
    measures = _model(night, "customer_measures").with_columns(
        grade_90d_ago=pl.when(pl.col("active_before_90d_count") == 1).then(pl.lit("B"))
    )
    with duckdb.connect() as connection:
        connection.register("measures", measures)
        connection.execute("create table customer_measures as from measures")
        told = measure_by_grade(metrics, lambda sql: connection.sql(sql).pl(), night.as_of)
    retained = told.filter(pl.col("grade") != TOTAL, metric="retention_rate_90d", kind=TOTAL)
    everybody = told.filter(metric="retention_rate_90d", grade=TOTAL, kind=TOTAL)
    assert retained.select("grade", "grade_basis").rows() == [("B", "days_ago")]
    assert retained["value"].item() == everybody["value"].item()
    basis = dict(told.group_by("metric").agg(pl.col("grade_basis").drop_nulls().unique()).rows())
    assert basis["retention_rate_365d"] == basis["nps"] == ["tonight"]
    assert told.select("metric", "grade", "kind").is_unique().all()


def _next_run(night: Night, home: Path, day: date) -> tuple[Lake, Run]:
    """A run of a later day with the customers of the night."""
    lake = Lake(home)
    run = lake.run(day)
    for path in (night.run.table("models", "customer_measures"), _manifest(night.run)):
        target = run.path / path.relative_to(night.run.path)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    return lake, run


def _release(lake: Lake, day: date, **marts: pl.DataFrame) -> None:
    folder = lake.published / f"{day.isoformat()}__000000000000"
    for name, frame in marts.items():
        write_table(frame, folder / "marts" / f"{name}.parquet")
    write_json({}, folder / "manifest.json")


def test_the_figures_of_earlier_nights_stay_and_a_night_run_again_replaces_its_own(
    night: Night, tmp_path: Path
) -> None:
    before, tonight = night.as_of - timedelta(days=1), night.as_of
    lake, run = _next_run(night, tmp_path, tonight)
    old = pl.read_parquet(night.run.table("pipeline", "kpi_daily")).with_columns(
        as_of=pl.lit(before), value=pl.lit(0.5)
    )
    _release(lake, before, kpi_daily=old.drop("missing_because"))  # of an older make
    catalogue = load_catalogue(PROJECT)
    for _ in range(2):
        count = measure_kpis(lake, run, catalogue)
        daily = pl.read_parquet(run.table("pipeline", "kpi_daily"))
        assert daily.height == 2 * count
        assert daily["as_of"].unique().sort().to_list() == [before, tonight]
        assert set(daily.filter(as_of=before)["value"]) == {0.5}
        nps = daily.filter(as_of=tonight, metric="nps")["value"].item()
        assert nps == _kpis(night).filter(metric="nps", grade=TOTAL, kind=TOTAL)["value"].item()
        _release(lake, tonight, kpi_daily=daily)


def test_topics_tell_no_word_of_what_was_written(night: Night) -> None:
    written = _model(night, "int_texts_attributed")["said_text"].drop_nulls().unique()
    topics = pl.read_parquet(night.run.table("pipeline", "feedback_topics"))
    told = {value for column in topics.select(pl.col(pl.String)) for value in column.drop_nulls()}
    assert len(written) > 20
    assert not [text for text in written if any(text in value for value in told)]
    catalogue = load_catalogue(PROJECT)
    assert not [name for name, group in MARTS.items() if catalogue[group, name].direct]


def test_the_topics_of_the_demo_are_those_that_its_sentences_are_about(night: Night) -> None:
    texts = _model(night, "int_texts_attributed").filter(pl.col("source_kind") == "case")
    topics = pl.read_parquet(night.run.table("pipeline", "feedback_topics"))
    by_words = topics.filter(found_by="words")
    told = texts.join(by_words, on=["customer_id", "source_kind", "source_record_id"])
    means = {"logistics": "delivery", "quality": "quality", "service": "service", "price": "price",
             "billing": "billing"}  # fmt: skip
    complaints = (
        told.filter("is_complaint").group_by("source_record_id", "source_category").agg("topic")
    )
    right = [means[category] in topic for _, category, topic in complaints.iter_rows()]
    assert len(right) > 20
    assert all(right)
