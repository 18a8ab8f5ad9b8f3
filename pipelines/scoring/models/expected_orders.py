"""The one difficult function of the BG/NBD model: expected orders of a customer who is active.

Fader, Hardie and Lee (2005), equation 10, write it with Gauss's hypergeometric function. In that
form it overflows for frequent buyers, divides by zero at a = 1 and loses all digits near it. So
the formula is used (after Euler's transformation) only where it was checked to be right, and an
integral with the same value everywhere else.
"""

import numpy as np
from scipy.special import betaln, hyp2f1

from pipelines.scoring.models.newton import Floats

# The range in which the formula agrees with the integral to 1e-9 (absolute plus relative).
FORMULA_LARGEST_SHARE = 0.9
FORMULA_LARGEST_A = 20.0
FORMULA_LARGEST_DIFFERENCE = 1000.0
FORMULA_SMALLEST_DISTANCE = 1e-3
FORMULA_SMALLEST_C = 0.01

# The integrand is cut where it has fallen to e^-30 of its peak; 256 nodes give 1e-10.
CUT_NATS = 30.0
NODES = 256


def orders_while_active(tau: Floats, shape: Floats, a: float, beta_b: Floats) -> Floats:
    """Return the expected number of orders in the next t days, given that the customer is active.

    Args:
        tau: t / (alpha + T), one per customer, not negative.
        shape: r + x: the order rate is gamma distributed with this shape.
        a: The stopping probability is beta distributed with a and beta_b.
        beta_b: b plus the chances to stop that the customer has let pass.
    """
    share = tau / (1.0 + tau)
    formula = (
        (share < FORMULA_LARGEST_SHARE)
        & (a + beta_b - 1.0 > FORMULA_SMALLEST_C)
        & (abs(a - 1.0) > FORMULA_SMALLEST_DISTANCE)
        & (a < FORMULA_LARGEST_A)
        & (abs(shape - beta_b) < FORMULA_LARGEST_DIFFERENCE)
    )
    orders = np.empty_like(tau)
    orders[formula] = _by_formula(share[formula], shape[formula], a, beta_b[formula])
    orders[~formula] = by_integral(tau[~formula], shape[~formula], a, beta_b[~formula])
    return orders


def _by_formula(share: Floats, shape: Floats, a: float, beta_b: Floats) -> Floats:
    c = a + beta_b - 1.0
    series = np.log(hyp2f1(a - 1.0, c - shape, c, share))
    orders: Floats = -c / (a - 1.0) * np.expm1((a - 1.0) * np.log1p(-share) + series)
    return orders


def by_integral(tau: Floats, shape: Floats, a: float, beta_b: Floats) -> Floats:
    """Return the same number as a mean over the stopping probability p ~ Beta(a, beta_b).

    A customer with stopping probability p is expected to order g(p) = (1 - (1 + p tau)^-shape) / p
    times. g falls from g(0) = shape tau to g(1) and is convex, so what is integrated is only its
    distance from g(1), or for small a from the straight line between the ends: never negative, and
    zero where the beta density may be infinite. The sum runs in equal steps of logit p, where the
    integrand is smooth on the whole line and such a sum converges exponentially.
    """
    at_0 = shape * tau
    at_1 = -np.expm1(-shape * np.log1p(tau))
    from_line = a < 0.5
    low, high = _logit_range(tau, shape, a, beta_b, from_line)
    step = (high - low) / NODES
    log_norm = betaln(a, beta_b)
    total = np.zeros_like(tau)
    for node in range(NODES + 1):
        logit = low + node * step
        log_p, log_q = -np.logaddexp(0.0, -logit), -np.logaddexp(0.0, logit)
        p = np.exp(log_p)
        expected = -np.expm1(-shape * np.log1p(p * tau)) / p
        line = at_0 * np.exp(log_q) + at_1 * p
        distance = line - expected if from_line else expected - at_1
        total += np.exp(a * log_p + beta_b * log_q - log_norm) * distance
    if from_line:
        return (at_0 * beta_b + at_1 * a) / (a + beta_b) - total * step
    return at_1 + total * step


def _logit_range(
    tau: Floats, shape: Floats, a: float, beta_b: Floats, from_line: bool
) -> tuple[Floats, Floats]:
    """Return bounds outside which the integrand is negligible.

    The log of a beta density over logit p falls by n nats within n / a + sqrt(2 n (1/a + 1/b)) left
    of its peak, and likewise to the right. The distance multiplied with it adds one to b (it
    vanishes at p = 1), one to a if it vanishes at p = 0 too, and otherwise takes up to one from a,
    but only where p (r+x) tau > 1.
    """
    left, right = (a + 1.0 if from_line else a), beta_b + 1.0
    peak = np.log((a + 1.0) / right)
    high = peak + _fall(right, left)
    low = np.minimum(peak, -np.log1p((shape + 1.0) * tau)) - _fall(left, right)
    if a > 1.0:
        low = np.maximum(low, np.log((a - 1.0) / right) - _fall(a - 1.0, right))
    return low, high


def _fall(near: float | Floats, far: float | Floats) -> Floats:
    spread = np.sqrt(2.0 * CUT_NATS * (1.0 / near + 1.0 / far))
    return np.asarray(CUT_NATS / near + spread, dtype=np.float64)
