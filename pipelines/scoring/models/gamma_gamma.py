"""How much does a customer spend per order? The gamma-gamma model.

Orders of one customer vary around a personal mean, and the personal means vary between customers.
A customer with few orders is drawn towards the mean of all, one with many keeps their own.

Source: Fader and Hardie (2013), "The Gamma-Gamma Model of Monetary Value",
brucehardie.com/notes/025.
A customer is described by x (repeat purchase days) and the mean spend of those days, in money.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln, polygamma, psi

from pipelines.scoring.models.fitting import fit_model
from pipelines.scoring.models.newton import Evaluation, Floats, Prior, in_logs

FEWEST_CUSTOMERS = 100
SMALLEST_VARIATION = 0.01
LARGEST_MISFIT = 2.0


@dataclass(frozen=True)
class GammaGamma:
    """The three parameters; gamma is in money, p and q have no unit."""

    p: float
    q: float
    gamma: float

    def __post_init__(self) -> None:
        if not all(np.isfinite(v) and v > 0 for v in (self.p, self.q, self.gamma)):
            raise ValueError(f"Gamma-gamma parameters must be positive and finite, got {self}.")

    @property
    def population_mean(self) -> float:
        """The mean spend over all customers; infinite if q <= 1."""
        return self.p * self.gamma / (self.q - 1.0) if self.q > 1.0 else float("inf")

    def log_likelihood(self, x: ArrayLike, mean_spend: ArrayLike) -> Floats:
        """Return the log-likelihood of each mean spend (equation 1a of the note); both positive."""
        orders, spend = _as_floats(x, mean_spend)
        shape = self.p * orders
        value: Floats = (
            gammaln(shape + self.q)
            - gammaln(shape)
            - gammaln(self.q)
            + self.q * np.log(self.gamma)
            + shape * np.log(orders * spend)
            - np.log(spend)
            - (shape + self.q) * np.log(self.gamma + orders * spend)
        )
        return value

    def expected_spend(self, x: ArrayLike, mean_spend: ArrayLike) -> Floats:
        """Return the expected spend per order of each customer (equation 5 of the note).

        Customers without a repeat order, or whose mean spend is unknown, get the population mean. A
        mean that is not positive, as of who gives back more than he keeps, counts as it is, and
        nobody is expected to spend less than nothing.

        Raises:
            ValueError: If q <= 1, where the model has no mean (peers return negative money here).
        """
        if self.q <= 1.0:
            raise ValueError(f"The gamma-gamma model has no mean at q = {self.q}; needed: q > 1.")
        orders, spend = _as_floats(x, mean_spend)
        known = (orders > 0) & np.isfinite(spend)
        orders, spend = np.where(known, orders, 0.0), np.where(known, spend, 0.0)
        expected: Floats = self.p * (self.gamma + orders * spend) / (self.p * orders + self.q - 1.0)
        return np.maximum(expected, 0.0)


@dataclass(frozen=True)
class GammaGammaFit:
    """A fitted model, or the reason why the population mean stands in for it.

    `customers` were used for the fit: those with a repeat order and a positive mean spend.
    `observed_mean` is the plain mean of their mean spends, None if there is none. The rest is as in
    `Fit`; `standard_errors` are those of p, q and gamma.
    """

    parameters: GammaGamma | None
    fallback_reason: str | None
    customers: int
    observed_mean: float | None
    log_likelihood: float | None = None
    standard_errors: tuple[float, ...] | None = None
    iterations: int = 0
    converged: bool = False
    gradient_norm: float | None = None

    def expected_spend(self, x: ArrayLike, mean_spend: ArrayLike) -> Floats:
        """Return the expected spend per order; NaN if no customer's spend is known."""
        if self.parameters is not None:
            return self.parameters.expected_spend(x, mean_spend)
        orders, _ = _as_floats(x, mean_spend)
        return np.full_like(orders, np.nan if self.observed_mean is None else self.observed_mean)


def fit_gamma_gamma(
    x: ArrayLike,
    mean_spend: ArrayLike,
    *,
    start: GammaGamma | None = None,
    prior_sd: float | None = 2.0,
    fewest_customers: int = FEWEST_CUSTOMERS,
) -> GammaGammaFit:
    """Return the most likely parameters, or the population mean and the reason for it.

    Args:
        x: Repeat purchase days of each customer.
        mean_spend: Mean spend per repeat purchase day, NaN if unknown. Customers with an unknown
            or non-positive mean take no part in the fit.
        start: Where the search begins, such as the model of the last release.
        prior_sd: Standard deviation of a weak normal prior on the log parameters (see `Prior`),
            around p = 1, q = 2, gamma = the observed mean; None for none.
        fewest_customers: With fewer customers to fit, the population mean is used.
    """
    orders, spend = _as_floats(x, mean_spend)
    known = has_spend(orders, spend)
    orders, spend = orders[known], spend[known]
    customers = len(spend)
    observed = float(spend.mean()) if customers else None
    reason = _reason_not_to_fit(spend, fewest_customers)
    if reason is not None or observed is None:
        return GammaGammaFit(None, reason, customers, observed)

    # In units of the observed mean, so that no currency is harder to fit than another.
    spend = spend / observed
    centre = np.log([1.0, 2.0, 1.0])
    # The gamma functions depend on x alone: evaluate them once per distinct x.
    distinct, customers_of = np.unique(orders, return_counts=True)
    counts = (distinct, customers_of.astype(np.float64))

    def likelihood(log_parameters: Floats) -> Evaluation:
        return _likelihood_in_logs(orders, spend, counts, log_parameters)

    first = None if start is None else [start.p, start.q, start.gamma / observed]
    fit = fit_model(GammaGamma, likelihood, Prior(centre, prior_sd), first, customers)
    parameters = GammaGamma(fit.model.p, fit.model.q, fit.model.gamma * observed)
    reason = _reason_not_to_use(parameters, observed, fit.converged)
    errors = fit.standard_errors
    return GammaGammaFit(
        parameters=parameters if reason is None else None,
        fallback_reason=reason,
        customers=customers,
        observed_mean=observed,
        # Back in money: a density per unit of money, and gamma in money.
        log_likelihood=fit.log_likelihood - customers * math.log(observed),
        standard_errors=None if errors is None else (errors[0], errors[1], errors[2] * observed),
        iterations=fit.iterations,
        converged=fit.converged,
        gradient_norm=fit.gradient_norm,
    )


def has_spend(x: Floats, mean_spend: Floats) -> NDArray[np.bool_]:
    """Return which customers have repeat orders with a positive mean spend."""
    known: NDArray[np.bool_] = (x > 0) & (mean_spend > 0) & np.isfinite(mean_spend)
    return known


def _reason_not_to_fit(spend: Floats, fewest_customers: int) -> str | None:
    if len(spend) < fewest_customers:
        return (
            f"Only {len(spend)} customers have repeat orders with a positive margin; "
            f"{fewest_customers} are needed to tell them apart, so all get the mean."
        )
    variation = float(spend.std() / spend.mean())
    if variation < SMALLEST_VARIATION:
        return (
            f"Mean margins vary by {variation:.2%} between customers, less than "
            f"{SMALLEST_VARIATION:.0%}, so all get the mean."
        )
    return None


def _reason_not_to_use(fitted: GammaGamma, observed: float, converged: bool) -> str | None:
    if not converged:
        return "The search for the gamma-gamma parameters did not end, so all get the mean."
    if fitted.q <= 1.0:
        return (
            f"Margins are spread so widely (q = {fitted.q:.3f}, at most 1) that the model has no "
            "mean, so all get the observed mean."
        )
    ratio = fitted.population_mean / observed
    if not 1.0 / LARGEST_MISFIT <= ratio <= LARGEST_MISFIT:
        return (
            f"The model's mean margin is {ratio:.2f} times the observed one (more than a factor "
            f"of {LARGEST_MISFIT:.0f} apart), so all get the observed mean."
        )
    return None


def _likelihood_in_logs(
    orders: Floats, spend: Floats, counts: tuple[Floats, Floats], log_parameters: Floats
) -> Evaluation:
    """Return the total log-likelihood, gradient and Hessian in the logs of p, q and gamma."""
    p, q, gamma = (float(value) for value in np.exp(log_parameters))
    x, n = counts
    total, shape = orders * spend, p * orders
    reach = gamma + total
    log_share, log_rest = np.log(total / reach), np.log(gamma / reach)
    value = float((n * (gammaln(p * x + q) - gammaln(p * x) - gammaln(q))).sum()) + float(
        (shape * log_share + q * log_rest - np.log(spend)).sum()
    )
    d_p = (n * x * (psi(p * x + q) - psi(p * x))).sum() + (orders * log_share).sum()
    d_q = (n * (psi(p * x + q) - psi(q))).sum() + log_rest.sum()
    d_gamma = (q / gamma - (shape + q) / reach).sum()
    curve = polygamma(1, p * x + q)
    pp = (n * x**2 * (curve - polygamma(1, p * x))).sum()
    pq = (n * x * curve).sum()
    qq = (n * (curve - polygamma(1, q))).sum()
    p_gamma = -(orders / reach).sum()
    q_gamma = (1.0 / gamma - 1.0 / reach).sum()
    gamma_gamma = ((shape + q) / reach**2 - q / gamma**2).sum()
    gradient = np.array([d_p, d_q, d_gamma], dtype=np.float64)
    second = np.array(
        [[pp, pq, p_gamma], [pq, qq, q_gamma], [p_gamma, q_gamma, gamma_gamma]], dtype=np.float64
    )
    return in_logs((value, gradient, second), np.array([p, q, gamma]))


def _as_floats(x: ArrayLike, mean_spend: ArrayLike) -> tuple[Floats, Floats]:
    orders, spend = np.broadcast_arrays(
        *(np.atleast_1d(np.asarray(values, dtype=np.float64)) for values in (x, mean_spend))
    )
    return orders, spend
