"""What no condition may be written with, and the sentences that say so."""

import difflib
import re
import unicodedata
from collections.abc import Iterable
from itertools import accumulate

from sqlglot import exp

LONGEST = 2000
DEEPEST = 20
LITERAL = re.compile(r"'(?:[^']|'')*'")
PLAIN = re.compile(r"[\w\s(),.+\-=<>!]*")
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
    """Why a text is no condition, as the end of a sentence."""


def refuse_characters(text: str) -> None:
    """Refuse what is empty, too long or written with characters that have no meaning.

    Raises:
        RefusedError: naming the character.
    """
    if not text.strip():
        raise RefusedError("it is empty; write true for everybody")
    if len(text) > LONGEST:
        raise RefusedError(f"it is longer than {LONGEST} characters; split it with on_list")
    for place, character in enumerate(text, start=1):
        if unicodedata.category(character) in ("Cc", "Cf", "Co", "Cs") and character not in "\n\t":
            raise RefusedError(f"its character {place} is invisible (U+{ord(character):04X})")
    code = LITERAL.sub("\0", text)  # no text has this character any more
    if prefix := re.search(r"\w+(?=\0)", code):
        raise RefusedError(f"{prefix[0]}'…' is no text; a text begins with its quote")
    code = code.replace("\0", " ")
    depth = max(accumulate((c == "(") - (c == ")") for c in code), default=0)
    if depth > DEEPEST:
        raise RefusedError(f"it is nested deeper than {DEEPEST}")
    if '"' in code:
        raise RefusedError("texts stand in single quotes, 'A', and column names in none")
    if "--" in code:
        raise RefusedError("a condition holds no comments, and no minus of a minus")
    strange = code[PLAIN.match(code).end() :][:1]  # type: ignore[union-attr]
    if strange == "'":
        raise RefusedError("a quote is not closed; within a text it is written twice: 'it''s'")
    if strange:
        raise RefusedError(f"{strange} has no meaning in a condition")


def nearest(name: str, known: Iterable[str]) -> str:
    """The rest of a sentence that a name is unknown in: what is probably meant."""
    known = list(known)
    near = difflib.get_close_matches(name.lower(), known, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def printable(text: str) -> str:
    """Text on one line, without what a terminal would obey."""
    return "".join(c if c.isprintable() else "�" for c in " ".join(text.split()))


def text_of(node: exp.Expr) -> str:
    """What a node says, as far as a sentence has room for it."""
    return printable(node.sql("duckdb", comments=False)[:60])
