"""Puts the demo company where an installation finds it, as sources like any other."""

import re
import shlex
import signal
import sys
import threading
from contextlib import ExitStack
from datetime import date

from rich.console import Console
from rich.progress import Progress

from pipelines.demo import served as systems
from pipelines.demo.company import sources_yaml, write_company
from pipelines.demo.respond import drop_responses
from pipelines.errors import C360Error
from pipelines.lake import Lake, read_json, write_json, write_text
from pipelines.release import current_release
from pipelines.settings import Settings

LOGINS = "logins.env"
CRM_URL = f"http://127.0.0.1:{systems.CRM_PORT}"


def make_demo(
    console: Console,
    settings: Settings,
    until: date,
    customers: int,
    seed: int,
    *,
    served: bool = False,
) -> None:
    """Write the company's facts up to a day below `<home>/demo`, and its `sources.yml`.

    A second call writes what has happened since the day of the first. With `served`, the CRM and
    the shop are read from `c360 demo serve` rather than from files.

    Raises:
        C360Error: the company that is there has another size or seed, or is already further on.
    """
    root = settings.home / "demo"
    made = root / "made.json"
    after = None
    if made.exists():
        before = read_json(made)
        kind = {"customers": customers, "seed": seed, "served": served}
        if kind != {key: before.get(key, False) for key in kind}:
            how = "served by systems" if before.get("served") else "in files"
            raise C360Error(
                f"{root} holds {before['customers']} customers of seed {before['seed']}, {how}.",
                f"Ask for the same, or remove {settings.home} to begin anew.",
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
            served=served,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    text = systems.sources_yaml(root, CRM_URL) if served else sources_yaml(root)
    write_text(text, root / "rules" / "sources.yml")
    write_json(
        {"customers": customers, "seed": seed, "served": served, "until": until.isoformat()}, made
    )
    rows = sum(summary.rows.values())
    where = f"{root / 'drop'} and {root / 'systems'}" if served else root / "drop"
    console.print(
        f"Demo company of {customers:,} persons up to {until}: {rows:,} rows in {where}, "
        f"its truth in {root / 'truth'}."
    )
    serve = f"c360 demo serve; then, in another terminal: . {root / LOGINS}; " if served else ""
    console.print(
        f"Next: {serve}C360_RULES_DIR={root / 'rules'} c360 nightly --date {until}",
        soft_wrap=True,
    )


def respond(console: Console, settings: Settings, name: str, lift: float, until: date) -> None:
    """Drop the orders that a list of the current release led to.

    Raises:
        C360Error: there is no demo company in files, no release, or no such list.
    """
    root = settings.home / "demo"
    made = root / "made.json"
    release = current_release(Lake(settings.home))
    if not made.exists() or read_json(made).get("served") or release is None:
        raise C360Error(
            f"{settings.home} holds no demo company in files with a release.",
            "Run c360 demo and c360 nightly first.",
        )
    count = drop_responses(root, release, name, lift, read_json(made)["seed"], until)
    console.print(f"{count:,} orders up to {until} of customers who were on {name}.")


def _as_exports(variables: dict[str, str]) -> str:
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())


def serve_demo(
    console: Console, settings: Settings, host: str, port: int, *, database: bool
) -> None:
    """Serve the demo company's CRM, every other stand-in, and its shop's database, until stopped.

    With the database, writes the logins to `<home>/demo/logins.env` once all is up.

    Raises:
        C360Error: there is no served demo company.
    """
    root = settings.home / "demo"
    made = root / "made.json"
    if not made.exists() or not read_json(made).get("served"):
        raise C360Error(f"{root} holds no demo company to serve.", "Run c360 demo --served first.")
    with ExitStack() as stack:
        try:
            url = stack.enter_context(systems.serve_crm(root, host, port))
        except OSError:
            raise C360Error(f"Port {port} is taken.", "Choose another with --port.") from None
        shop = stack.enter_context(systems.serve_shop(root)) if database else None
        console.print(f"Serving the CRM at {url}" + (", the shop on PostgreSQL" if shop else ""))
        if shop:  # who serves the APIs alone, in a container, may not write here
            logins = root / LOGINS
            stack.callback(logins.unlink, missing_ok=True)
            write_text(_as_exports(systems.credentials(shop)), logins)
            logins.chmod(0o600)
            rules = root / "rules" / "sources.yml"
            told = rules.read_text(encoding="utf-8")
            write_text(re.sub(r"(?<=api_url: )http://127\.0\.0\.1:\d+", url, told), rules)
            console.print(f"Logins: {logins}. Ctrl-C stops.")
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            console.print("Stopped.")
