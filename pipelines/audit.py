"""The audit log: who did what to the data, by hand, and why; no line can be changed unseen.

    <home>/audit.jsonl   one line per act, each with a keyed digest over itself and the line before
    <home>/audit.head    number and digest of the last line, so that a cut-off end is seen too

The digest is HMAC-SHA-256 under a key of its own (`C360_AUDIT_KEY`): without the key nobody can
write a chain that verifies. A line names customers by id only, never by a name or an
address. What the clock says is told by the caller: it is part of no result of a night.
"""

import hashlib
import hmac
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from pipelines.errors import C360Error
from pipelines.lake import Lake, read_json, write_json

FIRST = "0" * 64


@dataclass(frozen=True)
class Act:
    """One act by hand.

    actor: who answers for it; action: the command; subject: what it was done to (a list, a
    release, a customer id); because: the reason given; facts: what it took or gave, as numbers.
    """

    actor: str
    action: str
    subject: str
    because: str
    facts: dict[str, Any]


def append_act(lake: Lake, key: bytes, act: Act, at: datetime) -> int:
    """Write an act at the end of the log, on disk before this returns; returns its number.

    Raises:
        C360Error: the log does not verify, or another process holds it.
    """
    lake.home.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(lake.home / ".audit.lock", timeout=10):
            count, last = _verified(lake, key)
            line = {
                "number": count + 1,
                "at": at.astimezone(UTC).isoformat(timespec="seconds"),
                "actor": act.actor,
                "action": act.action,
                "subject": act.subject,
                "because": act.because,
                "facts": act.facts,
                "previous": last,
            }
            digest = _digest(key, line)
            _append(_path(lake), json.dumps(line | {"digest": digest}, ensure_ascii=False))
            write_json({"number": count + 1, "digest": digest}, _head(lake))
    except Timeout:
        raise C360Error(
            "Another command is writing to the audit log.", "Wait until it ends and try again."
        ) from None
    return count + 1


def read_acts(lake: Lake) -> Iterator[dict[str, Any]]:
    """The lines of the log, the first act first, verified or not."""
    path = _path(lake)
    if not path.exists():
        return
    *whole, _torn = path.read_bytes().split(b"\n")  # a crash leaves a line without its end
    for number, text in enumerate(whole, 1):
        try:
            yield json.loads(text)
        except ValueError:
            raise _broken(number, "it is not JSON") from None


def verify_acts(lake: Lake, key: bytes) -> int:
    """Check every line against the one before it and the end against the head; returns how many.

    Raises:
        C360Error: naming the first line that was changed, or that lines are missing.
    """
    return _verified(lake, key)[0]


def _verified(lake: Lake, key: bytes) -> tuple[int, str]:
    """The number of lines and the last digest."""
    count, last = 0, FIRST
    for number, line in enumerate(read_acts(lake), 1):
        if not isinstance(line, dict):
            raise _broken(number, "it is no act")
        told = {name: value for name, value in line.items() if name != "digest"}
        if told.get("number") != number:
            raise _broken(number, f"its number is {told.get('number')}: lines are missing or moved")
        if told.get("previous") != last:
            raise _broken(number, "it does not follow the line before")
        if line.get("digest") != _digest(key, told):
            raise _broken(number, "it was changed, or written under another key")
        count, last = number, str(line["digest"])
    head = read_json(_head(lake)) if _head(lake).exists() else {"number": 0, "digest": FIRST}
    # A crash between line and head leaves one whole line more than the head knows.
    if count < head["number"] or (count == head["number"] and last != head["digest"]):
        raise C360Error(
            f"The audit log ends at line {count}; it had {head['number']}.",
            f"Put {_path(lake)} back from a backup.",
        )
    if count > head["number"] + 1:
        raise C360Error(
            f"The audit log has {count} lines and its head knows {head['number']}.",
            f"Put {_head(lake)} back from a backup.",
        )
    return count, last


def _digest(key: bytes, line: dict[str, Any]) -> str:
    content = json.dumps(line, sort_keys=True, ensure_ascii=False).encode()
    return hmac.new(key, content, hashlib.sha256).hexdigest()


def _append(path: Path, text: str) -> None:
    """Add a line; what a crash has torn before it, without an end of line, is cut off first."""
    with path.open("ab+") as log:
        end = log.seek(0, os.SEEK_END)
        log.seek(0)
        whole = log.read().rfind(b"\n") + 1
        if whole < end:
            log.truncate(whole)
        log.write(text.encode() + b"\n")
        log.flush()
        os.fsync(log.fileno())


def _broken(number: int, why: str) -> C360Error:
    return C360Error(
        f"Line {number} of the audit log does not verify: {why}.",
        "Compare audit.jsonl with a backup; do not mend it by hand.",
    )


def _path(lake: Lake) -> Path:
    return lake.home / "audit.jsonl"


def _head(lake: Lake) -> Path:
    return lake.home / "audit.head"
