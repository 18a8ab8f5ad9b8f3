"""Will a donor give again? The BG/BB model: one chance to buy in each period, as year by year.

While active, a customer takes each chance with a personal probability; before each chance the
customer stops for good with another personal probability. Both follow beta distributions: (alpha,
beta) the first, (gamma, delta) the second.

Source: Fader, Hardie, Shang (2010), Customer-base analysis in a discrete-time noncontractual
setting, Marketing Science 29(6).
A customer is described by n (chances so far), x (how many were taken) and t_x (number of the last
that was taken, 0 if none).
"""

from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipelines.scoring.models.fitting import Fit, fit_model
from pipelines.scoring.models.histories import as_floats
from pipelines.scoring.models.newton import Evaluation, Floats, Prior, in_logs

# What is left of a discounted lifetime after this share of it is not counted.
NEGLIGIBLE = 1e-12


@dataclass(frozen=True)
class BgBb:
    """The four parameters of a customer base; none has a unit."""

    alpha: float
    beta: float
    gamma: float
    delta: float

    def __post_init__(self) -> None:
        if not all(np.isfinite(v) and v > 0 for v in astuple(self)):
            raise ValueError(f"BG/BB parameters must be positive and finite, got {self}.")

    @property
    def parameters(self) -> dict[str, float]:
        """The parameters by their names in the paper."""
        return {
            "alpha": self.alpha, "beta": self.beta, "gamma": self.gamma, "delta": self.delta,
        }  # fmt: skip

    def log_likelihood(self, x: ArrayLike, t_x: ArrayLike, n: ArrayLike) -> Floats:
        """Return the log-likelihood of each customer's history (equation 3 of the paper)."""
        stories = _tell_stories(*as_floats(x, t_x, n))
        return _sum_stories(stories, _log_stories(stories, astuple(self)).value)

    def p_alive(self, x: ArrayLike, t_x: ArrayLike, n: ArrayLike) -> Floats:
        """Return the probability of being active at the next chance, the (n+1)-th."""
        taken, last, chances = as_floats(x, t_x, n)
        alive: Floats = self._p_active_now(taken, last, chances) * self._stay_rate(chances)
        return alive

    def expected_orders(self, ahead: int, x: ArrayLike, t_x: ArrayLike, n: ArrayLike) -> Floats:
        """Return how many of the next chances a customer is expected to take."""
        return self._sum_ahead(ahead, 1.0, *as_floats(x, t_x, n))

    def discounted_orders(self, rate: float, x: ArrayLike, t_x: ArrayLike, n: ArrayLike) -> Floats:
        """Return DERT: the expected orders of all time to come, at their present value.

        Args:
            rate: Discount per period, above 0: the next chance counts 1 / (1 + rate).
            x: Chances taken.
            t_x: Number of the last chance that was taken, 0 if none.
            n: Chances so far.

        Raises:
            ValueError: If the rate is not positive: the sum may then be infinite.
        """
        if not rate > 0:
            raise ValueError(f"The discount rate must be positive, got {rate}.")
        ahead = int(np.ceil(np.log(NEGLIGIBLE * rate) / -np.log1p(rate)))
        return self._sum_ahead(ahead, 1.0 / (1.0 + rate), *as_floats(x, t_x, n))

    def _p_active_now(self, x: Floats, t_x: Floats, n: Floats) -> Floats:
        stories = _tell_stories(x, t_x, n)
        value = _log_stories(stories, astuple(self)).value
        active: Floats = np.exp(value[stories.first_of] - _sum_stories(stories, value))
        return active

    def _stay_rate(self, chances: Floats) -> Floats:
        """Return the share who are still active at the next chance of those active now."""
        return (self.delta + chances) / (self.gamma + self.delta + chances)

    def _sum_ahead(self, ahead: int, discount: float, x: Floats, t_x: Floats, n: Floats) -> Floats:
        still_there, total = self._p_active_now(x, t_x, n), np.zeros_like(x)
        for step in range(ahead):
            still_there = still_there * self._stay_rate(n + step)
            total += still_there * discount ** (step + (discount < 1.0))
        return total * (self.alpha + x) / (self.alpha + self.beta + n)


def fit_bg_bb(
    x: ArrayLike,
    t_x: ArrayLike,
    n: ArrayLike,
    customers: ArrayLike = 1.0,
    *,
    start: BgBb | None = None,
    prior_sd: float | None = 2.0,
) -> Fit[BgBb]:
    """Return the most likely parameters of a customer base.

    Args:
        x: Chances taken, whole numbers.
        t_x: Number of the last chance that was taken, 0 if none.
        n: Chances so far.
        customers: How many have this history, if rows stand for groups.
        start: Where the search begins, such as the model of the last release.
        prior_sd: Standard deviation of a weak normal prior on the log parameters, around 1 (see
            `Prior`); None for none.

    Raises:
        ValueError: If there is no customer, or a history is impossible.
    """
    taken, last, chances, each = as_floats(x, t_x, n, customers)
    if not each.sum() > 0:
        raise ValueError("There is no customer to fit a model to.")
    whole = (taken == np.floor(taken)) & (last == np.floor(last)) & (chances == np.floor(chances))
    possible = whole & (taken >= 0) & (taken <= last) & (last <= chances)
    if not (possible & ((taken > 0) == (last > 0))).all():
        raise ValueError("Needed: whole numbers, 0 <= x <= t_x <= n, t_x = 0 only where x = 0.")
    rows, row_of = np.unique(np.stack((taken, last, chances)), axis=1, return_inverse=True)
    stories = _tell_stories(*rows)
    weights = np.bincount(row_of.ravel(), each).astype(np.float64)

    def likelihood(log_parameters: Floats) -> Evaluation:
        parameters = np.exp(log_parameters)
        evaluation = _likelihood_of_stories(stories, weights, tuple(parameters.tolist()))
        return in_logs(evaluation, parameters)

    first = None if start is None else list(astuple(start))
    return fit_model(BgBb, likelihood, Prior(np.zeros(4), prior_sd), first, int(each.sum()))


@dataclass(frozen=True)
class _Stories:
    """All that may be behind the histories: active to the end, or stopped after each later chance.

    One row per story, those of a history together, the active one first (at `first_of`). A story
    has `taken` and `missed` chances, then possibly a stop (`stopped` 1) after `stayed` chances.
    """

    history: NDArray[np.int64]
    first_of: NDArray[np.int64]
    taken: Floats
    missed: Floats
    stopped: Floats
    stayed: Floats


@dataclass(frozen=True)
class _StoryLogs:
    value: Floats
    gradient: Floats
    hessian: Floats


def _tell_stories(x: Floats, t_x: Floats, n: Floats) -> _Stories:
    stops = (n - t_x).astype(np.int64)
    history = np.repeat(np.arange(len(x)), stops + 1)
    first_of = np.cumsum(stops + 1) - (stops + 1)
    place = np.arange(len(history)) - first_of[history]
    stayed = np.where(place == 0, n[history], t_x[history] + place - 1.0)
    taken, stopped = x[history], (place > 0).astype(np.float64)
    return _Stories(history, first_of, taken, stayed - taken, stopped, stayed)


def _log_stories(stories: _Stories, parameters: tuple[float, ...]) -> _StoryLogs:
    """Return the log probability of each story, its gradient (4 rows) and Hessian."""
    alpha, beta, gamma, delta = parameters
    take, miss = _rising(alpha, stories.taken), _rising(beta, stories.missed)
    chance = _rising(alpha + beta, stories.taken + stories.missed)
    stop, stay = _rising(gamma, stories.stopped), _rising(delta, stories.stayed)
    risk = _rising(gamma + delta, stories.stopped + stories.stayed)
    hessian = np.zeros((4, 4, len(stories.taken)))
    hessian[:2, :2], hessian[2:, 2:] = -chance[2], -risk[2]
    for place, part in enumerate((take, miss, stop, stay)):
        hessian[place, place] += part[2]
    return _StoryLogs(
        value=take[0] + miss[0] - chance[0] + stop[0] + stay[0] - risk[0],
        gradient=np.stack(
            (take[1] - chance[1], miss[1] - chance[1], stop[1] - risk[1], stay[1] - risk[1])
        ),
        hessian=hessian,
    )


def _rising(start: float, counts: Floats) -> Floats:
    """Return ln G(start + k) - ln G(start) for whole k, and its two derivatives, in three rows."""
    steps = start + np.arange(int(counts.max(initial=0.0)))
    table = np.zeros((3, len(steps) + 1))
    table[:, 1:] = np.cumsum((np.log(steps), 1.0 / steps, -1.0 / steps**2), axis=1)
    rows: Floats = table[:, counts.astype(np.int64)]
    return rows


def _sum_stories(stories: _Stories, value: Floats) -> Floats:
    """Return the log of the summed probabilities of the stories behind each history."""
    largest = np.maximum.reduceat(value, stories.first_of)
    shares = np.exp(value - largest[stories.history])
    total: Floats = largest + np.log(np.add.reduceat(shares, stories.first_of))
    return total


def _likelihood_of_stories(
    stories: _Stories, customers: Floats, parameters: tuple[float, ...]
) -> Evaluation:
    logs = _log_stories(stories, parameters)
    each = _sum_stories(stories, logs.value)
    share = np.exp(logs.value - each[stories.history])
    mean = np.add.reduceat(logs.gradient * share, stories.first_of, axis=1)
    weight = share * customers[stories.history]
    hessian = np.einsum("ijn,n->ij", logs.hessian, weight)
    hessian += np.einsum("in,jn->ij", logs.gradient * weight, logs.gradient)
    hessian -= np.einsum("in,jn->ij", mean * customers, mean)
    return float((customers * each).sum()), (mean * customers).sum(axis=1), hessian
