"""What a fit of any model tells, and the one way to find it: see `newton`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from pipelines.scoring.models.newton import (
    Evaluation,
    Floats,
    Prior,
    maximise,
    standard_errors,
)

Model = TypeVar("Model", covariant=True)


@dataclass(frozen=True)
class Fit(Generic[Model]):
    """A fitted model and how well the search for it ended.

    `log_likelihood` is without the prior, so that it can be compared with other models.
    `standard_errors`, in the order of the parameters, is None where nothing pins them down.
    `gradient_norm` is the largest slope per customer and log parameter: zero at the optimum.
    """

    model: Model
    log_likelihood: float
    standard_errors: tuple[float, ...] | None
    iterations: int
    converged: bool
    gradient_norm: float
    customers: int


def fit_model(
    build: Callable[..., Model],
    likelihood: Callable[[Floats], Evaluation],
    prior: Prior,
    start: list[float] | None,
    customers: int,
) -> Fit[Model]:
    """Return the most likely parameters; not converged rather than raise.

    Args:
        build: Makes the model of its parameters.
        likelihood: Total log-likelihood, gradient and Hessian in the logs of the parameters.
        prior: Added to it; its centre is where the search begins without a start.
        start: Parameters where the search begins, such as those of the last release. It saves
            steps and does not change the result beyond rounding.
        customers: How many are behind the likelihood.
    """
    first = prior.centre if start is None else np.log(start)
    best = maximise(prior.added_to(likelihood), first)
    parameters = np.exp(best.point)
    errors = standard_errors(best.hessian)
    return Fit(
        model=build(*parameters.tolist()),
        log_likelihood=float(best.value - prior.log_density(best.point)),
        standard_errors=None if errors is None else tuple((parameters * errors).tolist()),
        iterations=best.iterations,
        converged=best.converged,
        gradient_norm=float(np.abs(best.gradient).max()) / customers,
        customers=customers,
    )
