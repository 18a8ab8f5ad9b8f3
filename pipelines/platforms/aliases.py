"""Neutral names of lists, for platforms that must not learn what a list is about.

An audience named after income or health is locked (Meta, since 2025-09-02), and any name that says
what we think of people tells it to whoever sees the account.
"""

import re
from collections.abc import Iterable

from pipelines.errors import C360Error

ALIAS = re.compile(r"[a-z]{1,12}_?[0-9]{1,6}")
SHORTEST_WORD = 3


def check_alias(alias: str, list_name: str, words: Iterable[str] = ()) -> str:
    """The alias, if it tells nothing: a short word and a number, such as seg_017.

    Args:
        alias: the name outside.
        list_name: the list's own name, whose words must not be in it.
        words: other words that tell what it is about, such as its label.

    Raises:
        C360Error: it is no such name, or has a word of the list's name in it.
    """
    if not ALIAS.fullmatch(alias):
        raise C360Error(
            f"{alias!r} is no neutral alias for list {list_name}.",
            "Write a short word and a number, such as seg_017.",
        )
    told = re.findall(r"[a-z]+", " ".join([list_name, *words]).lower())
    for word in sorted(set(told)):
        if len(word) >= SHORTEST_WORD and word in alias:
            raise C360Error(
                f"The alias {alias!r} of list {list_name} tells what the list is about: {word}.",
                "Write a word that tells nothing, and a number, such as seg_017.",
            )
    return alias
