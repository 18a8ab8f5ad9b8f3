"""The BG/NBD log-likelihood of a whole customer base, with exact first and second derivatives.

Fader, Hardie and Lee (2005), equation 6, summed, or its MBG/NBD sister. Only one logarithm per
repeat customer depends on x, t_x and T together; every other term needs the number of customers at
each x or each T.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from pipelines.scoring.models.histories import GroupedHistories, group_one_time_buyers
from pipelines.scoring.models.nbd import OrderCounts, count_orders, likelihood_of_counts
from pipelines.scoring.models.newton import Evaluation, Floats, in_logs

# Rows handled at once: small enough for the processor's cache, so memory stays flat.
CHUNK_ROWS = 32_768


@dataclass(frozen=True)
class CustomerBase:
    """All the likelihood needs: most terms depend on x or T alone, so their counts suffice.

    `may_stop` are the histories with a chance to have stopped: in the BG/NBD repeat customers only.
    """

    may_stop_at_once: bool
    counts: OrderCounts
    may_stop: GroupedHistories


def likelihood_of(
    orders: Floats, last: Floats, tenure: Floats, *, may_stop_at_once: bool
) -> Callable[[Floats], Evaluation]:
    """Return the log-likelihood of a customer base as a function of ln (r, alpha, a, b)."""
    counts = count_orders(orders, tenure)
    some = np.full(len(orders), True) if may_stop_at_once else orders > 0
    may_stop = group_one_time_buyers(orders[some], last[some], tenure[some])
    base = CustomerBase(may_stop_at_once, counts, may_stop)
    return lambda log_parameters: likelihood_in_logs(base, log_parameters)


def likelihood_in_logs(base: CustomerBase, log_parameters: Floats) -> Evaluation:
    """Return the total log-likelihood, gradient and Hessian in the logs of the parameters."""
    parameters = np.exp(log_parameters)
    r, alpha, a, b = (float(value) for value in parameters)
    value, gradient, hessian = _terms_of_stopping(base, r, alpha, a, b)
    of_rates = likelihood_of_counts(base.counts, r, alpha)
    of_staying = _terms_of_staying(base, a, b)
    for part, rows in ((of_rates, slice(0, 2)), (of_staying, slice(2, 4))):
        value += part[0]
        gradient[rows] += part[1]
        hessian[rows, rows] += part[2]
    return in_logs((value, gradient, hessian), parameters)


def _terms_of_staying(base: CustomerBase, a: float, b: float) -> Evaluation:
    """Sum ln B(a, b+k) - ln B(a, b) over customers, who let k chances to stop pass.

    It is the sum of ln (b+j) - ln (a+b+j) over j < k: one term for each j, times the customers who
    let more than j chances pass.
    """
    above = base.counts.customers_above
    if base.may_stop_at_once:
        above = np.concatenate(([base.counts.customers], above))
    stay = b + np.arange(len(above))
    leave = a + stay
    value = -float((above * np.log1p(a / stay)).sum())
    d_a, d_b = -(above / leave).sum(), (above * a / (stay * leave)).sum()
    d_ab = (above / leave**2).sum()
    d_bb = -(above * a * (stay + leave) / (stay * leave) ** 2).sum()
    return value, np.array([d_a, d_b]), np.array([[d_ab, d_ab], [d_ab, d_bb]])


def _terms_of_stopping(
    base: CustomerBase, r: float, alpha: float, a: float, b: float
) -> Evaluation:
    """Sum ln(1 + odds of having stopped) over customers with a chance to stop."""
    value, gradient, hessian = 0.0, np.zeros(4), np.zeros((4, 4))
    first_chance = 0.0 if base.may_stop_at_once else 1.0
    for start in range(0, len(base.may_stop.orders), CHUNK_ROWS):
        rows = slice(start, start + CHUNK_ROWS)
        n, orders = base.may_stop.customers[rows], base.may_stop.orders[rows]
        shape, after_first = r + orders, b + (orders - first_chance)
        last, tenure = base.may_stop.last[rows], base.may_stop.tenure[rows]
        at_last = 1.0 / (alpha + last)
        at_end = 1.0 / (alpha + tenure)
        silence = tenure - last
        gap, narrowing = np.log1p(silence * at_last), silence * at_last * at_end
        log_odds = np.log(a / after_first) + shape * gap
        stopped = expit(log_odds)
        slopes = np.stack((gap, -shape * narrowing, np.full_like(gap, 1.0 / a), -1.0 / after_first))
        value += float((n * np.logaddexp(0.0, log_odds)).sum())
        weights = n * stopped
        gradient += (slopes * weights).sum(axis=1)
        # einsum, not @: the threads of a BLAS library would make sums depend on the machine.
        hessian += np.einsum("in,jn->ij", slopes * (weights * (1.0 - stopped)), slopes)
        bend = float((weights * shape * narrowing * (at_last + at_end)).sum())
        cross = float((weights * narrowing).sum())
        hessian += np.diag(
            [0.0, bend, -float(weights.sum()) / a**2, float((weights / after_first**2).sum())]
        )
        hessian[0, 1] -= cross
        hessian[1, 0] -= cross
    return value, gradient, hessian
