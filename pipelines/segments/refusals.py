"""What no condition may be written with, and the sentences that say so."""

import difflib
import re
import unicodedata
from collections.abc import Iterable
from itertools import accumulate

from sqlglot import exp

LONGEST = 2000
SHOWN, BEFORE = 80, 20  # characters of a condition in a sentence, and of them before a fault
DEEPEST = 20
LITERAL = re.compile(r"'(?:[^']|'')*'")
STRANGE = re.compile(r"[^\w\s(),.+\-=<>!]")
HINT = "Mend `where` in segments.yml; docs/segments.md has the language on one page."
FUNCTIONS = "events, days_since_event, on_list and coalesce"
# What people try, and what to write instead.
ADVICE: tuple[tuple[type[exp.Expr] | tuple[type[exp.Expr], ...], str], ...] = (
    ((exp.Query, exp.Exists, exp.Any, exp.All), "a condition asks nothing of other tables"),
    ((exp.Like, exp.ILike, exp.SimilarTo, exp.RegexpLike, exp.Glob),
     "texts are compared whole: write = or in"),
    (exp.Cast, "values keep their kind: a day is written date '2026-06-30'"),
    ((exp.Case, exp.If), "write and, or and not"),
    (exp.Window, "a condition looks at one customer at a time"),
    ((exp.Tuple, exp.Struct, exp.Dot, exp.Bracket, exp.Array), "compare one value at a time"),
    (exp.Star, "name one column"),
    (exp.Lambda, f"the functions are {FUNCTIONS}"),
    ((exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.IntDiv, exp.DPipe, exp.Pow),
     "the only arithmetic is a date plus or minus days, as in as_of - interval 30 days"),
    (exp.Func, f"the functions are {FUNCTIONS}"),
)  # fmt: skip


class RefusedError(Exception):
    """Why a text is no condition, as the end of a sentence, and at which character if known."""

    def __init__(self, reason: str, place: int | None = None) -> None:
        super().__init__(reason)
        self.place = place


def refuse_characters(text: str) -> None:
    """Refuse what is empty, too long or written with characters that have no meaning.

    Raises:
        RefusedError: naming the character.
    """
    if not text.strip():
        raise RefusedError("it is empty; write true for everybody")
    if len(text) > LONGEST:
        raise RefusedError(f"it is longer than {LONGEST} characters; split it with on_list")
    for place, character in enumerate(text):
        if unicodedata.category(character) in ("Cc", "Cf", "Co", "Cs") and character not in "\n\t":
            told = f"its character {place + 1} is invisible (U+{ord(character):04X})"
            raise RefusedError(told, place)
    # No text has this character any more; as many as there were, so that places stay.
    code = LITERAL.sub(lambda literal: "\0" * len(literal[0]), text)
    if prefix := re.search(r"\w+(?=\0)", code):
        told = f"{prefix[0]}'…' is no text; a text begins with its quote"
        raise RefusedError(told, prefix.start())
    code = code.replace("\0", " ")
    depth = max(accumulate((c == "(") - (c == ")") for c in code), default=0)
    if depth > DEEPEST:
        raise RefusedError(f"it is nested deeper than {DEEPEST}")
    if '"' in code:
        told = "texts stand in single quotes, 'A', and column names in none"
        raise RefusedError(told, code.index('"'))
    if "--" in code:
        told = "a condition holds no comments, and no minus of a minus"
        raise RefusedError(told, code.index("--"))
    if strange := STRANGE.search(code):
        told = f"{strange[0]} has no meaning in a condition"
        if strange[0] == "'":
            told = "a quote is not closed; within a text it is written twice: 'it''s'"
        raise RefusedError(told, strange.start())


def nearest(name: str, known: Iterable[str]) -> str:
    """The rest of a sentence that a name is unknown in: what is probably meant."""
    known = list(known)
    near = difflib.get_close_matches(name.lower(), known, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def printable(text: str) -> str:
    """Text on one line, without what a terminal would obey."""
    return "".join(c if c.isprintable() else "�" for c in " ".join(text.split()))


def cut_out(text: str, place: int) -> str:
    """A short text, or what stands around a place in a long one."""
    begin = max(0, min(place - BEFORE, len(text) - SHOWN))
    end = begin + SHOWN
    shown = printable(text[begin:end])
    return f"{'…' if begin else ''}{shown}{'…' if end < len(text) else ''}"


def text_of(node: exp.Expr) -> str:
    """What a node says, as far as a sentence has room for it."""
    return printable(node.sql("duckdb", comments=False)[:60])
