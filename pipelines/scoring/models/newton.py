"""Maximise a smooth function of a few parameters with an exact gradient and Hessian."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Evaluation = tuple[float, Floats, Floats]

MAX_ITERATIONS = 200
# A full Newton step from here gains less than a hundred-millionth of a nat: far below one
# standard error in any direction, also along a flat one.
GAIN_TOLERANCE = 1e-8
# Along a ridge that rises for ever, rounding ends the search: the last ten-thousandth of a nat is
# hidden in it, and no difference that size can be told from data.
HIDDEN_GAIN = 1e-4
# In log parameters: nothing moves by more than a factor of e^2 in one step.
LONGEST_STEP = 2.0
# What rounding may take from a sum over millions of customers.
ROUNDING = 1e-13
SHORTEST_SHARE_OF_STEP = 2.0**-30


@dataclass(frozen=True)
class Optimum:
    """The best point found; `converged` is False if the search stopped for another reason."""

    point: Floats
    value: float
    gradient: Floats
    hessian: Floats
    iterations: int
    converged: bool


def maximise(evaluate: Callable[[Floats], Evaluation], start: Floats) -> Optimum:
    """Return the maximum next to `start`; never raise because the search did not converge.

    Args:
        evaluate: Gives value, gradient and Hessian at a point, all for the total (not the mean)
            log-likelihood, so that the tolerance is in nats.
        start: The first point.
    """
    point = start
    value, gradient, hessian = evaluate(point)
    for iteration in range(1, MAX_ITERATIONS + 1):
        step = _ascent_step(gradient, hessian)
        expected_gain = 0.5 * float(gradient @ step)
        improved = _search_line(evaluate, point, value, step)
        if improved is not None:
            point, (value, gradient, hessian) = improved
        if expected_gain < GAIN_TOLERANCE or improved is None:
            converged = expected_gain < (GAIN_TOLERANCE if improved else HIDDEN_GAIN)
            return Optimum(point, value, gradient, hessian, iteration, converged)
    return Optimum(point, value, gradient, hessian, MAX_ITERATIONS, converged=False)


def in_logs(evaluation: Evaluation, parameters: Floats) -> Evaluation:
    """Return an evaluation in parameters as one in their logs (the chain rule)."""
    value, gradient, hessian = evaluation
    gradient = parameters * gradient
    return value, gradient, np.outer(parameters, parameters) * hessian + np.diag(gradient)


@dataclass(frozen=True)
class Prior:
    """A weak normal prior on the logs of the parameters; none at all if sd is None.

    Where the likelihood rises for ever along a ridge, the prior ends the search. It weighs as much
    as a fraction of one customer, so it vanishes in the data as customers are added.
    """

    centre: Floats
    sd: float | None

    def added_to(self, evaluate: Callable[[Floats], Evaluation]) -> Callable[[Floats], Evaluation]:
        """Return the function plus the log density of the prior (without its constant)."""
        if self.sd is None:
            return evaluate
        curvature = np.eye(len(self.centre)) / self.sd**2

        def penalised(point: Floats) -> Evaluation:
            value, gradient, hessian = evaluate(point)
            pull = curvature @ (point - self.centre)
            return value + self.log_density(point), gradient - pull, hessian - curvature

        return penalised

    def log_density(self, point: Floats) -> float:
        """Return the log density at a point, without its constant."""
        if self.sd is None:
            return 0.0
        distance = (point - self.centre) / self.sd
        return -0.5 * float(distance @ distance)


def standard_errors(hessian: Floats) -> Floats | None:
    """Return the standard errors at a maximum, or None where the data do not pin it down."""
    eigenvalues, eigenvectors = np.linalg.eigh(-hessian)
    if eigenvalues[0] <= 1e-12 * eigenvalues[-1]:
        return None
    variances: Floats = (eigenvectors**2 / eigenvalues).sum(axis=1)
    return np.sqrt(variances)


def _ascent_step(gradient: Floats, hessian: Floats) -> Floats:
    # Where the function is not concave, the absolute eigenvalue still points uphill.
    eigenvalues, eigenvectors = np.linalg.eigh(-hessian)
    floor = max(1e-12 * float(np.abs(eigenvalues).max()), 1e-300)
    curvature = np.maximum(np.abs(eigenvalues), floor)
    step: Floats = eigenvectors @ ((eigenvectors.T @ gradient) / curvature)
    longest = float(np.abs(step).max())
    return step if longest <= LONGEST_STEP else step * (LONGEST_STEP / longest)


def _search_line(
    evaluate: Callable[[Floats], Evaluation], point: Floats, value: float, step: Floats
) -> tuple[Floats, Evaluation] | None:
    share = 1.0
    while share >= SHORTEST_SHARE_OF_STEP:
        candidate = point + share * step
        evaluation = evaluate(candidate)
        if evaluation[0] >= value - ROUNDING * abs(value):
            return candidate, evaluation
        share *= 0.5
    return None
