"""Faults of rules files as people say them: where it stands, what is there, what should be."""

import difflib
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from pipelines.rules.model import PATTERNS
from pipelines.rules.schemas import RuleBook

# What an entry of a list is called by, if it says so.
NAMED_BY = ("name", "list", "id", "stage", "grade", "band", "trait", "relation", "kind", "customer")
LONGEST_SHOWN = 40
KINDS = {
    "int": "a whole number",
    "float": "a number",
    "decimal": "a number",
    "string": "a text",
    "bool": "true or false",
    "date": "a day, such as 2026-06-30",
    "tuple": "a list, such as [a, b]",
    "list": "a list, such as [a, b]",
    "set": "a list, such as [a, b]",
    "dict": "keys with their values",
    "model": "keys with their values",
}
BOUNDS = {
    "greater_than": ("more than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
}


def describe_faults(
    faults: Sequence[ErrorDetails], book: Mapping[str, Any], paths: Mapping[str, Path]
) -> list[str]:
    """One sentence for each fault, with its file and place; sorted.

    Args:
        faults: of the rule book, as its schema finds them.
        book: what the files say, by the file's name without its ending.
        paths: the files, likewise.
    """
    at_place = defaultdict(list)
    for fault in faults:
        at_place[_place(fault["loc"], book)].append(fault)
    told = []
    for (file, place), found in at_place.items():
        where = f"{paths.get(file, Path(file))}: {place or 'the file'}"
        told += [f"{where}{sentence}" for sentence in map(_ended, _sentences(found))]
    return sorted(set(told))


def _place(keys: Sequence[int | str], book: Mapping[str, Any]) -> tuple[str, str]:
    """The file, and the way to a fault in it: entries of lists by number and name."""
    file = str(keys[0])
    here: Any = book.get(file)
    way: list[str] = []
    for before, key in pairwise(keys):
        if isinstance(key, int) and isinstance(here, list):
            here = here[key] if key < len(here) else None
            of = f" of {way.pop()}" if way and not way[-1].startswith("the ") else " entry"
            way.append(f"the {_ordinal(key + 1)}{of}{_called(here)}")
        elif isinstance(here, Mapping):
            # After a typed entry's number stands its type, which the file does not have there.
            if isinstance(before, int) and key == here.get("type"):
                continue
            if key != "[key]":
                way.append(str(key))
                here = here.get(key)
    told = "".join(f"{step}{': ' if step.startswith('the ') else ' > '}" for step in way)
    return file, told.removesuffix(" > ").removesuffix(": ")


def _ended(sentence: str) -> str:
    return sentence if sentence.endswith("?") else f"{sentence}."


def _ordinal(number: int) -> str:
    endings = {1: "st", 2: "nd", 3: "rd"}
    return f"{number}{'th' if number % 100 in (11, 12, 13) else endings.get(number % 10, 'th')}"


def _called(entry: Any) -> str:
    if not isinstance(entry, Mapping):
        return ""
    names = (entry[key] for key in NAMED_BY if isinstance(entry.get(key), str))
    name = next(names, None)
    return f", {name}" if name and _is_short(name) else ""


def _sentences(faults: list[ErrorDetails]) -> list[str]:
    """What is wrong at one place; a value that fits none of several kinds is one fault."""
    expected = [fault["ctx"]["expected"] for fault in faults if fault["type"] == "literal_error"]
    if expected:
        return [_choose(_words(", ".join(expected)), faults[0]["input"])]
    kinds = [kind for fault in faults if (kind := _kind(fault["type"]))]
    if kinds:
        told = " or ".join(dict.fromkeys(kinds))
        quote = "; write it in quotes" if told == "a text" and _is_plain(faults) else ""
        return [f": must be {told}{_not(faults[0]['input'])}{quote}"]
    return [_sentence(fault) for fault in faults]


def _kind(fault: str) -> str | None:
    if fault in ("int_from_float", "model_attributes_type"):
        return KINDS["int" if fault == "int_from_float" else "model"]
    kind, _, rest = fault.partition("_")
    is_type = rest in ("type", "parsing", "from_date_parsing", "from_datetime_parsing")
    return KINDS.get(kind) if is_type else None


def _is_plain(faults: list[ErrorDetails]) -> bool:
    return isinstance(faults[0]["input"], bool | int | float | date)


def _sentence(fault: ErrorDetails) -> str:
    kind, found, context = fault["type"], fault["input"], fault.get("ctx", {})
    if kind == "extra_forbidden":
        return f" is not a key; {_known_key(fault['loc'])}"
    if kind == "missing":
        return " is missing"
    if kind == "union_tag_invalid":
        return f": type {_choose(_words(context['expected_tags']), context['tag'])[2:]}"
    if kind == "union_tag_not_found":
        return ": type is missing"
    if kind in BOUNDS:
        words, name = BOUNDS[kind]
        bound = context[name]
        told = f"{bound:g}" if isinstance(bound, float) else bound
        return f": must be {words} {told}{_not(found)}"
    if kind == "finite_number":
        return f": must be a finite number{_not(found)}"
    if kind == "string_pattern_mismatch":
        return f": must be {PATTERNS[context['pattern']]}{_not(found)}"
    if kind in ("too_short", "string_too_short"):
        parts = "characters" if kind.startswith("string") else "entries"
        return f": must have at least {context['min_length']} {parts}"
    if kind in ("too_long", "string_too_long"):
        parts = "characters" if kind.startswith("string") else "entries"
        return f": must have at most {context['max_length']} {parts}"
    message = fault["msg"].removeprefix("Value error, ").removesuffix(".")
    return f": {message[:1].lower()}{message[1:]}"


def _words(expected: str) -> list[str]:
    """The texts of a sentence such as 'a', 'b' or 'c'."""
    found = re.findall(r"'([^']*)'|(\w+)", expected)
    return [text or number for text, number in found if number != "or"]


def _choose(known: list[str], found: Any) -> str:
    near = difflib.get_close_matches(str(found), known, n=1)
    advice = f"; did you mean {near[0]!r}?" if near else ""
    listed = f"{', '.join(known[:-1])} or {known[-1]}" if len(known) > 1 else known[0]
    return f": must be {listed}{_not(found)}{advice}"


def _not(found: Any) -> str:
    """What stands there, if it is short and one value."""
    if isinstance(found, str) and _is_short(found):
        return f", not {found!r}"
    if isinstance(found, bool):
        return f", not {str(found).lower()}"
    if isinstance(found, int | float | date):
        return f", not {found}"
    if isinstance(found, list | Mapping):
        return ", not a list" if isinstance(found, list) else ", not keys"
    return ", and is empty" if found is None else ""


def _is_short(text: str) -> bool:
    return len(text) <= LONGEST_SHOWN and text.isprintable()


def _known_key(loc: Sequence[int | str]) -> str:
    *keys, name = map(str, loc)
    known = _known_keys(keys)
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known keys are {', '.join(known)}"


def _known_keys(keys: list[str]) -> list[str]:
    """Keys of the schema at a place in the rule book."""
    models: list[type[BaseModel]] = [RuleBook]
    for key in keys:
        of_type = [m for m in models if key in _models_types(m)]
        models = of_type or models
        annotations = [m.model_fields[key].annotation for m in models if key in m.model_fields]
        models = [found for note in annotations for found in _models_in(note)] or models
    fields = [field for model in models for field in model.model_fields.items()]
    return sorted({field.alias or name for name, field in fields})


def _models_types(model: type[BaseModel]) -> tuple[str, ...]:
    """What `type: ...` may say in a source of this schema."""
    known = model.model_fields.get("type")
    return tuple(getattr(known.annotation, "__args__", ())) if known else ()


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in getattr(annotation, "__args__", ()) for model in _models_in(part)]
