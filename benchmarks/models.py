"""The models side by side with lifetimes and pymc-marketing: processor seconds, memory, parameters.

    .venv/bin/python benchmarks/models.py [CUSTOMERS] [--lifetimes PYTHON] [--pymc PYTHON]

CUSTOMERS (a million by default) are drawn from a BG/NBD and Gamma-Gamma of known parameters:
r .55, alpha 2.25, a .55, b 3 (weeks), p 6.25, q 3.74, gamma 15.44, acquired over 130 of 156 weeks,
in whole days. PYTHON is the interpreter of an environment that has the package (of its own, as the
packages do not go together); without the option the package is left out. All get the same data, one
after the other, each in a process of its own with one BLAS thread. They fit the same models without
a prior (pymc-marketing: MAP with its own priors, compiled before by a fit of a thousand customers)
to histories in weeks. A step that takes more than --limit processor seconds is stopped.
Scoring is E[orders in 52 weeks], P(alive) and the value of 12 months discounted monthly. One table
has the processor seconds and how many times ours they are, one the parameters.

The warm night of ours (histories in days; MBG/NBD from last night's parameters, Gamma-Gamma and
seven columns of scores) is what ten million customers are measured with in benchmarks/night.py.
"""

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

TRUTH = {"r": 0.55, "alpha": 2.25, "a": 0.55, "b": 3.0}
SPEND = {"p": 6.25, "q": 3.74, "gamma": 15.44}
WEEKS, ACQUISITION_WEEKS = 156, 130
PARAMETERS = {
    "bg": ("r", "alpha", "a", "b"),
    "mbg": ("r", "alpha", "a", "b"),
    "pareto": ("r", "alpha", "s", "beta"),
    "gamma_gamma": ("p", "q", "gamma"),
}


def simulate(customers: int, folder: Path) -> None:
    """Write x, t_x, T (whole days) and the mean spend of repeat days, a million at a time."""
    parts = []
    for seed, start in enumerate(range(0, customers, 1_000_000)):
        parts.append(simulate_part(min(1_000_000, customers - start), seed))
    for name, columns in zip(("x", "t_x", "T", "spend"), zip(*parts, strict=True), strict=True):
        np.save(folder / f"{name}.npy", np.concatenate(columns))


def simulate_part(customers: int, seed: int) -> tuple[np.ndarray, ...]:
    """Draw each customer's orders one after the other; orders of one day are one."""
    random = np.random.default_rng(seed)
    first = random.uniform(0.0, ACQUISITION_WEEKS * 7.0, customers)
    rate = random.gamma(TRUTH["r"], 1.0 / TRUTH["alpha"], customers) / 7.0
    stops = random.beta(TRUTH["a"], TRUTH["b"], customers)
    x, last_day, now = np.zeros(customers), np.floor(first), first.copy()
    active = np.arange(customers)
    while len(active):
        with np.errstate(divide="ignore", over="ignore"):
            now[active] += random.exponential(1.0, len(active)) / rate[active]
        active = active[now[active] < WEEKS * 7.0]
        day = np.floor(now[active])
        x[active] += day > last_day[active]
        last_day[active] = day
        active = active[random.random(len(active)) > stops[active]]
    level = random.gamma(SPEND["q"], 1.0 / SPEND["gamma"], customers)
    many = np.maximum(x, 1.0)
    spend = np.where(x > 0, random.gamma(SPEND["p"] * many, 1.0 / (level * many)), np.nan)
    day_one = np.floor(first)
    return x, last_day - day_one, WEEKS * 7.0 - 1.0 - day_one, spend


def read(folder: Path) -> list[np.ndarray]:
    """Return x, t_x, T and spend."""
    return [np.load(folder / f"{name}.npy") for name in ("x", "t_x", "T", "spend")]


class OutOfTime(BaseException):
    """A step has taken more processor time than it may."""


def stop(*_: object) -> None:
    """Stop what is under way."""
    raise OutOfTime


class Stopwatch:
    """Processor seconds and results of named steps, printed as one line of JSON."""

    def __init__(self, limit: float) -> None:
        self.steps: dict[str, dict[str, Any]] = {}
        self.limit = limit
        signal.signal(signal.SIGPROF, stop)

    def run(self, name: str, work: Callable[[], object]) -> object:
        """Run the work and note its processor seconds (of all threads); None if it was stopped."""
        wall, cpu, result = time.perf_counter(), time.process_time(), None
        signal.setitimer(signal.ITIMER_PROF, self.limit)
        try:
            result = work()
        except OutOfTime:
            self.steps[name] = {"is_stopped": True}
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0.0)
        spent = {"cpu_s": time.process_time() - cpu, "wall_s": time.perf_counter() - wall}
        known = self.steps.setdefault(name, {})
        known.update({key: round(value, 3) for key, value in spent.items()})
        return result

    def note(self, name: str, **facts: object) -> None:
        """Add facts to a step."""
        self.steps[name].update(facts)

    def print(self) -> None:
        """Print all steps and the peak memory of the process."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(json.dumps({"steps": self.steps, "peak_gib": round(peak, 2)}))


def run_ours(folder: Path, watch: Stopwatch) -> None:
    """Fit and score with this project, cold; alpha and beta are told in weeks."""
    from pipelines.scoring.models.gamma_gamma import fit_gamma_gamma
    from pipelines.scoring.models.order_model import discounted_orders, fit_order_model

    x, t_x, tenure, spend = read(folder)
    fits = {}
    for step, kind in (("bg", "bg_nbd"), ("mbg", "mbg_nbd"), ("pareto", "pareto_nbd")):
        fits[step] = watch.run(
            step, lambda kind=kind: fit_order_model(kind, x, t_x, tenure, prior_sd=None)
        )
        parameters = fits[step].model.parameters.items()
        in_weeks = [v / 7.0 if name in ("alpha", "beta") else v for name, v in parameters]
        watch.note(step, parameters=in_weeks, iterations=fits[step].iterations)
    margins = watch.run("gamma_gamma", lambda: fit_gamma_gamma(x, spend, prior_sd=None))
    fitted = margins.parameters
    watch.note("gamma_gamma", parameters=[fitted.p, fitted.q, fitted.gamma])

    def score() -> list[np.ndarray]:
        model = fits["bg"].model
        year = model.expected_orders(364.0, x, t_x, tenure)
        alive = model.p_alive(x, t_x, tenure)
        worth = discounted_orders(model, 360.0, 0.127, x, t_x, tenure)
        return [year, alive, worth * margins.expected_spend(x, spend)]

    watch.run("score", score)
    watch.print()


def run_lifetimes(folder: Path, watch: Stopwatch) -> None:
    """Fit and score with lifetimes."""
    import warnings

    warnings.simplefilter("ignore")
    from lifetimes import BetaGeoFitter, GammaGammaFitter, ModifiedBetaGeoFitter, ParetoNBDFitter
    from pandas import Series

    x, t_x, tenure, spend = (Series(column) for column in read(folder))
    t_x, tenure = t_x / 7.0, tenure / 7.0
    fitters = {"bg": BetaGeoFitter, "mbg": ModifiedBetaGeoFitter, "pareto": ParetoNBDFitter}
    fitted = {}
    for step, fitter in fitters.items():
        fitted[step] = watch.run(step, lambda fitter=fitter: fitter().fit(x, t_x, tenure))
        if fitted[step] is not None:
            watch.note(step, parameters=[float(value) for value in fitted[step].params_])
    repeat = x > 0
    margins = watch.run("gamma_gamma", lambda: GammaGammaFitter().fit(x[repeat], spend[repeat]))
    watch.note("gamma_gamma", parameters=[float(value) for value in margins.params_])
    model, spend = fitted["bg"], spend.fillna(0.0)

    def score() -> None:
        model.conditional_expected_number_of_purchases_up_to_time(52.0, x, t_x, tenure)
        model.conditional_probability_alive(x, t_x, tenure)
        margins.customer_lifetime_value(model, x, t_x, tenure, spend, time=12, freq="W")

    watch.run("score", score)
    watch.print()


def run_pymc(folder: Path, watch: Stopwatch) -> None:
    """Fit (MAP) and score with pymc-marketing."""
    import logging
    import warnings

    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    import pandas as pd
    from pymc_marketing import clv

    x, t_x, tenure, spend = read(folder)
    data = pd.DataFrame(
        {"customer_id": np.arange(len(x)), "frequency": x, "recency": t_x / 7.0, "T": tenure / 7.0}
    )
    data["monetary_value"] = np.nan_to_num(spend)
    repeat = data[data["frequency"] > 0]
    fitted = {}
    for step, model, rows in (
        ("bg", clv.BetaGeoModel, data),
        ("mbg", clv.ModifiedBetaGeoModel, data),
        ("pareto", clv.ParetoNBDModel, data),
        ("gamma_gamma", clv.GammaGammaModel, repeat),
    ):
        model(data=rows.head(1_000)).fit(method="map", progressbar=False)
        fitted[step] = model(data=rows)
        found = watch.run(step, lambda step=step: fitted[step].fit(method="map", progressbar=False))
        if found is not None:
            told = fitted[step].fit_result
            names = ("p", "q", "v") if step == "gamma_gamma" else PARAMETERS[step]
            watch.note(step, parameters=[told[name].item() for name in names])

    def score() -> None:
        fitted["bg"].expected_purchases(data, future_t=52.0)
        fitted["bg"].expected_probability_alive(data)
        fitted["gamma_gamma"].expected_customer_lifetime_value(
            fitted["bg"], data, future_t=12, discount_rate=0.01, time_unit="W"
        )

    watch.run("score", score)
    watch.print()


PACKAGES = {"ours": run_ours, "lifetimes": run_lifetimes, "pymc": run_pymc}


def measure(package: str, python: str, folder: Path, limit: float) -> dict[str, Any]:
    """Run one package in a process of its own and return what it printed."""
    surroundings = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"), "1")
    if package == "ours":
        surroundings["PYTHONPATH"] = str(Path(__file__).resolve().parents[1])
    asked = ["--package", package, "--folder", str(folder), "--limit", str(limit)]
    done = subprocess.run(
        [python, __file__, *asked],
        env={**os.environ, **surroundings},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def print_tables(results: dict[str, dict[str, Any]]) -> None:
    """Print processor seconds with how many times ours they are, memory, and the parameters."""
    steps = [*PARAMETERS, "score"]
    print("\n| processor seconds |" + "".join(f" {name} |" for name in results))
    print("|---|" + "---|" * len(results))
    for step in steps:
        ours = results["ours"]["steps"][step]["cpu_s"]
        print(f"| {step} |" + "".join(_cost(r["steps"].get(step), ours) for r in results.values()))
    print("| peak GiB |" + "".join(f" {result['peak_gib']} |" for result in results.values()))
    print("\n| parameters |" + "".join(f" {name} |" for name in results))
    print("|---|" + "---|" * len(results))
    for step, names in PARAMETERS.items():
        told = [result["steps"].get(step, {}).get("parameters") for result in results.values()]
        row = [" ".join(f"{value:.5g}" for value in found) if found else "-" for found in told]
        print(f"| {step}: {' '.join(names)} | " + " | ".join(row) + " |")


def _cost(step: dict[str, Any] | None, ours: float) -> str:
    if step is None:
        return " - |"
    more = "> " if step.get("is_stopped") else ""
    return f" {more}{step['cpu_s']:.2f} ({more}{step['cpu_s'] / max(ours, 0.001):.1f}x) |"


def main() -> None:
    """Simulate, run each package, print one table of costs and one of parameters."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("customers", nargs="?", type=int, default=1_000_000)
    parser.add_argument("--lifetimes", metavar="PYTHON")
    parser.add_argument("--pymc", metavar="PYTHON")
    parser.add_argument("--limit", type=float, default=600.0, help="processor seconds of a step")
    parser.add_argument("--package", choices=PACKAGES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.package:
        PACKAGES[args.package](args.folder, Stopwatch(args.limit))
        return
    pythons = {"ours": sys.executable}
    pythons |= {name: path for name in ("lifetimes", "pymc") if (path := getattr(args, name))}
    with tempfile.TemporaryDirectory() as name:
        simulate(args.customers, Path(name))
        results = {}
        for package, python in pythons.items():
            results[package] = measure(package, python, Path(name), args.limit)
            print(package, json.dumps(results[package]), flush=True)
    print_tables(results)


if __name__ == "__main__":
    main()
