"""Do the models of orders find the truth, and do their standard errors tell how far they are off?

    .venv/bin/python benchmarks/model_recovery.py [DATA_SETS] [CUSTOMERS]

Each model is fitted to DATA_SETS (200) bases of CUSTOMERS (3,000) drawn from it in continuous time.
Told: searches that did not end, the share of 95 % intervals (on the log scale) with the truth in
them, and the mean and the largest distance in standard errors, for each parameter.
"""

import argparse

import numpy as np

from pipelines.scoring.models.order_model import fit_order_model

TRUTH = {
    "mbg_nbd": {"r": 0.55, "alpha": 16.0, "a": 0.55, "b": 3.0},
    "bg_nbd": {"r": 0.55, "alpha": 16.0, "a": 0.55, "b": 3.0},
    "pareto_nbd": {"r": 0.55, "alpha": 16.0, "s": 0.6, "beta": 80.0},
}


def simulate(kind: str, customers: int, seed: int) -> tuple[np.ndarray, ...]:
    """Draw each customer's orders one after the other, until a stop or today."""
    random, truth = np.random.default_rng(seed), TRUTH[kind]
    tenure = random.uniform(100.0, 1000.0, customers)
    rate = np.maximum(random.gamma(truth["r"], 1.0 / truth["alpha"], customers), 1e-300)
    x, t_x, now = np.zeros(customers), np.zeros(customers), np.zeros(customers)
    end, stops, active = tenure, None, np.arange(customers)
    if kind == "pareto_nbd":
        stop_rate = np.maximum(random.gamma(truth["s"], 1.0 / truth["beta"], customers), 1e-300)
        end = np.minimum(tenure, random.exponential(1.0, customers) / stop_rate)
    else:
        stops = random.beta(truth["a"], truth["b"], customers)
    if kind == "mbg_nbd":
        active = active[random.random(customers) > stops]
    while len(active):
        now[active] += random.exponential(1.0, len(active)) / rate[active]
        active = active[now[active] <= end[active]]
        x[active] += 1.0
        t_x[active] = now[active]
        if stops is not None:
            active = active[random.random(len(active)) > stops[active]]
    return x, t_x, tenure


def main() -> None:
    """Fit all data sets of all kinds and print a line for each parameter."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data_sets", nargs="?", type=int, default=200)
    parser.add_argument("customers", nargs="?", type=int, default=3_000)
    args = parser.parse_args()
    for kind, truth in TRUTH.items():
        fits = [
            fit_order_model(kind, *simulate(kind, args.customers, seed))
            for seed in range(args.data_sets)
        ]
        print(f"{kind}: {sum(not fit.converged for fit in fits)} searches did not end")
        found = np.array([list(fit.model.parameters.values()) for fit in fits])
        errors = np.array([fit.standard_errors for fit in fits]) / found
        distances = np.log(found / list(truth.values())) / errors
        for name, distance in zip(truth, distances.T, strict=True):
            inside = (np.abs(distance) < 1.96).mean()
            print(f"  {name:6} {inside:6.1%} {distance.mean():6.2f} {np.abs(distance).max():6.2f}")


if __name__ == "__main__":
    main()
