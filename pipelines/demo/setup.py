"""Puts the demo company where an installation finds it, as sources like any other."""

from datetime import date

from rich.console import Console
from rich.progress import Progress

from pipelines.demo.company import sources_yaml, write_company
from pipelines.errors import C360Error
from pipelines.lake import read_json, write_json, write_text
from pipelines.settings import Settings


def make_demo(console: Console, settings: Settings, until: date, customers: int, seed: int) -> None:
    """Write the company's facts up to a day below `<home>/demo`, and its `sources.yml`.

    A second call writes what has happened since the day of the first.

    Raises:
        C360Error: the company that is there has another size or seed, or is already further on.
    """
    root = settings.home / "demo"
    made = root / "made.json"
    after = None
    if made.exists():
        before = read_json(made)
        if (before["customers"], before["seed"]) != (customers, seed):
            raise C360Error(
                f"{root} holds {before['customers']} customers of seed {before['seed']}.",
                f"Use the same numbers, or remove {settings.home} to begin anew.",
            )
        after = date.fromisoformat(before["until"])
        if after >= until:
            console.print(f"The demo company is already there up to {after}: {root}")
            return
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("making the demo company", total=None)
        summary = write_company(
            root,
            customers=customers,
            seed=seed,
            until=until,
            after=after,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    write_text(sources_yaml(root), root / "rules" / "sources.yml")
    write_json({"customers": customers, "seed": seed, "until": until.isoformat()}, made)
    rows = sum(summary.rows.values())
    console.print(
        f"Demo company of {customers:,} persons up to {until}: {rows:,} rows in {root / 'drop'}, "
        f"its truth in {root / 'truth'}."
    )
    console.print(
        f"Next: C360_RULES_DIR={root / 'rules'} c360 nightly --date {until}", soft_wrap=True
    )
