"""The fitted model of orders as a release keeps it, and when the next night may replace it."""

from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from pipelines.scoring.models.kinds import Base, Kind, build_kind
from pipelines.scoring.models.order_model import OrderFit

LARGEST_CHANGE = 5.0
MOST_NIGHTS = 7
DIGITS = 9  # what is below differs between processors
# Of ten million customers a standard error is so small that any season is many of them.
LEAST_CHANGE = 0.1


class OrderModelRecord(BaseModel):
    """A fit in names and numbers. Times (alpha, and beta of the Pareto/NBD) are in days."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    parameters: dict[str, float] = Field(description="By their names in the papers.")
    standard_errors: tuple[float, ...] | None = Field(description="In the same order, if known.")
    log_likelihood: float
    iterations: int
    converged: bool
    gradient_norm: float
    customers: int


@dataclass(frozen=True)
class FitInUse:
    """The fit to score with, None if there is none, and why it is not tonight's (else None)."""

    fit: OrderFit | None
    reason: str | None


def record_fit(fit: OrderFit) -> OrderModelRecord:
    """Return the record of a fit."""
    return OrderModelRecord(
        kind=fit.model.kind,
        parameters={name: _rounded(value) for name, value in fit.model.parameters.items()},
        standard_errors=fit.standard_errors and tuple(map(_rounded, fit.standard_errors)),
        log_likelihood=_rounded(fit.log_likelihood),
        iterations=fit.iterations,
        converged=fit.converged,
        gradient_norm=float(f"{fit.gradient_norm:.0e}"),
        customers=fit.customers,
    )


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def restore_fit(record: OrderModelRecord, base: Base) -> OrderFit:
    """Return the fit that a record was made of, for the histories of a base.

    Raises:
        ValueError: If the parameters are not those of the kind.
    """
    return OrderFit(
        model=build_kind(record.kind, record.parameters, base),
        log_likelihood=record.log_likelihood,
        standard_errors=record.standard_errors,
        iterations=record.iterations,
        converged=record.converged,
        gradient_norm=record.gradient_norm,
        customers=record.customers,
    )


def keep_or_replace(
    fit: OrderFit,
    last_good: OrderFit | None,
    last_refused: OrderFit | None = None,
    refused_nights: int = 0,
) -> FitInUse:
    """Return tonight's fit, or the last good one with the reason.

    Tonight's is not used if its search did not end, or if a parameter has moved by more than
    LARGEST_CHANGE standard errors of the last good fit and more than a tenth: one night's orders do
    not do that, broken input does. What a second night confirms is believed, and after MOST_NIGHTS
    in a row whatever comes. A fit of another kind was chosen, so it always replaces.

    Args:
        fit: Tonight's.
        last_good: The one in use in the last release, None if there is none.
        last_refused: The last release's own, where it was not used.
        refused_nights: How many nights in a row that was so.
    """
    if not fit.converged:
        reason = f"The search for the {fit.model.kind} parameters did not end after "
        reason += f"{fit.iterations} steps"
        if last_good is None:
            return FitInUse(None, f"{reason}, and there is no earlier fit.")
        return FitInUse(last_good, f"{reason}, so those of the last release are used.")
    if last_good is None or last_good.model.kind != fit.model.kind:
        return FitInUse(fit, None)
    if refused_nights >= MOST_NIGHTS:
        return FitInUse(fit, None)
    if last_refused is not None and last_refused.model.kind == fit.model.kind:
        _, since = _largest_change(fit, last_refused)
        if since <= LARGEST_CHANGE:
            return FitInUse(fit, None)
    name, change = _largest_change(fit, last_good)
    if change <= LARGEST_CHANGE:
        return FitInUse(fit, None)
    before, now = last_good.model.parameters[name], fit.model.parameters[name]
    return FitInUse(
        last_good,
        f"{name} of the {fit.model.kind} moved from {before:.6g} to {now:.6g} since the last "
        f"release, {change:.1f} standard errors (at most {LARGEST_CHANGE:.0f} are believed), so "
        "the parameters of the last release are used. Look at the input; a second night that finds "
        "the same is believed.",
    )


def _largest_change(fit: OrderFit, last_good: OrderFit) -> tuple[str, float]:
    """Return which log parameter moved most, in standard errors of the last good fit."""
    known = last_good.model.parameters
    if last_good.standard_errors is None:
        return next(iter(known)), 0.0
    # A new year has brought a cohort, or one has become large enough.
    errors_of = dict(zip(known, last_good.standard_errors, strict=True))
    names = [name for name in fit.model.parameters if name in known]
    before, now = (np.array([f.model.parameters[n] for n in names]) for f in (last_good, fit))
    errors = np.array([errors_of[name] for name in names]) / before
    moved = np.abs(np.log(now / before))
    changes = np.where(moved > LEAST_CHANGE, moved / errors, 0.0)
    largest = int(np.argmax(changes))
    return names[largest], float(changes[largest])
