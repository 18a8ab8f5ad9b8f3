"""The one difficult function of the Pareto/NBD model: who stops before the next order?

An active customer's order rate is Gamma(m, A), the stopping rate Gamma(s, B). The chance q that
the stop comes first is the mean of stop / (order + stop). The papers write the same number with
Gauss's hypergeometric function, in two cases, and lose it for frequent buyers.

Here p = B stop / (A order + B stop) is Beta(s, m), so q is the mean of k p / (1 - p + k p) with
k = A / B. Over logit p that is a beta density times a logistic curve: smooth on the whole line, so
a sum in equal steps converges exponentially. The steps depend on m and s only, never on k: for all
customers with the same m they are shared, and each costs one division.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import betaln, psi, zeta

from pipelines.scoring.models.newton import Floats

# The sum stops where the integrand has fallen by so many nats, and steps are so short that what is
# lost between them is as small: 1e-15 of the result.
NATS = 36.0
# Rows and steps handled at once: small enough for the processor's cache.
CELLS = 2**16
# Above it, 1 - q is not taken from q, which would lose digits.
LARGEST_Q = 0.9
# Below it, the right tail of the density is so long that the mean of p is taken out of the sum.
SMALLEST_M = 0.05


@dataclass(frozen=True)
class StopFirst:
    """q, 1 - q, and the derivatives of q in m, s and ln k (first) and their pairs (second).

    The columns of `first` are m, s, ln k; those of `second` m m, s s, k k, m s, m k, s k.
    """

    q: Floats
    complement: Floats
    first: Floats
    second: Floats


def p_stop_first(m: Floats, s: float, ratio: Floats) -> tuple[Floats, Floats]:
    """Return q and 1 - q, both with all their digits.

    Args:
        m: Shapes of the order rates, one per row; rows of equal m are done together.
        s: Shape of the stopping rate.
        ratio: A / B of each row.
    """
    q, complement = np.empty_like(ratio), np.empty_like(ratio)
    for shape, rows in _rows_of_equal(m):
        q[rows] = _sum_steps(shape, s, ratio[rows], derivatives=False)[:, 0]
        complement[rows] = _complement(shape, s, ratio[rows], q[rows])
    return q, complement


def stop_first_with_derivatives(m: Floats, s: float, ratio: Floats) -> StopFirst:
    """Return q, 1 - q and all first and second derivatives of q; arguments as `p_stop_first`."""
    sums, complement = np.empty((len(ratio), 10)), np.empty_like(ratio)
    for shape, rows in _rows_of_equal(m):
        sums[rows] = _sum_steps(shape, s, ratio[rows], derivatives=True)
        complement[rows] = _complement(shape, s, ratio[rows], sums[rows, 0])
    return StopFirst(sums[:, 0], complement, sums[:, 1:4], sums[:, 4:])


def _rows_of_equal(m: Floats) -> list[tuple[float, np.ndarray[tuple[int], np.dtype[np.int64]]]]:
    order = np.argsort(m, kind="stable")
    shapes, starts = np.unique(m[order], return_index=True)
    groups = np.split(order, starts[1:])
    return [(float(shape), rows) for shape, rows in zip(shapes, groups, strict=True)]


def _complement(m: float, s: float, ratio: Floats, q: Floats) -> Floats:
    complement = 1.0 - q
    small = q > LARGEST_Q
    if small.any():
        # Whoever does not stop first orders first: the same sum with the two rates exchanged.
        complement[small] = _sum_steps(s, m, 1.0 / ratio[small], derivatives=False)[:, 0]
    return complement


def _sum_steps(m: float, s: float, ratio: Floats, *, derivatives: bool) -> Floats:
    """Return one row per ratio: q, or q and its derivatives in the order of `StopFirst`."""
    less_p = m < SMALLEST_M
    low, high = _range(m + less_p, s + less_p, float(ratio.min()), float(ratio.max()))
    steps = int(np.ceil((high - low) / _longest_step(m, s)))
    logit = np.linspace(low, high, steps + 1)
    log_p, log_rest = -np.logaddexp(0.0, -logit), -np.logaddexp(0.0, logit)
    weight = (logit[1] - logit[0]) * np.exp(s * log_p + m * log_rest - betaln(s, m))
    odds = np.exp(np.clip(logit, -690.0, 690.0))
    mean_p, taken_out = (_mean_p(m, s), odds / (1.0 + odds)) if less_p else (np.zeros(6), 0.0)
    weights = [weight]
    if derivatives:
        d_m, d_s = log_rest + psi(m + s) - psi(m), log_p + psi(m + s) - psi(s)
        both = zeta(2.0, m + s)
        second = (d_m**2 + both - zeta(2.0, m), d_s**2 + both - zeta(2.0, s), d_m * d_s + both)
        weights += [weight * slope for slope in (d_m, d_s, *second)]
    table = np.stack(weights)
    parts = []
    chunk = max(CELLS // len(logit), 1)
    for start in range(0, len(ratio), chunk):
        scaled = ratio[start : start + chunk, None] * odds
        rest = 1.0 / (1.0 + scaled)
        stop = scaled * rest
        # einsum, not @: the threads of a BLAS library would make sums depend on the machine.
        of_q = np.einsum("ij,kj->ik", stop - taken_out, table) + mean_p[: len(table)]
        if not derivatives:
            parts.append(of_q)
            continue
        slope = stop * rest
        of_slope = np.einsum("ij,kj->ik", slope, table[:3])
        of_bend = np.einsum("ij,j->i", slope * (rest - stop), weight)
        q, q_m, q_s, q_mm, q_ss, q_ms = of_q.T
        q_k, q_mk, q_sk = of_slope.T
        parts.append(np.stack((q, q_m, q_s, q_k, q_mm, q_ss, of_bend, q_ms, q_mk, q_sk), axis=1))
    return np.concatenate(parts)


def _mean_p(m: float, s: float) -> Floats:
    """Return the mean of p, its derivatives in m and s, and those of second order (mm, ss, ms)."""
    both = m + s
    first = (-s / both**2, m / both**2)
    return np.array([s / both, *first, 2 * s / both**3, -2 * m / both**3, (s - m) / both**3])


def _range(m: float, s: float, smallest: float, largest: float) -> tuple[float, float]:
    """Return the bounds of logit p outside which the integrand is negligible for all ratios.

    The density falls at rate s to the left and m to the right; the logistic curve adds 1 to the
    left rate below -ln k, and takes 1 from the right rate up to there. (Less p, both rates are 1
    higher all over; the caller has added it.)
    """
    turn_first, turn_last = -np.log(largest), -np.log(smallest)
    low = max(
        np.log(s / m) - _fall(s, m),
        min(np.log((s + 1.0) / m), turn_first) - _fall(s + 1.0, m),
    )
    high = max(np.log((s + 1.0) / m), turn_last) + _fall(m, s + 1.0)
    if m > 1.0:
        high = min(high, np.log((s + 1.0) / (m - 1.0)) + _fall(m - 1.0, s + 1.0))
    return float(low), float(high)


def _fall(near: float, far: float) -> float:
    """Return how far from its peak the log of a beta density over logit p has fallen by NATS."""
    return float(NATS / near + np.sqrt(2.0 * NATS * (1.0 / near + 1.0 / far)))


def _longest_step(m: float, s: float) -> float:
    """Return the step at which the sum is as good as the integral.

    What is lost is the Fourier transform of the integrand at w = 2 pi / step. For the density
    that is G(s+iw) G(m-iw) / (G(s) G(m)), of size below exp(-f(s) - f(m)) with
    f(c) = w atan(w/c) - c/2 ln(1 + w^2/c^2), and exp(-pi w) for the logistic curve. f is convex:
    from the right, Newton's steps never pass the root.
    """
    left = s + 1.0
    spread = np.sqrt(1.0 / left + 1.0 / m)
    w = 2.0 * NATS / np.pi + 2.0 * np.sqrt(2.0 * NATS) / spread
    for _ in range(6):
        slopes = np.arctan(w / left) + np.arctan(w / m)
        bends = left * np.log1p((w / left) ** 2) + m * np.log1p((w / m) ** 2)
        w -= (w * slopes - 0.5 * bends - NATS) / slopes
    return float(2.0 * np.pi / max(w, NATS / np.pi))
