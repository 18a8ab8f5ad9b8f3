"""The numbers that tests/unit/scoring/models compares the models with, at 60 to 400 digits.

    PYTHON_WITH_MPMATH benchmarks/model_oracle.py > tests/unit/scoring/models/stress_mpmath.csv

mpmath is no dependency of this project: run it with any Python that has mpmath 1.3 or later. The
formulas are those of the papers, on purpose other ones than the models use. Points are drawn over
the whole range: parameters 1e-2 to 1e4, x to 5000, T and t to 3650 days; the first ones are rows on
which other packages gave NaN.
"""

# ruff: noqa: D103, N803, N806  (the names of the papers)

import sys
from random import Random

import mpmath as mp

POINTS = 220  # for each model
COLUMNS = "kind,p1,p2,p3,p4,x,t_x,T,t,log_likelihood,p_alive,expected_orders,p_no_order"
# The R package CLVTools gave NaN for these customers (x, t_x, T in weeks; its issue 100, where the
# times of the second stand in the wrong order). Parameters: those of the CDNOW sample.
KNOWN_NAN = [
    (221, 103.42857, 103.57143),
    (254, 97.28571, 97.42857),
    (161, 94.71429, 98.0),
    (204, 98.57143, 99.42857),
]
CDNOW = {
    "bg_nbd": (0.243, 4.414, 0.793, 2.426),
    "mbg_nbd": (0.525, 6.183, 0.891, 1.614),
    "pareto_nbd": (0.553, 10.578, 0.606, 11.669),
}


def bg_nbd(parameters, x, t_x, T, once):
    r, alpha, a, b = parameters
    k = x + 1 if once else x
    active = mp.beta(a, b + k) / mp.beta(a, b) * (alpha + T) ** -(r + x)
    stopped = mp.mpf(0)
    if k > 0:
        stopped = mp.beta(a + 1, b + k - 1) / mp.beta(a, b) * (alpha + t_x) ** -(r + x)
    of_orders = mp.gammaprod([r + x], [r]) * alpha**r
    return of_orders * active, of_orders * (active + stopped)


def bg_nbd_orders(parameters, x, t_x, T, t, once):
    r, alpha, a, b = parameters
    active, whole = bg_nbd(parameters, x, t_x, T, once)
    c = a + b + (x + 1 if once else x) - 1
    z = t / (alpha + T + t)
    hyper = mp.hyp2f1(a - 1, c - r - x, c, z)
    return active / whole * c / (a - 1) * (1 - (1 - z) ** (a - 1) * hyper)


def pareto_nbd(parameters, x, t_x, T):
    r, alpha, s, beta = parameters
    whole = r + s + x

    def part(t):
        # The formula of the paper after Euler's transformation, without which it takes hours.
        if alpha >= beta:
            z = (alpha - beta) / (alpha + t)
            return mp.hyp2f1(1, r + x, whole + 1, z) / (alpha + t) ** (r + x) / (beta + t) ** s
        z = (beta - alpha) / (beta + t)
        return (
            mp.hyp2f1(1, s + 1, whole + 1, z) / (alpha + t) ** (r + x - 1) / (beta + t) ** (s + 1)
        )

    of_orders = mp.gammaprod([r + x], [r]) * alpha**r * beta**s
    active = (alpha + T) ** -(r + x) * (beta + T) ** -s
    return of_orders * active, of_orders * (active + s / whole * (part(t_x) - part(T)))


def pareto_nbd_orders(parameters, x, t_x, T, t):
    r, alpha, s, beta = parameters
    active, whole = pareto_nbd(parameters, x, t_x, T)
    days = (beta + T) / (s - 1) * (1 - ((beta + T) / (beta + T + t)) ** (s - 1))
    return active / whole * (r + x) / (alpha + T) * days


def answers(kind, parameters, x, t_x, T, t):
    if kind == "pareto_nbd":
        active, whole = pareto_nbd(parameters, x, t_x, T)
        _, later = pareto_nbd(parameters, x, t_x, T + t)
        orders = pareto_nbd_orders(parameters, x, t_x, T, t)
    else:
        once = kind == "mbg_nbd"
        active, whole = bg_nbd(parameters, x, t_x, T, once)
        _, later = bg_nbd(parameters, x, t_x, T + t, once)
        orders = bg_nbd_orders(parameters, x, t_x, T, t, once)
    return mp.log(whole), active / whole, orders, later / whole


def stable_answers(kind, parameters, history, t):
    """Double the digits until two runs agree to 25."""
    numbers = [[mp.mpf(repr(v)) for v in values] for values in (parameters, (*history, t))]
    digits, before = 60, None
    while digits <= 4000:
        with mp.workdps(digits):
            now = answers(kind, numbers[0], *numbers[1])
        if before and all(
            abs(p - q) <= abs(q) * mp.mpf(10) ** -25 for p, q in zip(before, now, strict=True)
        ):
            return now
        digits, before = 2 * digits, now
    raise ArithmeticError(f"{kind} {parameters} {history} {t}")


def draw(draws):
    wide = draws.random() < 0.7
    low, high = (-2, 4) if wide else (-1, 1.5)
    parameters = tuple(float(f"{10 ** draws.uniform(low, high):.6g}") for _ in range(4))
    T = round(10 ** draws.uniform(0, 3.5623))
    x = 0 if draws.random() < 0.1 else round(10 ** draws.uniform(0, 3.69897))
    t_x = 0 if x == 0 else draws.choice([draws.randint(1, T), T])
    return parameters, (x, t_x, T), draws.choice([1, 7, 30, 90, 365, 1095, 3650])


def main():
    draws = Random(20)  # noqa: S311 - the same points each time
    print(COLUMNS)
    for kind in CDNOW:
        points = [(CDNOW[kind], history, 52) for history in KNOWN_NAN]
        points += [draw(draws) for _ in range(POINTS - len(points))]
        for parameters, history, t in points:
            try:
                given = stable_answers(kind, parameters, history, t)
            except (ArithmeticError, ValueError, mp.NoConvergence) as error:
                print(f"left out: {kind} {parameters} {history} {t}: {error}", file=sys.stderr)
                continue
            cells = [repr(v) for v in (*parameters, *history, t)] + [mp.nstr(v, 20) for v in given]
            print(kind, *cells, sep=",", flush=True)


if __name__ == "__main__":
    main()
