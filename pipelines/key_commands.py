"""Commands for the keys of what is encrypted at rest."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from pipelines.audit import Act, append_act
from pipelines.encryption import load_keyring, make_key
from pipelines.errors import C360Error
from pipelines.lake import Lake
from pipelines.settings import load_settings
from pipelines.terminal import out
from pipelines.wording import count_of

keys_app = typer.Typer(no_args_is_help=True, help="Make, look at and change the keys.")

By = Annotated[str, typer.Option(help="Who answers for it.")]
Because = Annotated[str, typer.Option(help="Why: the yearly change, a person who left.")]


@keys_app.command("new", epilog="Example: c360 keys new k2026")
def new_key(
    name: Annotated[str, typer.Argument(help="A name that no key had before: letters, digits, _.")],
) -> None:
    """Print a new key as it is written in C360_ENCRYPTION_KEYS; it is kept nowhere."""
    if not name.isidentifier() or name in load_keyring().keys:
        raise C360Error(
            f"{name} can be no name of a new key.",
            "Take another one of letters, digits and _, such as k2026.",
        )
    out.print(f"{name}:{make_key()}", soft_wrap=True, highlight=False)


@keys_app.command("status", epilog="Example: c360 keys status")
def show_keys() -> None:
    """Count the files that need each key, and those in clear that a key would encrypt."""
    from pipelines.catalogue import load_catalogue
    from pipelines.rotation import find_protected

    settings, keyring = load_settings(), load_keyring()
    found = find_protected(Lake(settings.home), load_catalogue(settings.project_dir))
    counts = dict.fromkeys(keyring.keys, 0)
    for one in found:
        counts[one.key or ""] = counts.get(one.key or "", 0) + 1
    for name, count in counts.items():
        told = f"Key {name}" if name else "No key"
        if name == keyring.current:
            told += " (current)"
        elif name and name not in keyring.keys:
            told += " (not in C360_ENCRYPTION_KEYS)"
        elif name and not count:
            told += " (may go)"
        out.print(f"{told}: {count_of(count, 'file')}")


@keys_app.command(
    "rotate", epilog="Example: c360 keys rotate --by 'Ana Li' --because 'yearly change'"
)
def rotate(by: By, because: Because) -> None:
    """Encrypt all that is kept under the first key of C360_ENCRYPTION_KEYS.

    First put the new key before the old one there. What was in clear so far is encrypted too. If it
    is stopped, the same command goes on; once it has ended, no file needs another key any more.
    Backups do, as long as they are kept.
    """
    from pipelines.catalogue import load_catalogue
    from pipelines.erasure.erase import hold_off_nights
    from pipelines.rotation import encrypt_anew, find_protected

    settings = load_settings()
    catalogue = load_catalogue(settings.project_dir)
    lake, current = Lake(settings.home), load_keyring().current
    with out.status("") as status, hold_off_nights(lake):
        counts = encrypt_anew(lake, catalogue, status.update)
        # A call that was stopped has left no line: what it did is in the number of all.
        files = sum(one.key == current for one in find_protected(lake, catalogue))
    facts = {"files": files, "written_anew": counts}
    act = Act(by, "keys rotate", f"encryption key {current}", because, facts)
    append_act(lake, settings.audit, act, datetime.now(UTC))
    were = {name: "in clear" if name == "none" else f"under {name}" for name in counts}
    told = ", ".join(f"{count:,} that were {were[name]}" for name, count in counts.items())
    out.print(f"Written anew under {current}: {told or 'nothing'}. Under it now: {files:,} files.")


@keys_app.command(
    "decrypt",
    epilog="Example: c360 keys decrypt data/raw/crm/2026-06-30/0a1b2c3d4e5f6071__orders.csv --to "
    "/secure/orders.csv --by 'Ana Li' --because 'torn lines, ticket 7'",
)
def decrypt(
    file: Annotated[Path, typer.Argument(help="A file of raw/, landing/, quarantine/ or runs/.")],
    to: Annotated[Path, typer.Option(help="A new file outside C360_HOME; take it away again.")],
    by: By,
    because: Because,
) -> None:
    """Copy an encrypted file in clear, to see what is wrong in it; the audit log tells who did."""
    from pipelines.rotation import copy_in_clear

    settings = load_settings()
    lake, target = Lake(settings.home), to.resolve()
    place = _place_in(lake.home, file)
    if not file.is_file() or place is None:
        raise C360Error(f"{file} is no file of {lake.home}.", "Name one below C360_HOME.")
    if target.exists() or target.is_relative_to(lake.home.resolve()):
        raise C360Error(
            f"{to} is there already, or is below {lake.home}.",
            "Name a new file where nothing is kept.",
        )
    act = Act(by, "keys decrypt", place.as_posix(), because, {})
    append_act(lake, settings.audit, act, datetime.now(UTC))
    copy_in_clear(file, target)
    out.print(f"Wrote {to}. It is in clear: take it away when you are done.")


def _place_in(home: Path, file: Path) -> Path | None:
    """Where a file is below the home: by its name, as runs/ may be a link, or by where it leads."""
    for path, top in ((file.absolute(), home), (file.resolve(), home.resolve())):
        path, top = Path(os.path.normpath(path)), Path(os.path.normpath(top))
        if path.is_relative_to(top):
            return path.relative_to(top)
    return None


@keys_app.command(
    "rotate-pseudonyms",
    epilog="Example: C360_PSEUDONYM_KEY=NEW C360_FORMER_PSEUDONYM_KEY=OLD c360 keys "
    "rotate-pseudonyms --by 'Ana Li' --because 'somebody left'",
)
def rotate_pseudonyms(by: By, because: Because) -> None:
    """Go over to another C360_PSEUDONYM_KEY; from here on the old one may be forgotten.

    Customers keep their ids, for life; new ones, and the pseudonyms of identifiers, are made with
    the new key from the next night on. Tombstones and ledgers hold digests of values that are not
    here any more: for them the old key stays in privacy/, readable with the new one only.
    """
    from pipelines.erasure.erase import hold_off_nights
    from pipelines.former_keys import keep_former_key, pseudonym_keys
    from pipelines.rotation import check_former_keys

    settings = load_settings()
    lake, current = Lake(settings.home), settings.pseudonym
    former = settings.former_pseudonym_key.get_secret_value().encode()
    if not former or not current or former == current:
        raise C360Error(
            "Two keys are needed, the new one and the one before.",
            "Set C360_PSEUDONYM_KEY and, for this command alone, C360_FORMER_PSEUDONYM_KEY.",
        )
    with hold_off_nights(lake):
        kept = pseudonym_keys(lake, former)
        check_former_keys(lake, kept)
        act = Act(by, "keys rotate", "pseudonym key", because, {"former_keys": len(kept)})
        append_act(lake, settings.audit, act, datetime.now(UTC))
        keep_former_key(lake, former, current)
    out.print("Brought to the new key. The old one is needed by nobody any more but old backups.")
