"""How long does a subscriber stay? The shifted beta-geometric model of contracts.

At each renewal a subscriber leaves for good with a personal probability; the probabilities follow
a beta distribution (alpha, beta). Those who are easily lost are lost first, so the retention of a
cohort rises although nobody changes.

Source: Fader and Hardie (2007), How to project customer retention, Journal of Interactive
Marketing 21(1); (2010), Customer-base valuation in a contractual setting, Marketing Science 29(1).
A subscriber is described by the renewals made so far, and whether the next one was declined.
"""

from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import ArrayLike

from pipelines.scoring.models.fitting import Fit, fit_model
from pipelines.scoring.models.histories import as_floats
from pipelines.scoring.models.newton import Evaluation, Floats, Prior, in_logs

# What is left of a discounted lifetime after this share of it is not counted.
NEGLIGIBLE = 1e-12


@dataclass(frozen=True)
class Sbg:
    """The two parameters of a base of subscribers; neither has a unit."""

    alpha: float
    beta: float

    def __post_init__(self) -> None:
        if not all(np.isfinite(v) and v > 0 for v in astuple(self)):
            raise ValueError(f"sBG parameters must be positive and finite, got {self}.")

    @property
    def parameters(self) -> dict[str, float]:
        """The parameters by their names in the paper."""
        return {"alpha": self.alpha, "beta": self.beta}

    def retention_rate(self, renewal: ArrayLike) -> Floats:
        """Return the share who make their n-th renewal of those who made the one before."""
        (number,) = as_floats(renewal)
        return (self.beta + number - 1.0) / (self.alpha + self.beta + number - 1.0)

    def survival(self, renewals: ArrayLike) -> Floats:
        """Return the share of a new cohort that makes so many renewals, whole numbers."""
        (number,) = as_floats(renewals)
        kept = self.retention_rate(np.arange(1.0, number.max(initial=0.0) + 1.0))
        table = np.exp(np.concatenate(([0.0], np.cumsum(np.log(kept)))))
        share: Floats = table[number.astype(np.int64)]
        return share

    def expected_renewals(self, ahead: int, renewals: ArrayLike) -> Floats:
        """Return the expected number among the next renewals that an active subscriber makes."""
        (number,) = as_floats(renewals)
        return self._sum_ahead(number, ahead, 1.0)

    def discounted_renewals(self, rate: float, renewals: ArrayLike) -> Floats:
        """Return the renewals of all time to come at their present value: the first counts in full.

        Args:
            rate: Discount from one renewal to the next, above 0: 0.10 for 10 %.
            renewals: Renewals so far of an active subscriber, who is about to decide on the next.

        Raises:
            ValueError: If the rate is not positive: the sum may then be infinite.
        """
        if not rate > 0:
            raise ValueError(f"The discount rate must be positive, got {rate}.")
        (number,) = as_floats(renewals)
        ahead = int(np.ceil(np.log(NEGLIGIBLE * rate) / -np.log1p(rate)))
        return self._sum_ahead(number, ahead, 1.0 / (1.0 + rate))

    def _sum_ahead(self, renewals: Floats, ahead: int, discount: float) -> Floats:
        still_there, total = np.ones_like(renewals), np.zeros_like(renewals)
        for step in range(ahead):
            still_there = still_there * self.retention_rate(renewals + 1.0 + step)
            total += still_there * discount**step
        return total


def fit_sbg(
    renewals: ArrayLike,
    has_left: ArrayLike,
    subscribers: ArrayLike = 1.0,
    *,
    start: Sbg | None = None,
    prior_sd: float | None = 2.0,
) -> Fit[Sbg]:
    """Return the most likely parameters of a base of subscribers.

    Args:
        renewals: How often each subscriber has renewed, whole numbers.
        has_left: Whether they declined the next renewal; if not, it is still to come.
        subscribers: How many are like that, if rows stand for groups.
        start: Where the search begins, such as the model of the last release.
        prior_sd: Standard deviation of a weak normal prior on the log parameters, around 1 (see
            `Prior`); None for none.

    Raises:
        ValueError: If there is no subscriber, or a number of renewals is not whole.
    """
    made, left, n = as_floats(renewals, has_left, subscribers)
    if not n.sum() > 0:
        raise ValueError("There is no subscriber to fit a model to.")
    if not ((made >= 0) & (made == np.floor(made))).all():
        raise ValueError("Renewals must be whole numbers, 0 or more.")
    size = int(made.max()) + 1
    at = made.astype(np.int64)
    leavers = np.bincount(at, n * (left > 0), size).astype(np.float64)
    made_more = n.sum() - np.cumsum(np.bincount(at, n, size))

    def likelihood(log_parameters: Floats) -> Evaluation:
        parameters = np.exp(log_parameters)
        return in_logs(likelihood_of_counts(made_more, leavers, *parameters), parameters)

    first = None if start is None else list(astuple(start))
    prior = Prior(np.zeros(2), prior_sd)
    return fit_model(Sbg, likelihood, prior, first, int(n.sum()))


def likelihood_of_counts(stayed: Floats, left: Floats, a: float, b: float) -> Evaluation:
    """Return the log-likelihood of who stayed and who left at each chance to leave, and its slopes.

    The chance to leave at the j-th (counted from 0) is a / (a + b + j).

    Args:
        stayed: How many stayed at the j-th.
        left: How many left at it.
        a: First parameter of the beta distribution of the probability to leave.
        b: Second parameter of it.
    """
    stay = b + np.arange(len(stayed))
    either = a + stay
    value = (left * np.log(a / either) - stayed * np.log1p(a / stay)).sum()
    d_a = (left * stay / (a * either) - stayed / either).sum()
    d_b = (stayed * a / (stay * either) - left / either).sum()
    together = (stayed + left) / either**2
    d_aa = (together - left / a**2).sum()
    d_bb = (together - stayed / stay**2).sum()
    d_ab = together.sum()
    return float(value), np.array([d_a, d_b]), np.array([[d_aa, d_ab], [d_ab, d_bb]])
