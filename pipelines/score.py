"""The `score` step: reads orders, items and the last release's models, and writes predictions."""

from pathlib import Path
from typing import Any

import polars as pl

from pipelines.catalogue import Catalogue
from pipelines.feedback import find_topics
from pipelines.grade import grade
from pipelines.lake import Lake, Run, write_json, write_table
from pipelines.release import Release, previous_release
from pipelines.rules.recommendation import ItemRules
from pipelines.rules.schemas import RuleBook
from pipelines.scoring.customers import CustomerScores, Memory, Rules, score_customers
from pipelines.scoring.order_state import read_aggregates, update_state
from pipelines.scoring.past.backtest import Backtest, run_backtest
from pipelines.scoring.past.snapshots import pick_sample, prepare_order_days
from pipelines.scoring.recommend.backtest import Recommendations, recommend_best
from pipelines.scoring.recommend.demand import Demand
from pipelines.scoring.report import ModelReport
from pipelines.steps import StepResult
from pipelines.wording import count_of

REPORT = "model_report.json"
DISTRIBUTIONS, ORDER_STATE = "score_distributions", "order_state"
PREDICTED = {"customer_id": pl.String(), "clv_365d_amount": pl.Decimal(18, 4)}
ITEM_KINDS = ("product", "category")
DATASETS = (
    "customer_scores", "churn_reasons", "recommendations", "model_reports", "model_choices",
    "model_drift", DISTRIBUTIONS, ORDER_STATE, "feedback_topics",
)  # fmt: skip


def score(lake: Lake, run: Run, catalogue: Catalogue, book: RuleBook) -> StepResult:
    """Predict value, churn risk, the next order and the next items, or say why not; then grade."""
    before = previous_release(lake, run.as_of)
    memory = _memory(before) if before else None
    state = _update_order_state(run, before)
    sample = pick_sample(state["customer_id"], book.scores.sample_customers)
    channels = _read_channels(run)
    order_days = _scan_order_days(run).filter(pl.col("customer_id").is_in(sample.implode()))
    scored = score_customers(
        _add_channels(order_days.collect(), channels),
        _read_orders(run),
        run.as_of,
        Rules(book.scores, book.churn_reasons, book.next_order),
        memory,
        read_facts(run, book),
        _add_channels(read_aggregates(state, run.as_of), channels),
    )
    given = {
        kind: recommend_best(_read_demand(run, kind), rules, run.as_of)
        for kind, rules in _item_rules(book).items()
    }
    topics = find_topics(_read(run, "int_texts_attributed"), book.feedback_topics)
    tables = _tables(scored, given, memory) | {ORDER_STATE: state, "feedback_topics": topics}
    for name in DATASETS:
        dataset = catalogue["pipeline", name]
        frame = tables.get(name, pl.DataFrame(schema=dataset.schema))
        write_table(dataset.conform(frame.lazy()), run.table("pipeline", name))
    report = scored if isinstance(scored, ModelReport) else scored.report
    told = report.model_dump(mode="json") | {
        "recommendations": {
            kind: found.report.model_dump(mode="json") for kind, found in given.items()
        }
    }
    write_json(told, run.path / "pipeline" / REPORT)
    predicted = tables.get("customer_scores", pl.DataFrame(schema=PREDICTED))
    grade_notes = grade(lake, run, catalogue, book, predicted.select(PREDICTED.keys()))
    if isinstance(scored, ModelReport):
        sentence = f"No scores tonight: {report.reason}"
        return StepResult(sentence, (sentence, *grade_notes))
    grades = ", ".join(
        f"{choice.target} {choice.grade} ({choice.model})"
        for choice in scored.backtest.choices.values()
    )
    sentence = f"{count_of(scored.scores.height, 'customer')} scored; {grades}"
    if columns := report.churn_columns:
        sentence += f"; {count_of(len(columns), 'column')} of other sources in churn"
    return StepResult(sentence, (*scored.notes, *grade_notes))


def try_models(run: Run, book: RuleBook, cuts: int) -> Backtest:
    """Try all models of a run on so many past days; writes `backtest/*.parquet` below the run.

    Of days further back than a night looks, what other sources knew is unknown.
    """
    order_days = _add_channels(_scan_order_days(run).collect(), _read_channels(run))
    order_days = prepare_order_days(order_days)
    facts = read_facts(run, book)
    tried = run_backtest(order_days, run.as_of, book.scores, cuts=cuts, optional=facts)
    for name, frame in (("model_reports", tried.reports), ("model_choices", tried.choice_rows())):
        write_table(frame, backtest_table(run, name))
    return tried


def backtest_table(run: Run, name: str) -> Path:
    """Where `try_models` writes a dataset."""
    return run.path / "backtest" / f"{name}.parquet"


def _scan_order_days(run: Run) -> pl.LazyFrame:
    days = run.scan("models", "int_orders_summed_to_customer_days", "score")
    return days.drop("net_margin_amount")


def _read_channels(run: Run) -> pl.DataFrame:
    """By which channel each customer's first order came: it lies before all days that are tried."""
    customers = run.scan("models", "customer_360", "score")
    known = customers.select("customer_id", first_channel="first_order_channel")
    return known.drop_nulls().collect()


def _add_channels(customers: pl.DataFrame, channels: pl.DataFrame) -> pl.DataFrame:
    if channels.is_empty():
        return customers
    return customers.join(channels, on="customer_id", how="left", maintain_order="left")


def _update_order_state(run: Run, before: Release | None) -> pl.DataFrame:
    """Tonight's state of all customers with an order; goes on from that of the last release."""
    path = before.path / "state" / f"{ORDER_STATE}.parquet" if before else None
    known = pl.scan_parquet(path) if path and path.exists() else None
    return update_state(known, _scan_order_days(run), run.as_of)


def _read(run: Run, name: str) -> pl.DataFrame:
    return run.scan("models", name, "score").collect()


def _read_orders(run: Run) -> pl.DataFrame:
    orders = run.scan("models", "int_orders_completed", "score")
    counted = orders.filter(pl.col("customer_id").is_not_null() & pl.col("is_counted"))
    return counted.select("customer_id", "ordered_on", "ordered_hour").collect()


def read_facts(run: Run, book: RuleBook) -> pl.DataFrame | None:
    """What other sources than orders knew on tonight's day and on past ones; None if nothing.

    A column that no churn reason lists is left out: its part in a risk could not be told.
    """
    facts = _read(run, "int_facts_joined_to_feature_days")
    told = {name for reason in book.churn_reasons.reasons for name in reason.features}
    known = [c.name for c in facts if c.name in told and c.null_count() < facts.height]
    return facts.select("customer_id", "feature_on", *known) if known else None


def _item_rules(book: RuleBook) -> dict[str, ItemRules]:
    rules = book.recommendation
    return dict(zip(ITEM_KINDS, (rules.products, rules.categories), strict=True))


def _read_demand(run: Run, kind: str) -> Demand:
    """Who bought and returned which products, or which categories."""
    items = _read(run, "int_items_merged_to_ids")
    bought = run.scan("models", "int_order_items_attributed", "score")
    customers = run.scan("models", "customer_360", "score").select(
        "customer_id", segment="country_code"
    )
    if kind == "category":
        return Demand(
            purchases=bought.select(
                "customer_id", item_id="category", bought_on="ordered_on"
            ).collect(),
            returns=pl.DataFrame(
                schema={"customer_id": pl.String, "item_id": pl.String, "returned_on": pl.Date}
            ),
            items=items.group_by(item_id="category")
            .agg(pl.col("is_active").any())
            .drop_nulls("item_id")
            .sort("item_id"),
            customers=customers.collect(),
        )
    return Demand(
        purchases=bought.select("customer_id", "item_id", bought_on="ordered_on").collect(),
        returns=_read(run, "int_items_returned"),
        items=items.select("item_id", "is_active"),
        customers=customers.collect(),
    )


def _memory(before: Release) -> Memory | None:
    """What the last release knew of its models; None if it scored nobody or is of older make."""
    models: dict[str, Any] = before.manifest.get("models") or {}
    path = before.path / "state" / f"{DISTRIBUTIONS}.parquet"
    if not models.get("order_model") or not path.exists():
        return None
    known = {name: models[name] for name in ModelReport.model_fields if name in models}
    return Memory(ModelReport.model_validate(known), pl.read_parquet(path))


def _tables(
    scored: CustomerScores | ModelReport,
    given: dict[str, Recommendations],
    memory: Memory | None,
) -> dict[str, pl.DataFrame]:
    """What the step knows; on a night without scores recommendations, and what to compare with."""
    items = pl.concat(
        [found.items.with_columns(kind=pl.lit(kind)) for kind, found in given.items()]
    )
    tables = {"recommendations": items}
    if isinstance(scored, ModelReport):
        return tables | ({DISTRIBUTIONS: memory.distributions} if memory else {})
    return tables | {
        "customer_scores": scored.scores,
        "churn_reasons": scored.reasons,
        "model_reports": scored.backtest.reports,
        "model_choices": scored.backtest.choice_rows(),
        "model_drift": scored.drift,
        DISTRIBUTIONS: scored.distributions,
    }
