"""The Pareto/NBD log-likelihood of a whole customer base, with exact first and second derivatives.

The likelihood of a customer is that of x orders, times U + V: active to T and then ordering first,
or stopping first after t_x and not after T. U depends on x and T, V on x and t_x: ten million
customers share some hundred thousand such pairs, for which the costly part is done once.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from pipelines.scoring.models.histories import Pairs, distinct_pairs, group_one_time_buyers
from pipelines.scoring.models.nbd import OrderCounts, count_orders
from pipelines.scoring.models.newton import Evaluation, Floats, in_logs
from pipelines.scoring.models.stop_first import StopFirst, stop_first_with_derivatives

# Rows handled at once: small enough for the processor's cache, so memory stays flat.
CHUNK_ROWS = 32_768


@dataclass(frozen=True)
class PairTerms:
    """The logs of U or V of each pair, their gradients (4 columns) and Hessians (4 by 4)."""

    value: Floats
    gradient: Floats
    hessian: Floats


def likelihood_of(orders: Floats, last: Floats, tenure: Floats) -> Callable[[Floats], Evaluation]:
    """Return the log-likelihood of a customer base as a function of ln (r, alpha, s, beta)."""
    counts = count_orders(orders, tenure)
    rows = group_one_time_buyers(orders, last, tenure)
    at_end = distinct_pairs(rows.orders, rows.tenure)
    at_last = distinct_pairs(rows.orders, rows.last)

    def likelihood(log_parameters: Floats) -> Evaluation:
        parameters = np.exp(log_parameters)
        active = _pair_terms(parameters, at_end, stops=False)
        stopped = _pair_terms(parameters, at_last, stops=True)
        value, gradient, hessian = _sum_rows(
            active, stopped, at_end.index, at_last.index, rows.customers
        )
        of_x = _terms_of_x(counts, float(parameters[0]))
        value += of_x[0]
        gradient[0] += of_x[1]
        hessian[0, 0] += of_x[2]
        return in_logs((value, gradient, hessian), parameters)

    return likelihood


def _terms_of_x(counts: OrderCounts, r: float) -> tuple[float, float, float]:
    """Sum ln G(r+x) - ln G(r) over customers, with its derivatives in r."""
    above, rates = counts.customers_above, r + np.arange(len(counts.customers_above))
    return (
        float((above * np.log(rates)).sum()),
        float((above / rates).sum()),
        -float((above / rates**2).sum()),
    )


def _sum_rows(
    active: PairTerms,
    stopped: PairTerms,
    active_of: np.ndarray[tuple[int], np.dtype[np.int64]],
    stopped_of: np.ndarray[tuple[int], np.dtype[np.int64]],
    customers: Floats,
) -> Evaluation:
    """Sum ln (U + V) over customers.

    Its gradient is the mean of those of ln U and ln V, weighted with the chance of each; its
    Hessian likewise, plus the spread of the two gradients.
    """
    value, spread = 0.0, np.zeros((4, 4))
    in_active, in_stopped = np.zeros(len(active.value)), np.zeros(len(stopped.value))
    for start in range(0, len(customers), CHUNK_ROWS):
        rows = slice(start, start + CHUNK_ROWS)
        of_active, of_stopped, n = active_of[rows], stopped_of[rows], customers[rows]
        log_active, log_stopped = active.value[of_active], stopped.value[of_stopped]
        share = expit(log_stopped - log_active)
        value += float((n * np.logaddexp(log_active, log_stopped)).sum())
        in_active += np.bincount(of_active, n * (1.0 - share), len(in_active))
        in_stopped += np.bincount(of_stopped, n * share, len(in_stopped))
        apart = (stopped.gradient[of_stopped] - active.gradient[of_active]).T
        spread += np.einsum("in,jn->ij", apart * (n * share * (1.0 - share)), apart)
    gradient = np.einsum("n,ni->i", in_active, active.gradient)
    gradient += np.einsum("n,ni->i", in_stopped, stopped.gradient)
    hessian = spread + np.einsum("n,nij->ij", in_active, active.hessian)
    hessian += np.einsum("n,nij->ij", in_stopped, stopped.hessian)
    return value, gradient, hessian


def _pair_terms(parameters: Floats, pairs: Pairs, *, stops: bool) -> PairTerms:
    """Return ln V (who stops first after t_x) or ln U (who is active to T and orders first)."""
    r, alpha, s, beta = (float(value) for value in parameters)
    ratio = (alpha + pairs.second) / (beta + pairs.second)
    chance = stop_first_with_derivatives(r + pairs.first, s, ratio)
    silent = _log_silent_since_first(parameters, pairs)
    first, second = _in_parameters(
        chance, 1.0 / (alpha + pairs.second), 1.0 / (beta + pairs.second)
    )
    of, sign = (chance.q, 1.0) if stops else (chance.complement, -1.0)
    slope = sign * first / of[:, None]
    bend = sign * second / of[:, None, None] - slope[:, :, None] * slope[:, None, :]
    return PairTerms(silent.value + np.log(of), silent.gradient + slope, silent.hessian + bend)


def _log_silent_since_first(parameters: Floats, pairs: Pairs) -> PairTerms:
    """Return the log of (alpha+t)^-(r+x) alpha^r (beta+t)^-s beta^s and its derivatives."""
    r, alpha, s, beta = (float(value) for value in parameters)
    x, t = pairs.first, pairs.second
    from_alpha, from_beta = np.log1p(t / alpha), np.log1p(t / beta)
    at_alpha, at_beta = 1.0 / (alpha + t), 1.0 / (beta + t)
    value = -r * from_alpha + x * np.log(at_alpha) - s * from_beta
    d_alpha, d_beta = t * at_alpha / alpha, t * at_beta / beta
    gradient = np.stack((-from_alpha, r * d_alpha - x * at_alpha, -from_beta, s * d_beta), axis=1)
    hessian = np.zeros((len(x), 4, 4))
    hessian[:, 0, 1] = hessian[:, 1, 0] = d_alpha
    hessian[:, 1, 1] = x * at_alpha**2 - r * d_alpha * (1.0 / alpha + at_alpha)
    hessian[:, 2, 3] = hessian[:, 3, 2] = d_beta
    hessian[:, 3, 3] = -s * d_beta * (1.0 / beta + at_beta)
    return PairTerms(value, gradient, hessian)


def _in_parameters(chance: StopFirst, at_alpha: Floats, at_beta: Floats) -> tuple[Floats, Floats]:
    """Return the gradient and Hessian of q in r, alpha, s, beta; ln k = ln (alpha+t)/(beta+t)."""
    q_m, q_s, q_k = chance.first.T
    q_mm, q_ss, q_kk, q_ms, q_mk, q_sk = chance.second.T
    gradient = np.stack((q_m, q_k * at_alpha, q_s, -q_k * at_beta), axis=1)
    hessian = np.empty((len(q_m), 4, 4))
    hessian[:, 0, 0], hessian[:, 2, 2] = q_mm, q_ss
    hessian[:, 1, 1] = (q_kk - q_k) * at_alpha**2
    hessian[:, 3, 3] = (q_kk + q_k) * at_beta**2
    for row, column, entry in (
        (0, 1, q_mk * at_alpha),
        (0, 2, q_ms),
        (0, 3, -q_mk * at_beta),
        (1, 2, q_sk * at_alpha),
        (1, 3, -q_kk * at_alpha * at_beta),
        (2, 3, -q_sk * at_beta),
    ):
        hessian[:, row, column] = hessian[:, column, row] = entry
    return gradient, hessian
