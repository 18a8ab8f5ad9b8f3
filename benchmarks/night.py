"""A night of many customers in one process: state of orders, warm fits and scores against a scan.

    .venv/bin/python benchmarks/night.py [CUSTOMERS] [--root FOLDER]

CUSTOMERS (ten million by default) are drawn as in benchmarks/models.py. Their orders stand in a
file in the order of time, their order days in files in the order of customers, as the night's SQL
writes them; last night's state is made first, in a process of its own, of days that lack the last
one, and of which one in twenty thousand came late and one in twenty thousand was corrected. Then
one process scans the orders (their sums), brings the state up to date and writes it, fits MBG/NBD
and Gamma-Gamma from parameters of a hundredth less customers, and computes and writes, part by
part, every column that a night publishes from these models. Each step's processor seconds, and the
peak memory: of scan and state, then of the rest.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from models import ACQUISITION_WEEKS, SPEND, TRUTH, WEEKS

from pipelines.rules import find_rules, load_rules
from pipelines.scoring.churn.scores import CHUNK_ROWS
from pipelines.scoring.columns import tell_value, tell_windows
from pipelines.scoring.models.gamma_gamma import GammaGamma, fit_gamma_gamma
from pipelines.scoring.models.order_model import build_order_model, fit_order_model
from pipelines.scoring.order_state import AGES, read_aggregates, update_state
from pipelines.scoring.past.candidates import order_candidates, value_candidates
from pipelines.scoring.past.days import Day, fit_margins
from pipelines.scoring.past.order_models import histories_of, mean_margins_of
from pipelines.scoring.totals import ChosenTotal

KIND = "mbg_nbd"
FIRST = date(2023, 7, 1)
NIGHT = FIRST + timedelta(days=WEEKS * 7 - 1)
PART = 1_000_000


def make_files(root: Path, customers: int) -> None:
    """Write all parts."""
    for name in ("orders", "days"):
        (root / name).mkdir()
    for part, start in enumerate(range(0, customers, PART)):
        make_part(root, part, min(PART, customers - start))


def make_part(root: Path, part: int, customers: int) -> None:
    """Write the orders and order days of customers whose ids begin alike, so that parts follow."""
    random = np.random.default_rng(part)
    now = random.uniform(0.0, ACQUISITION_WEEKS * 7.0, customers)
    rate = random.gamma(TRUTH["r"], 1.0 / TRUTH["alpha"], customers) / 7.0
    stops = random.beta(TRUTH["a"], TRUTH["b"], customers)
    level = SPEND["gamma"] / random.gamma(SPEND["q"], 1.0, customers)
    active, found = np.arange(customers), []
    while len(active):
        found.append((active.copy(), now[active].astype(np.int32)))
        if len(found) > 1:
            active = active[random.random(len(active)) > stops[active]]
        with np.errstate(divide="ignore", over="ignore"):
            now[active] += random.exponential(1.0, len(active)) / rate[active]
        active = active[now[active] < WEEKS * 7.0]
    who, day = (np.concatenate(parts) for parts in zip(*found, strict=True))
    ids = np.sort(random.choice(2**40, customers, replace=False))
    names = pl.Series(ids).map_elements(lambda i: f"c{part:03d}{i:011x}", return_dtype=pl.String)
    orders = pl.DataFrame(
        {
            "customer": who,
            "ordered_on": pl.Series(day).cast(pl.Int32),
            "margin_amount": random.gamma(SPEND["p"], 1.0, len(who)) * level[who],
        }
    ).with_columns(
        customer_id=names.gather(who),
        ordered_on=pl.lit(FIRST) + pl.duration(days="ordered_on"),
        margin_amount=pl.col("margin_amount").round(2).cast(pl.Decimal(18, 4)),
    )
    timed = orders.sort("ordered_on", maintain_order=True).with_row_index("order_id", part << 26)
    timed.drop("customer").write_parquet(root / "orders" / f"{part:03d}.parquet")
    orders.group_by("customer_id", "ordered_on").agg(
        is_order=pl.lit(value=True),
        is_discounted=pl.lit(value=False),
        margin_amount=pl.col("margin_amount").sum().cast(pl.Decimal(18, 4)),
    ).sort("customer_id", "ordered_on").write_parquet(root / "days" / f"{part:03d}.parquet")


def make_state(root: Path, _: int) -> None:
    """Write last night's state."""
    days = pl.scan_parquet(root / "days" / "*.parquet")
    lot = pl.struct("customer_id", "ordered_on").hash() % 20_000
    margin = pl.when(lot == 1).then(pl.col("margin_amount") + 1).otherwise("margin_amount")
    known = days.filter(lot != 0).with_columns(margin_amount=margin.cast(pl.Decimal(18, 4)))
    state = update_state(None, known, NIGHT - timedelta(days=1))
    state.write_parquet(root / "before.parquet", compression="zstd")


class Watch:
    """Processor seconds and seconds of named steps."""

    def __init__(self) -> None:
        self.cpu: dict[str, float] = {}
        self.wall: dict[str, float] = {}

    def add(self, name: str, work: Callable[[], Any]) -> Any:
        """Run the work, and add what it cost."""
        cpu, wall = time.process_time(), time.perf_counter()
        result = work()
        self.cpu[name] = self.cpu.get(name, 0.0) + time.process_time() - cpu
        self.wall[name] = self.wall.get(name, 0.0) + time.perf_counter() - wall
        return result

    def run(self, name: str, work: Callable[[], Any]) -> Any:
        """Run the work, tell what it cost."""
        result = self.add(name, work)
        self.tell(name)
        return result

    def tell(self, name: str) -> None:
        """Print what a step has cost."""
        cost = f"{self.cpu[name]:7.2f} CPU s {self.wall[name]:7.2f} s"
        print(f"{name:12s} {cost} {peak_gib():5.2f} GiB", flush=True)


def peak_gib() -> float:
    """Peak memory of this process since it was forgotten."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 2**20


def forget_peak() -> None:
    """Let the peak memory begin anew."""
    Path("/proc/self/clear_refs").write_text("5")


def run_night(root: Path, _: int) -> None:
    """Do a night's work in this process."""
    watch, rules = Watch(), load_rules(find_rules(None))
    orders = pl.scan_parquet(root / "orders" / "*.parquet")
    sums = orders.select(
        pl.col("order_id").max(), pl.col("customer_id").max(),
        pl.col("ordered_on").max(), pl.col("margin_amount").sum(),
    )  # fmt: skip
    watch.run("scan", lambda: sums.collect(engine="streaming"))
    before, days = root / "before.parquet", pl.scan_parquet(root / "days" / "*.parquet")

    def update() -> None:
        state = update_state(pl.scan_parquet(before), days, NIGHT)
        state.write_parquet(root / "state.parquet", compression="zstd")

    watch.run("state", update)
    forget_peak()
    aggregates = read_needed(root / "state.parquet")
    last = json.loads((root / "last_night.json").read_text())
    start = build_order_model(KIND, last["orders"])
    orders_fit = watch.run(
        "fit orders", lambda: fit_order_model(KIND, *histories_of(aggregates), start=start)
    )
    margins = watch.run(
        "fit margins", lambda: fit_margins(aggregates, rules.scores, GammaGamma(**last["margins"]))
    )
    model, horizon = orders_fit.model, rules.scores.horizon_days
    today = Day(NIGHT, aggregates, aggregates, {KIND: model}, margins, {NIGHT: 1.0})
    counts, value = (
        ChosenTotal(KIND, candidates([KIND], horizon)[KIND], 1.0, horizon)
        for candidates in (order_candidates, value_candidates)
    )
    rate = rules.scores.discount_rate
    (root / "scores").mkdir(exist_ok=True)

    def score(part: Day, path: Path) -> None:
        told = watch.add("value", lambda: tell_value(part, model, counts, value, rate))
        risk = watch.add("risk", lambda: model.p_no_order(horizon, *part.histories))
        windows = watch.add(
            "windows", lambda: tell_windows(part, model, risk, horizon, rules.next_order)
        )
        columns = pl.concat([told, windows.drop("customer_id")], how="horizontal")
        watch.add("write", lambda: columns.write_parquet(path, compression="zstd"))

    for place, part in enumerate(today.parts(CHUNK_ROWS)):
        score(part, root / "scores" / f"{place:03d}.parquet")
    for name in ("value", "risk", "windows", "write"):
        watch.tell(name)
    models = sum(watch.cpu[name] for name in ("fit orders", "fit margins", "value", "risk"))
    windows = models + watch.cpu["windows"]
    print(f"fits and value {models:.1f} CPU s, with windows {windows:.1f} CPU s, ", end="")
    print(f"{peak_gib():.2f} GiB at most; with state {models + watch.cpu['state']:.1f} CPU s")
    for told, cost in (("", models), (", with windows", windows)):
        ratio = (cost + watch.cpu["state"]) / watch.cpu["scan"]
        print(f"state, fits and value{told} = {ratio:.1f} x scan of the orders")


def read_needed(state: Path) -> pl.DataFrame:
    """Return the columns of tonight's state that the models of orders and margins read."""
    amounts = ("margin_amount", "margin_first_amount")
    ages = {
        name: (pl.lit(NIGHT) - pl.col(day)).dt.total_days().cast(pl.Int32)
        for name, day in AGES.items()
    }
    needed = pl.scan_parquet(state).select("customer_id", "order_day_count", *amounts, **ages)
    return needed.collect()


def fit_before(root: Path, _: int) -> None:
    """Write the parameters of last night: of a hundredth less customers."""
    aggregates = read_aggregates(pl.read_parquet(root / "before.parquet"), NIGHT)
    some = aggregates.head(aggregates.height * 99 // 100)
    x, t_x, tenure = histories_of(some)
    found = {
        "orders": fit_order_model("mbg_nbd", x, t_x, tenure).model.parameters,
        "margins": vars(fit_gamma_gamma(x, mean_margins_of(some)).parameters),
    }
    (root / "last_night.json").write_text(json.dumps(found))


STEPS = {"make": make_files, "state": make_state, "fit": fit_before, "night": run_night}


def main() -> None:
    """Make the files, then run the night in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("customers", type=int, nargs="?", default=10_000_000)
    parser.add_argument("--root", type=Path)
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.step:
        STEPS[asked.step](asked.root, asked.customers)
        return
    root = Path(tempfile.mkdtemp(prefix="night_", dir=asked.root))
    try:
        # This process stays small: what it starts would inherit its peak memory.
        for step in STEPS:
            asked_of = [str(asked.customers), "--step", step, "--root", str(root)]
            command = [sys.executable, __file__, *asked_of]
            subprocess.run(command, check=True)
        size = (root / "state.parquet").stat().st_size / 2**30
        print(f"{asked.customers:,} customers; the state is a file of {size:.2f} GiB")
    finally:
        shutil.rmtree(root)


if __name__ == "__main__":
    main()
