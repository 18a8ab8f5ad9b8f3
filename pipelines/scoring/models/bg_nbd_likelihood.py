"""The BG/NBD log-likelihood of a whole customer base, with exact first and second derivatives.

Fader, Hardie and Lee (2005), equation 6, summed, or its MBG/NBD sister. Only one logarithm per
repeat customer depends on x, t_x and T together; every other term needs the number of customers at
each x or each T.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.scoring.models.histories import distinct_values, group_one_time_buyers
from pipelines.scoring.models.nbd import OrderCounts, count_orders, likelihood_of_counts
from pipelines.scoring.models.newton import Evaluation, Floats, in_logs
from pipelines.scoring.models.sbg import likelihood_of_counts as likelihood_of_stays

# Rows handled at once: small enough for the processor's cache, so memory stays flat.
CHUNK_ROWS = 32_768


@dataclass(frozen=True)
class CustomerBase:
    """All the likelihood needs: most terms depend on x, t_x or T alone.

    The rows are the customers with a chance to have stopped (in the BG/NBD repeat customers only),
    all one-time buyers of one T in one row, and point into the distinct x, t_x and T: the logs are
    taken of those.
    """

    may_stop_at_once: bool
    counts: OrderCounts
    orders: Floats
    orders_of: NDArray[np.int64]
    last: Floats
    last_of: NDArray[np.int64]
    tenure: Floats
    tenure_of: NDArray[np.int64]
    customers: Floats


def likelihood_of(
    orders: Floats, last: Floats, tenure: Floats, *, may_stop_at_once: bool
) -> Callable[[Floats], Evaluation]:
    """Return the log-likelihood of a customer base as a function of ln (r, alpha, a, b)."""
    some = slice(None) if may_stop_at_once else orders > 0
    may_stop = group_one_time_buyers(orders[some], last[some], tenure[some])
    base = CustomerBase(
        may_stop_at_once,
        count_orders(orders, tenure),
        *distinct_values(may_stop.orders),
        *distinct_values(may_stop.last),
        *distinct_values(may_stop.tenure),
        may_stop.customers,
    )
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
    """Sum ln B(a, b+k) - ln B(a, b) over customers, who let k chances to stop pass."""
    above = base.counts.customers_above
    if base.may_stop_at_once:
        above = np.concatenate(([float(base.counts.customers)], above))
    return likelihood_of_stays(above, np.zeros_like(above), a, b)


def _terms_of_stopping(
    base: CustomerBase, r: float, alpha: float, a: float, b: float
) -> Evaluation:
    """Sum ln(1 + odds of having stopped) over customers with a chance to stop."""
    value, gradient, hessian = 0.0, np.zeros(4), np.zeros((4, 4))
    first_chance = 0.0 if base.may_stop_at_once else 1.0
    shapes, after_firsts = r + base.orders, b + (base.orders - first_chance)
    offsets, at_afters = np.log(a / after_firsts), 1.0 / after_firsts
    log_lasts, log_ends = np.log(alpha + base.last), np.log(alpha + base.tenure)
    at_lasts, at_ends = 1.0 / (alpha + base.last), 1.0 / (alpha + base.tenure)
    slopes = np.ones((4, min(CHUNK_ROWS, len(base.customers))))
    for start in range(0, len(base.customers), CHUNK_ROWS):
        rows = slice(start, start + CHUNK_ROWS)
        n, of_x = base.customers[rows], base.orders_of[rows]
        of_last, of_end = base.last_of[rows], base.tenure_of[rows]
        shape, at_last, at_end = shapes[of_x], at_lasts[of_last], at_ends[of_end]
        gap, narrowing = log_ends[of_end] - log_lasts[of_last], at_last - at_end
        log_odds = offsets[of_x] + shape * gap
        away = np.exp(-np.abs(log_odds))
        stopped = np.where(log_odds > 0.0, 1.0, away) / (1.0 + away)
        value += float((n * (np.maximum(log_odds, 0.0) + np.log1p(away))).sum())
        # Slopes of the log odds in r, alpha, ln a and b; ln a changes nothing but the odds.
        slope = slopes[:, : len(n)]
        slope[0], slope[1], slope[3] = gap, -shape * narrowing, -at_afters[of_x]
        weight = n * stopped
        # einsum, not @: the threads of a BLAS library would make sums depend on the machine.
        first = np.einsum("in,n->i", slope, weight)
        second = np.einsum("in,jn->ij", slope * (weight * (1.0 - stopped)), slope)
        second[1, 1] -= np.einsum("n,n,n->", weight, slope[1], at_last + at_end)
        second[3, 3] += np.einsum("n,n,n->", weight, slope[3], slope[3])
        second[0, 1] -= (cross := np.einsum("n,n->", weight, narrowing))
        second[1, 0] -= cross
        gradient += first
        hessian += second
    # From ln a to a.
    hessian[2, 2] -= gradient[2]
    gradient[2] /= a
    hessian[2] /= a
    hessian[:, 2] /= a
    return value, gradient, hessian
