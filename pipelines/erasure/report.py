"""Says what an erasure did, and what is left for others to do."""

from rich.console import Console

from pipelines.erasure.erase import Erasure
from pipelines.terminal import plain
from pipelines.wording import count_of


def show_erasure(out: Console, erasure: Erasure, *, is_done: bool) -> None:
    """Print an erasure; it names nobody."""
    verb = "erased" if is_done else "would be erased"
    keys = ", ".join(f"{count} {kind}" for kind, count in erasure.keys.items())
    who = count_of(erasure.customers, "customer")
    out.print(f"{who} {verb}, erasure {erasure.ref}; tombstones: {keys}.")
    rows = ", ".join(f"{count:,} of {name}" for name, count in erasure.rows.items() if count)
    if is_done:
        releases = len(erasure.releases)
        out.print(plain(f"Rows gone: {rows or 'none'}. Releases written anew: {releases}."))
        out.print("Run folders are empty; run the last night again before asking about it.")
    for place, count in erasure.waiting.items():
        out.print(f"To be removed by the next c360 deliver: {count_of(count, 'row')} at {place}.")
    for name in erasure.rules:
        out.print(f"Your own {name} still names a customer: take the entry out.")
    if is_done:
        out.print(
            "Not ours to erase: the source systems, drop folders, backups, and what was handed out."
        )
