"""What the scores of one night rest on: fitted parameters, choices, reasons."""

from datetime import date
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from pipelines.scoring.models.gamma_gamma import GammaGammaFit
from pipelines.scoring.models.record import OrderModelRecord


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
    reason: str | None = Field(None, description="Why refused, and what would be enough.")
    as_of: date
    customers: int = Field(description="Customers with at least one order.")
    order_model: OrderModelRecord | None = Field(None, description="The fit in use.")
    refused_fit: OrderModelRecord | None = Field(
        None, description="Tonight's fit, where the last release's is used instead of it."
    )
    refused_nights: int = Field(0, description="Nights in a row on which that was so.")
    gamma_gamma: GammaGammaReport | None = None
    season: float | None = Field(None, description="Orders of the horizon over a year's average.")
    churn_columns: tuple[str, ...] = Field(
        (), description="Columns of other sources than orders in the churn model in use."
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
