"""Whether two names may be those of one person or one organisation."""

import re
from enum import IntEnum
from functools import cache, lru_cache

from jellyfish import metaphone
from nicknames import NickNamer
from rapidfuzz import fuzz
from rapidfuzz.distance import OSA, JaroWinkler, Levenshtein

from pipelines.identity.chinese import (
    CALLED,
    is_pinyin,
    is_spelled_surname,
    is_surname_in_pinyin,
    read_given,
    split_han,
)

ALIKE, TURNED_ALIKE = 0.8, 0.88
TOKEN_ALIKE, CHARACTERS_ALIKE, COMPANY_ALIKE = 0.85, 0.75, 85
# What speakers of southern dialects, and those who type by ear, do not tell apart.
BLURRED = ((re.compile("zh|ch|sh"), lambda m: m[0][0]), (re.compile("ng"), lambda m: "n"))
NUMERALS = re.compile(r"[0-9]+|第[一二三四五六七八九十百]+")


class Likeness(IntEnum):
    """How two names stand to each other."""

    SAME = 0
    LIKE = 1  # a typing error, another spelling, an English name beside a Chinese one
    UNLIKE = 2
    DIFFERENT = 3  # two names that are known, and known to be two


@lru_cache(maxsize=500_000)
def compare_persons(
    given_a: str, family_a: str, han_a: str, given_b: str, family_b: str, han_b: str
) -> Likeness:
    """Compare the given names of two persons; a family name only helps to read them.

    All are keys of `normalise_names`, '' where the name does not tell.
    """
    if han_a and han_b:
        return _compare_han(han_a, han_b)
    if not given_a or not given_b:
        return Likeness.SAME
    is_chinese = all(
        han or is_surname_in_pinyin(family)
        for family, han in ((family_a, han_a), (family_b, han_b))
    )
    found = compare_given(given_a, given_b, is_chinese=is_chinese)
    if found <= Likeness.LIKE or not (family_a or family_b):
        return found
    if _is_reordered((given_a, family_a), (given_b, family_b)):
        return Likeness.SAME
    if bool(han_a) != bool(han_b):
        latin, pinyin = (
            ((given_b, family_b), family_a) if han_a else ((given_a, family_a), family_b)
        )
        return _compare_scripts(*latin, pinyin, found)
    return found


def _compare_han(name_a: str, name_b: str) -> Likeness:
    (family_a, given_a), (family_b, given_b) = split_han(name_a), split_han(name_b)
    if name_a == name_b or given_a == given_b or not given_a or not given_b:
        return Likeness.SAME
    for family, given, other in ((family_a, given_a, name_b), (family_b, given_b, name_a)):
        if not family and given[0] in CALLED and len(given) > 1:
            return Likeness.SAME if given[1:] in other else Likeness.DIFFERENT
        if not family and other.endswith(given):
            return Likeness.SAME
    if (family_a, given_a) == (given_b, family_b):
        return Likeness.SAME
    is_misspelt = (
        len(given_a) == len(given_b)
        and any(a == b for a, b in zip(given_a, given_b, strict=True))
        and read_given(given_a) == read_given(given_b)
    )
    return Likeness.LIKE if is_misspelt else Likeness.DIFFERENT


def _compare_scripts(given: str, family: str, pinyin_family: str, found: Likeness) -> Likeness:
    """Latin letters beside characters that they do not spell: perhaps an English name.

    Nothing can be said of a name spelt by another system than pinyin either.
    """
    if is_spelled_surname(family, pinyin_family):
        return Likeness.LIKE
    is_of_family = not family or not pinyin_family or family == pinyin_family
    if is_of_family and (not is_pinyin(given) or is_known(given.split()[0])):
        return Likeness.LIKE
    return found


def _is_reordered(name_a: tuple[str, str], name_b: tuple[str, str]) -> bool:
    """Whether given and family name changed places, or one of them is all that is told."""
    (given_a, family_a), (given_b, family_b) = name_a, name_b
    if family_a and family_b:
        tokens_a, tokens_b = (" ".join(name).split() for name in (name_a, name_b))
        written_b = {"".join(tokens_b), "".join(f"{family_b} {given_b}".split())}
        return (
            sorted(tokens_a) == sorted(tokens_b)
            or "".join(tokens_a) in written_b
            or (_is_close(given_a, family_b) and _is_close(family_a, given_b))
        )
    return _is_close(given_a, family_b) if family_b else _is_close(family_a, given_b)


def _is_close(a: str, b: str) -> bool:
    return a == b or (min(len(a), len(b)) > 3 and JaroWinkler.similarity(a, b) >= TURNED_ALIKE)


@lru_cache(maxsize=500_000)
def compare_given(a: str, b: str, *, is_chinese: bool = False) -> Likeness:
    """Compare two given names in Latin letters, of one or more tokens."""
    if a == b or a.replace(" ", "") == b.replace(" ", ""):
        return Likeness.SAME
    tokens_a, tokens_b = a.split(), b.split()
    found = min(
        _compare_tokens(x, y, is_chinese)
        for x in tokens_a[:1] + [t for t in tokens_a[1:] if len(t) > 1]
        for y in tokens_b[:1] + [t for t in tokens_b[1:] if len(t) > 1]
    )
    if len(tokens_a) != len(tokens_b):
        whole = _compare_tokens(a.replace(" ", ""), b.replace(" ", ""), is_chinese)
        return min(found, whole)
    return found


@lru_cache(maxsize=500_000)
def _compare_tokens(a: str, b: str, is_chinese: bool) -> Likeness:
    if a == b:
        return Likeness.SAME
    if len(a) == 1 or len(b) == 1:
        initials = ({name[0] for name in call_names(x)} for x in (a, b))
        return Likeness.SAME if set.intersection(*initials) else Likeness.DIFFERENT
    if call_names(a) & call_names(b):
        return Likeness.SAME
    if is_chinese and is_pinyin(a) and is_pinyin(b):
        return Likeness.LIKE if _blur(a) == _blur(b) else Likeness.DIFFERENT
    errors, length = OSA.distance(a, b), min(len(a), len(b))
    sounds_alike = metaphone(a) == metaphone(b)
    if is_known(a) and is_known(b):
        return Likeness.LIKE if sounds_alike and errors <= 2 else Likeness.DIFFERENT
    is_alike = (
        sounds_alike
        or _is_abbreviated(a, b)
        or (length > 3 and a.startswith(b) != b.startswith(a))
        or errors <= (0 if length < 3 else 1 if length < 6 else 2)
        or JaroWinkler.similarity(a, b) >= ALIKE
    )
    return Likeness.LIKE if is_alike else Likeness.UNLIKE


def _is_abbreviated(a: str, b: str) -> bool:
    """Whether one is the other without most of its letters, as Mhd is Mohammed."""
    short, long = sorted((a, b), key=len)
    letters = iter(long)
    return (
        short[0] == long[0]
        and not set(short) & set("aeiou")
        and all(letter in letters for letter in short)
    )


def _blur(pinyin: str) -> str:
    for sound, plain in BLURRED:
        pinyin = sound.sub(plain, pinyin)
    return pinyin


@cache
def _nicknames() -> NickNamer:
    return NickNamer()


@lru_cache(maxsize=200_000)
def call_names(name: str) -> frozenset[str]:
    """A given name and the full names that it may be short for."""
    return frozenset(
        {name}.union(*(_nicknames().canonicals_of(spelling) for spelling in _endings(name)))
    )


@lru_cache(maxsize=200_000)
def is_known(name: str) -> bool:
    """Whether a given name is one that the English list of nicknames has."""
    names = _nicknames()
    return any(names.canonicals_of(n) or names.nicknames_of(n) for n in _endings(name))


def _endings(name: str) -> list[str]:
    """Robbie is Robby, and Peggy is Peggie."""
    other = re.sub("y$", "ie", name) if name.endswith("y") else re.sub("(?<=..)ie$", "y", name)
    return sorted({name, other})


@lru_cache(maxsize=500_000)
def compare_companies(key_a: str, han_a: str, key_b: str, han_b: str) -> Likeness:
    """Compare the names of two organisations, as `normalise_names` gives them."""
    if key_a == key_b or not key_a or not key_b:
        return Likeness.SAME
    numbers = [NUMERALS.findall(han or key) for key, han in ((key_a, han_a), (key_b, han_b))]
    if all(numbers) and numbers[0] != numbers[1]:
        return Likeness.DIFFERENT
    if bool(han_a) != bool(han_b):  # a translation cannot be told from another name
        return Likeness.LIKE
    if han_a:
        is_part = han_a in han_b or han_b in han_a
        is_alike = Levenshtein.normalized_similarity(han_a, han_b) >= CHARACTERS_ALIKE
        return Likeness.LIKE if is_part or is_alike else Likeness.DIFFERENT
    is_alike = (
        _is_part(key_a.split(), key_b.split())
        or _is_acronym(key_a, key_b)
        or fuzz.token_sort_ratio(key_a, key_b) >= COMPANY_ALIKE
        or JaroWinkler.similarity(key_a.replace(" ", ""), key_b.replace(" ", "")) >= 0.95
    )
    return Likeness.LIKE if is_alike else Likeness.DIFFERENT


def _is_part(a: list[str], b: list[str]) -> bool:
    """Whether each word of the shorter name has one like it in the longer."""
    few, many = sorted((a, b), key=lambda words: (len(words), words))
    return all(
        any(JaroWinkler.similarity(word, other) >= TOKEN_ALIKE for other in many) for word in few
    )


def _is_acronym(a: str, b: str) -> bool:
    few, many = sorted((a.split(), b.split()), key=len)
    return len(few) == 1 and len(many) > 2 and few[0] == "".join(word[0] for word in many)
