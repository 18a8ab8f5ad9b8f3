"""The BG/NBD log-likelihood of a whole customer base, with exact first and second derivatives.

Fader, Hardie and Lee (2005), equation 6, summed. Only one logarithm per repeat customer depends on
x, t_x and T together; every other term needs the number of customers at each x or each T. So the
costly gamma functions run some hundred times for any number of customers.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import betaln, expit, gammaln, polygamma, psi

from pipelines.scoring.newton import Evaluation, Floats

# Rows handled at once: small enough for the processor's cache, so memory stays flat.
CHUNK_ROWS = 32_768


@dataclass(frozen=True)
class CustomerBase:
    """All the likelihood needs: most terms depend on x or T alone, so their counts suffice."""

    x: Floats
    customers_of_x: Floats
    tenure: Floats
    customers_of_tenure: Floats
    orders_of_tenure: Floats
    repeat_orders: Floats
    repeat_last: Floats
    repeat_tenure: Floats


def group_customers(orders: Floats, last: Floats, tenure: Floats) -> CustomerBase:
    """Return the counts and the repeat customers' rows of a customer base (x, t_x, T)."""
    counts, customers_of_x = np.unique(orders, return_counts=True)
    tenures, tenure_of = np.unique(tenure, return_inverse=True)
    repeat = orders > 0
    return CustomerBase(
        x=counts,
        customers_of_x=customers_of_x.astype(np.float64),
        tenure=tenures,
        customers_of_tenure=np.bincount(tenure_of).astype(np.float64),
        orders_of_tenure=np.bincount(tenure_of, weights=orders).astype(np.float64),
        repeat_orders=orders[repeat],
        repeat_last=last[repeat],
        repeat_tenure=tenure[repeat],
    )


def likelihood_in_logs(base: CustomerBase, log_parameters: Floats) -> Evaluation:
    """Return the total log-likelihood, gradient and Hessian in the logs of the parameters."""
    r, alpha, a, b = (float(value) for value in np.exp(log_parameters))
    parts = (
        _terms_of_x(base, r, a, b),
        _terms_of_tenure(base, r, alpha),
        _terms_of_stopping(base, r, alpha, a, b),
    )
    scale = np.array([r, alpha, a, b])
    gradient = scale * sum(part[1] for part in parts)
    hessian = np.outer(scale, scale) * sum(part[2] for part in parts) + np.diag(gradient)
    return sum(part[0] for part in parts), gradient, hessian


def _terms_of_x(base: CustomerBase, r: float, a: float, b: float) -> Evaluation:
    """Sum ln G(r+x) - ln G(r) + ln B(a, b+x) - ln B(a, b) over customers."""
    x, n = base.x, base.customers_of_x
    value = gammaln(r + x) - gammaln(r) + betaln(a, b + x) - betaln(a, b)
    d_r = psi(r + x) - psi(r)
    d_a = psi(a + b) - psi(a + b + x)
    d_b = d_a + psi(b + x) - psi(b)
    d_rr = polygamma(1, r + x) - polygamma(1, r)
    d_ab = polygamma(1, a + b) - polygamma(1, a + b + x)
    d_bb = d_ab + polygamma(1, b + x) - polygamma(1, b)
    rr, ab, bb = (float((n * second).sum()) for second in (d_rr, d_ab, d_bb))
    gradient = np.array([(n * d_r).sum(), 0.0, (n * d_a).sum(), (n * d_b).sum()])
    hessian = np.array([[rr, 0, 0, 0], [0, 0, 0, 0], [0, 0, ab, ab], [0, 0, ab, bb]])
    return float((n * value).sum()), gradient, hessian


def _terms_of_tenure(base: CustomerBase, r: float, alpha: float) -> Evaluation:
    """Sum r ln alpha - (r+x) ln(alpha+T) over customers."""
    n, reach = base.customers_of_tenure, alpha + base.tenure
    shapes = r * n + base.orders_of_tenure
    value = float((n * r * np.log(alpha) - shapes * np.log(reach)).sum())
    d_r = float((n * (np.log(alpha) - np.log(reach))).sum())
    d_alpha = float((n * r / alpha - shapes / reach).sum())
    d_r_alpha = float((n / alpha - n / reach).sum())
    d_alpha_alpha = float((shapes / reach**2 - n * r / alpha**2).sum())
    gradient, hessian = np.array([d_r, d_alpha, 0.0, 0.0]), np.zeros((4, 4))
    hessian[:2, :2] = [[0.0, d_r_alpha], [d_r_alpha, d_alpha_alpha]]
    return value, gradient, hessian


def _terms_of_stopping(
    base: CustomerBase, r: float, alpha: float, a: float, b: float
) -> Evaluation:
    """Sum ln(1 + odds of having stopped) over customers with a repeat order."""
    value, gradient, hessian = 0.0, np.zeros(4), np.zeros((4, 4))
    for start in range(0, len(base.repeat_orders), CHUNK_ROWS):
        rows = slice(start, start + CHUNK_ROWS)
        shape, after_first = r + base.repeat_orders[rows], b + base.repeat_orders[rows] - 1.0
        at_last = 1.0 / (alpha + base.repeat_last[rows])
        at_end = 1.0 / (alpha + base.repeat_tenure[rows])
        silence = base.repeat_tenure[rows] - base.repeat_last[rows]
        gap, narrowing = np.log1p(silence * at_last), silence * at_last * at_end
        log_odds = np.log(a / after_first) + shape * gap
        stopped = expit(log_odds)
        slopes = np.stack((gap, -shape * narrowing, np.full_like(gap, 1.0 / a), -1.0 / after_first))
        value += float(np.logaddexp(0.0, log_odds).sum())
        gradient += (slopes * stopped).sum(axis=1)
        # einsum, not @: the threads of a BLAS library would make sums depend on the machine.
        hessian += np.einsum("in,jn->ij", slopes * (stopped * (1.0 - stopped)), slopes)
        bend = float((stopped * shape * narrowing * (at_last + at_end)).sum())
        cross = float((stopped * narrowing).sum())
        hessian += np.diag(
            [0.0, bend, -float(stopped.sum()) / a**2, float((stopped / after_first**2).sum())]
        )
        hessian[0, 1] -= cross
        hessian[1, 0] -= cross
    return value, gradient, hessian
