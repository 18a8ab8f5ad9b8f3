"""How good the predictions are: what was chosen and why, and how it did on past days."""

from collections.abc import Mapping

import polars as pl

from pipelines.page.charts import bars
from pipelines.page.figure import Column, Figure, Section, Text
from pipelines.page.texts import column, with_words

# For each target: how well a model ranks, and what else is told of it.
RANKING = {"churn": "auc", "orders": "gini", "value": "gini"}
TOLD = {
    "churn": ("auc", "lift_10", "brier", "log_loss", "ece", "total_bias"),
    "orders": ("gini", "lift_10", "mae", "deviance", "decile_mape", "total_bias"),
    "value": ("gini", "lift_10", "mae", "deviance", "decile_mape", "total_bias"),
}


def list_choices(choices: pl.LazyFrame) -> pl.DataFrame:
    """What predicts each target, its grade against the baseline, and why.

    Returns:
        target, target_zh, model, model_zh, model_grade, baseline, baseline_zh, improvement_rate,
        reason.
    """
    found = choices.collect().sort("target")
    gain = 1 - pl.col("loss") / pl.col("baseline_loss")
    told = found.with_columns(
        improvement_rate=pl.when(pl.col("baseline_loss") > 0).then(gain).round(4)
    )
    for name, group in (("target", "targets"), ("model", "models"), ("baseline", "models")):
        told = with_words(told.with_columns(pl.col(name).fill_null("none")), name, group)
    return told.select(
        "target",
        "target_zh",
        "model",
        "model_zh",
        "model_grade",
        "baseline",
        "baseline_zh",
        "improvement_rate",
        "reason",
    )


def compare_models(reports: pl.LazyFrame, target: str) -> pl.DataFrame:
    """How each model did for a target on each past day: the chosen one and the baseline first.

    Returns:
        model, model_zh, role, role_zh, known_on, customers, one column for each measure.
    """
    role = (
        pl.when(pl.col("is_chosen"))
        .then(pl.lit("chosen"))
        .when(pl.col("is_baseline"))
        .then(pl.lit("baseline"))
        .otherwise(pl.lit("tried"))
    )
    measures = TOLD[target]
    found = (
        reports.filter(pl.col("target") == target, pl.col("metric").is_in(measures))
        .with_columns(role=role)
        .group_by("model", "role", "feature_on", "customer_count")
        .agg(
            pl.col("value").filter(pl.col("metric") == measure).first().alias(measure)
            for measure in measures
        )
        .collect()
        .sort(pl.col("role").replace_strict({"chosen": 0, "baseline": 1, "tried": 2}),
              "model", "feature_on")
    )  # fmt: skip
    named = with_words(with_words(found, "model", "models"), "role", "roles")
    return named.select(
        "model",
        "model_zh",
        "role",
        "role_zh",
        pl.col("feature_on").alias("known_on"),
        pl.col("customer_count").alias("customers"),
        *measures,
    )


def compare_days(compared: pl.DataFrame, measure: str) -> tuple[pl.DataFrame, list[Column]]:
    """One measure with a row for each model and a column for each past day, for a chart."""
    days = sorted(compared["known_on"].unique())
    label = [
        pl.format("{} · {}", f"model{zh}", f"role{zh}").alias(f"label{zh}") for zh in ("", "_zh")
    ]
    wide = compared.group_by("model", "model_zh", "role", "role_zh", maintain_order=True).agg(
        pl.col(measure).filter(pl.col("known_on") == day).first().alias(day.isoformat())
        for day in days
    )
    columns = [
        Column(day.isoformat(), "number", Text(day.isoformat(), day.isoformat())) for day in days
    ]
    return wide.with_columns(label), columns


def make_models(marts: Mapping[str, pl.LazyFrame]) -> Section | None:
    """The section, from `model_choices` and `model_reports`; none on a night without either."""
    figures = []
    if "model_choices" in marts:
        choices = list_choices(marts["model_choices"])
        if choices.height:
            columns = (
                column("target", "label"),
                column("model", "label"),
                column("model_grade", "text"),
                column("baseline", "label"),
                column("improvement_rate", "rate"),
                column("reason", "text"),
            )
            figures.append(Figure("choices", columns, choices))
    if "model_reports" in marts:
        for target, measures in TOLD.items():
            compared = compare_models(marts["model_reports"], target)
            if compared.height:
                figures.extend(_compared(target, measures, compared))
    return Section("models", tuple(figures)) if figures else None


def _compared(target: str, measures: tuple[str, ...], compared: pl.DataFrame) -> list[Figure]:
    columns = (
        column("model", "label"),
        column("role", "label"),
        column("known_on", "day"),
        column("customers", "persons"),
        *(column(measure, "number") for measure in measures),
    )
    ranked, days = compare_days(compared, RANKING[target])
    figures = [Figure(f"{target}_backtest", columns, compared, bars(ranked, "label", days))]
    level, days = compare_days(compared, "total_bias")
    of_level = (
        *columns[:4],
        *(c for c in columns[4:] if c.name in ("ece", "decile_mape", "total_bias")),
    )
    figures.append(Figure(f"{target}_level", of_level, compared, bars(level, "label", days)))
    return figures
