"""Every model tried on past days against a naive baseline; the choice is made here, by a rule.

For each cut the models learn from earlier days only, predict, and are measured on what came. A
model's loss is proper for what it predicts: log loss for churn, the Poisson deviance for a count
of orders, the Tweedie deviance of power 1.5 for the margin of a random number of orders.

How far the level of a whole quarter was off is one observation, however many customers it has. So
models are compared by their loss with the level put right, and the level is judged by itself.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np
import polars as pl

from pipelines.rules.schemas import GradeLimits, ScoringParams
from pipelines.scoring.churn.logistic import is_known
from pipelines.scoring.past.candidates import (
    BASELINES,
    BOOSTED,
    LOGISTIC,
    Candidate,
    churn_candidates,
    order_candidates,
    value_candidates,
)
from pipelines.scoring.past.days import Day, lacking, see_past_days
from pipelines.scoring.past.metrics import (
    Floats,
    level_amount,
    level_risk,
    log_losses,
    measure_amount,
    measure_risk,
    poisson_deviances,
    tweedie_deviances,
)
from pipelines.scoring.past.order_models import says_more
from pipelines.scoring.past.snapshots import sample_customers

Target = Literal["churn", "orders", "value"]
LABELS: Mapping[Target, str] = {
    "churn": "is_churned", "orders": "order_count", "value": "margin_amount",
}  # fmt: skip
DEVIANCES: Mapping[Target, Callable[[Floats, Floats], Floats]] = {
    "orders": poisson_deviances,
    "value": tweedie_deviances,
}
DECIMALS = 6
REPORT_SCHEMA = pl.Schema(
    {
        "as_of": pl.Date,
        "target": pl.String,
        "model": pl.String,
        "feature_on": pl.Date,
        "metric": pl.String,
        "value": pl.Float64,
        "customer_count": pl.Int64,
        "is_baseline": pl.Boolean,
        "is_chosen": pl.Boolean,
    }
)


@dataclass(frozen=True)
class Choice:
    """The model of one target, its grade against the baseline, and why, in a sentence.

    `model` is None where there is too little data; with grade C it is the baseline itself. The
    losses are of the best model and the baseline, with the level put right.
    """

    target: Target
    model: str | None
    baseline: str
    grade: Literal["A", "B", "C"] | None
    reason: str
    loss: float | None = None
    baseline_loss: float | None = None
    improvement_standard_error: float | None = None
    cuts: int = 0


@dataclass(frozen=True)
class Backtest:
    """What was measured and what was chosen.

    `reports` has one row per as_of, target, model, feature_on (the cut) and metric; `days` are the
    past days, the newest first, ready to learn the final models from; `optional` the columns of
    other sources that were tried.
    """

    as_of: date
    reports: pl.DataFrame
    choices: dict[Target, Choice]
    days: list[Day]
    optional: tuple[str, ...] = ()

    @property
    def churn_columns(self) -> tuple[str, ...]:
        """The columns of other sources in the churn model that was chosen."""
        return self.optional if self.choices["churn"].model in (LOGISTIC, BOOSTED) else ()

    def choice_rows(self) -> pl.DataFrame:
        """Return the choices as a frame: one row per as_of and target."""
        rows = [{"as_of": self.as_of, **vars(self.choices[target])} for target in LABELS]
        numbers = dict.fromkeys(("loss", "baseline_loss", "improvement_standard_error"), pl.Float64)
        frame = pl.DataFrame(
            rows, schema_overrides={**numbers, "model": pl.String, "grade": pl.String}
        )
        # In a mart `grade` is a customer's.
        return frame.with_columns(pl.col(*numbers).round(DECIMALS)).rename({"grade": "model_grade"})


def run_backtest(
    order_days: pl.DataFrame,
    as_of: date,
    params: ScoringParams,
    *,
    cuts: int | None = None,
    optional: pl.DataFrame | None = None,
) -> Backtest:
    """Try all models on past days and choose one per target.

    Args:
        order_days: Of `prepare_order_days`; rows after as_of are left out.
        as_of: The last day known.
        params: Horizon, models, sample, limits of grades.
        cuts: Past days to try on, a horizon apart; `params.backtest_cuts` by default. Fewer are
            used where history is shorter.
        optional: See `see_day`.
    """
    known = sample_customers(
        order_days.filter(pl.col("ordered_on") <= as_of), params.sample_customers
    )
    if lacks := lacking(known, as_of, params):
        return _refused(as_of, lacks)
    days = see_past_days(known, as_of, params, cuts or params.backtest_cuts, optional)
    tried = [
        (day, days[place + 1 : place + 1 + params.training_cuts])
        for place, day in enumerate(days[: cuts or params.backtest_cuts])
        if days[place + 1 :]
    ]
    if not tried:
        needed = params.min_history_horizons * params.horizon_days
        return _refused(
            as_of,
            [
                "No past day has another one before it to learn from, with "
                f"{params.min_events_per_class} customers of either kind; a longer history than "
                f"{needed} days or more customers are needed."
            ],
        )
    names = () if optional is None else _find_tried_columns(optional, tried)
    kinds = [
        kind
        for kind in params.kinds
        if all(kind in day.order_models for day in days)
        and all(says_more(day.order_models[kind]) for day, _ in tried)
    ]
    candidates: dict[Target, Mapping[str, Candidate]] = {
        "churn": churn_candidates(kinds, names),
        "orders": order_candidates(kinds, params.horizon_days),
        "value": value_candidates(kinds, params.horizon_days),
    }
    reports, choices = [], {}
    for target, models in candidates.items():
        rows, choices[target] = _try_target(target, models, tried, params)
        reports.extend(rows)
    frame = pl.DataFrame(reports, schema_overrides={"value": pl.Float64})
    chosen = pl.DataFrame(
        {"target": list(choices), "chosen": [choice.model for choice in choices.values()]}
    )
    marked = frame.join(chosen, on="target", how="left").with_columns(
        as_of=pl.lit(as_of),
        value=pl.col("value").fill_nan(None).round(DECIMALS),
        is_chosen=pl.col("model").eq_missing(pl.col("chosen")),
    )
    order = ["target", "model", "feature_on", "metric"]
    return Backtest(
        as_of,
        marked.select(REPORT_SCHEMA.names()).cast(REPORT_SCHEMA).sort(order),
        choices,
        days,
        names,
    )


def _find_tried_columns(
    optional: pl.DataFrame, tried: Sequence[tuple[Day, Sequence[Day]]]
) -> tuple[str, ...]:
    """Return the columns that a tried day knows and that could be learnt on a day before it."""
    names = sorted(set(optional.columns) - {"customer_id", "feature_on"})
    return tuple(
        name
        for name in names
        if any(
            is_known(day.features, name) and any(is_known(past.features, name) for past in earlier)
            for day, earlier in tried
        )
    )


def _try_target(
    target: Target,
    models: Mapping[str, Candidate],
    tried: Sequence[tuple[Day, Sequence[Day]]],
    params: ScoringParams,
) -> tuple[list[dict[str, object]], Choice]:
    """Predict every cut with every model; return the metrics and the choice."""
    rows: list[dict[str, object]] = []
    losses: list[pl.DataFrame] = []
    levels: dict[str, list[float]] = {name: [] for name in models}
    for day, earlier in tried:
        actual = day.label(LABELS[target])
        of_cut = {"customer_id": day.features["customer_id"]}
        for name, predict in models.items():
            predicted = predict(day, earlier, params.horizon_days)
            metrics = _measure(target, actual, predicted)
            of_cut[name] = pl.Series(_levelled_losses(target, actual, predicted))
            levels[name].append(metrics["ece"] if target == "churn" else metrics["total_bias"])
            rows += [
                {
                    "target": target, "model": name, "feature_on": day.feature_on, "metric": metric,
                    "value": value, "customer_count": len(actual),
                    "is_baseline": name == BASELINES[target],
                }
                for metric, value in metrics.items()
            ]  # fmt: skip
        losses.append(pl.DataFrame(of_cut))
    if not any(day.label(LABELS[target]).any() for day, _ in tried):
        nothing = f"No {LABELS[target]} was seen on {len(tried)} past days: nothing to learn from."
        return rows, Choice(target, None, BASELINES[target], None, nothing, cuts=len(tried))
    level = {name: float(np.abs(values).mean()) for name, values in levels.items()}
    return rows, choose_model(target, pl.concat(losses), level, params.grade_limits, len(tried))


def _measure(target: Target, actual: Floats, predicted: Floats) -> dict[str, float]:
    if target == "churn":
        return measure_risk(actual.astype(bool), predicted)
    loss = DEVIANCES[target](actual, predicted)
    return measure_amount(actual, predicted) | {"deviance": float(loss.mean())}


def _levelled_losses(target: Target, actual: Floats, predicted: Floats) -> Floats:
    if target == "churn":
        churned = actual.astype(bool)
        return log_losses(churned, level_risk(churned, predicted))
    return DEVIANCES[target](actual, level_amount(actual, predicted))


def choose_model(
    target: Target,
    losses: pl.DataFrame,
    level: Mapping[str, float],
    limits: GradeLimits,
    cuts: int,
) -> Choice:
    """Return the model to use and its grade.

    The second column of losses, the preferred model, stays unless another one is better by more
    than `clear_standard_errors`; of several such the best is taken. So nothing changes from night
    to night without evidence.

    Args:
        target: What is predicted.
        losses: customer_id (one row per customer and cut), then a loss per model: the baseline,
            the preferred model, the others.
        level: Per model how far its level is off, mean of the cuts: calibration error, or bias of
            totals without its sign.
        limits: What makes a grade.
        cuts: How many days were tried.
    """
    baseline, *models = losses.columns[1:]
    if not models:
        return Choice(
            target, baseline, baseline, "C",
            f"No model of orders could be fitted; {baseline} is published instead.", cuts=cuts,
        )  # fmt: skip
    mean = {name: float(losses[name].to_numpy().mean()) for name in (baseline, *models)}
    chosen = preferred = models[0]
    for name in models[1:]:
        gain, error = compare_losses(losses, preferred, name)
        is_clear = gain > limits.clear_standard_errors * error
        if is_clear and gain >= limits.min_gain_to_change * mean[preferred]:
            chosen = min(chosen, name, key=lambda model: mean[model])
    gain, error = compare_losses(losses, baseline, chosen)
    skill = gain / mean[baseline] if mean[baseline] > 0 else 0.0
    is_clear = gain > limits.clear_standard_errors * error and skill >= limits.min_skill
    limit = limits.max_calibration_error if target == "churn" else limits.max_total_bias
    grade: Literal["A", "B", "C"] = "B"
    if gain < -limits.worse_standard_errors * error:
        grade = "C"
    elif is_clear and level[chosen] <= limit:
        grade = "A"
    return Choice(
        target=target,
        model=baseline if grade == "C" else chosen,
        baseline=baseline,
        grade=grade,
        reason=_reason(grade, chosen, preferred, baseline, skill, gain, error, level, limit),
        loss=mean[chosen],
        baseline_loss=mean[baseline],
        improvement_standard_error=error,
        cuts=cuts,
    )


def compare_losses(losses: pl.DataFrame, of: str, than: str) -> tuple[float, float]:
    """Return how much lower the mean loss of `than` is, and its standard error.

    The unit is the customer, not the row: the same customer at two cuts is not two witnesses.
    """
    gains = losses.group_by("customer_id", maintain_order=True).agg(
        gain=(pl.col(of) - pl.col(than)).sum()
    )["gain"]
    values = gains.to_numpy()
    spread = float(((values - values.mean()) ** 2).sum())
    return float(values.sum() / losses.height), float(np.sqrt(spread) / losses.height)


def _reason(
    grade: str, chosen: str, preferred: str, baseline: str, skill: float, gain: float,
    error: float, level: Mapping[str, float], limit: float,
) -> str:  # fmt: skip
    errors = f"{abs(gain) / error:.1f} standard errors" if error > 0 else "no standard error"
    told = level[baseline if grade == "C" else chosen]
    off = f"; its level is off by {told:.3f}, more than {limit:.3f}" if told > limit else ""
    if grade == "C":
        return (
            f"On past days {chosen} was worse than {baseline} (loss {-skill:.1%} higher, "
            f"{errors}); {baseline} is published instead{off}."
        )
    how = "preferred" if chosen == preferred else f"clearly better than {preferred}"
    side = "below" if gain >= 0 else "above"
    return f"{chosen} ({how}): loss {abs(skill):.1%} {side} that of {baseline}, {errors}{off}."


def _refused(as_of: date, lacks: Sequence[str]) -> Backtest:
    reason = " ".join(lacks)
    choices = {target: Choice(target, None, BASELINES[target], None, reason) for target in LABELS}
    return Backtest(as_of, pl.DataFrame(schema=REPORT_SCHEMA), choices, [])
