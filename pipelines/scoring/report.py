"""What the scores of one night rest on: counts, fitted parameters, reasons."""

from datetime import date
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from pipelines.scoring.models.gamma_gamma import GammaGammaFit
from pipelines.scoring.models.order_model import OrderFit


class BgNbdReport(BaseModel):
    """The fitted model of order times, BG/NBD or MBG/NBD; alpha in days."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    r: float
    alpha: float
    a: float
    b: float
    standard_errors: tuple[float, ...] | None
    log_likelihood: float
    gradient_norm: float
    iterations: int
    converged: bool


class GammaGammaReport(BaseModel):
    """The fitted model of margins per order, or the reason why the mean stands in for it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    p: float | None
    q: float | None
    gamma: float | None
    log_likelihood: float | None
    customers: int
    observed_mean: float | None
    fallback_reason: str | None


class ModelReport(BaseModel):
    """What the scores of one night rest on, or why there are none."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    status: Literal["scored", "refused"]
    reason: str | None = Field(description="Why scoring was refused, and what would be enough.")
    as_of: date
    customers: int = Field(description="Customers with at least one order.")
    history_days: int = Field(description="Days from the earliest first order to as_of.")
    customers_with_order_in_horizon: int = Field(
        description="Customers known for a horizon or longer with an order in the last horizon."
    )
    customers_without_order_in_horizon: int = Field(
        description="Customers known for a horizon or longer without an order in the last horizon."
    )
    bg_nbd: BgNbdReport | None = None
    gamma_gamma: GammaGammaReport | None = None


def report_bg_nbd(fit: OrderFit) -> BgNbdReport:
    """Return the report on a fit of order times."""
    return BgNbdReport(
        kind=fit.model.kind,
        **fit.model.parameters,
        standard_errors=fit.standard_errors,
        log_likelihood=fit.log_likelihood,
        gradient_norm=fit.gradient_norm,
        iterations=fit.iterations,
        converged=fit.converged,
    )


def report_gamma_gamma(fit: GammaGammaFit) -> GammaGammaReport:
    """Return the report on a fit of margins."""
    fitted = fit.parameters
    return GammaGammaReport(
        p=fitted.p if fitted else None,
        q=fitted.q if fitted else None,
        gamma=fitted.gamma if fitted else None,
        log_likelihood=fit.log_likelihood,
        customers=fit.customers,
        observed_mean=fit.observed_mean,
        fallback_reason=fit.fallback_reason,
    )
