"""The comparisons that the fuzzy models consist of, in the words of DuckDB.

A comparison has levels, of which the first whose condition holds is taken. What a level is worth is
not said here: that is the model's (`pipelines.rules.identity_model`). Where a level names a value
column, agreeing on a rare value is worth more than on a common one.
"""

import re
from dataclasses import dataclass

ELSE = "other"


@dataclass(frozen=True)
class Level:
    """A degree of likeness.

    Attributes:
        condition: SQL over the columns of two records, `_l` and `_r`.
        value: column whose frequency among the records decides what agreeing is worth.
    """

    name: str
    condition: str
    value: str | None = None


@dataclass(frozen=True)
class Comparison:
    """What two records are compared by.

    Attributes:
        unknown: SQL that holds where nothing can be compared.
        levels: from most to least alike; what is none of them is ELSE.
        is_shared: whether different persons of one home, or companies of one group, share it.
        confirms: whether agreeing on it makes a namesake more than a namesake.
        is_telling: whether it tells two of one home or group apart.
    """

    name: str
    unknown: str
    levels: tuple[Level, ...]
    is_shared: bool = True
    confirms: bool = True
    is_telling: bool = False


@dataclass(frozen=True)
class Frequency:
    """How often a value is met.

    Attributes:
        usual: share of people who have a value that these records do not tell about.
        least: share below which rarity is worth no more.
    """

    usual: float
    least: float


def _missing(*columns: str) -> str:
    return " or ".join(f"{column}_{end} is null" for column in columns for end in "lr")


def _same(column: str) -> str:
    return f"{column}_l = {column}_r"


def _begins_alike(column: str, letters: int = 1) -> str:
    return f"left({column}_l, {letters}) = left({column}_r, {letters})"


def _ends_alike(column: str, letters: int) -> str:
    return f"right({column}_l, {letters}) = right({column}_r, {letters})"


def _within(column: str, errors: int, least: int, letters: int) -> str:
    """So many errors at most, and none in the first letters or none in the last.

    An edit distance costs a hundred times what the other conditions do: they come first.
    """
    return (
        f"(({_begins_alike(column, letters)} or {_ends_alike(column, letters)}) "
        f"and least(length({column}_l), length({column}_r)) >= {least} "
        f"and abs(length({column}_l) - length({column}_r)) <= {errors} "
        f"and damerau_levenshtein({column}_l, {column}_r) <= {errors})"
    )


def _alike(column: str, share: float) -> str:
    similarity = f"jaro_winkler_similarity({column}_l, {column}_r) >= {share}"
    return f"({_begins_alike(column)} and {similarity})"


def _overlap(column: str, share: float) -> str:
    """Words of the shorter list that the longer has, too; at least two."""
    is_likely = "(house_l = house_r or street_word_l = street_word_r)"
    common = f"len(list_intersect({column}_l, {column}_r))"
    fewer = f"least(len({column}_l), len({column}_r))"
    return f"({is_likely} and {common} >= 2 and {common} >= {share} * {fewer})"


def _contains(column: str) -> str:
    """The longer list has all words of the shorter; at least two."""
    fewer = f"least(len({column}_l), len({column}_r))"
    return f"({fewer} >= 2 and len(list_intersect({column}_l, {column}_r)) >= {fewer})"


BOTH_HAN = "(given_han_l is not null and given_han_r is not null)"
SWAPPED = (
    "(left(given_l, 1) = left(family_r, 1) and left(family_l, 1) = left(given_r, 1) "
    "and given_l <> family_l and given_r <> family_r "
    "and jaro_winkler_similarity(given_l, family_r) >= 0.9 "
    "and jaro_winkler_similarity(family_l, given_r) >= 0.9)"
)
CROSSED = "(given_l = family_r or family_l = given_r)"
OTHER_FAMILY = (
    "(coalesce(family_han_l <> family_han_r, false) "
    "or (family_l <> family_r and is_chinese_l and is_chinese_r))"
)
# Another syllable is another name, not a typing error.
BOTH_PINYIN = "(given_is_pinyin_l and given_is_pinyin_r)"
MISHEARD = (
    f"({_same('given')} and length(given_han_l) = length(given_han_r) and ("
    "left(given_han_l, 1) = left(given_han_r, 1) or right(given_han_l, 1) = right(given_han_r, 1)))"
)
DAY_MONTH = "birth_l = left(birth_r, 4) || right(birth_r, 2) || substr(birth_r, 5, 2)"
STREET_ALIKE = f"({_alike('street_name', 0.88)} or {_overlap('street_words', 0.75)})"
HOUSE_ALIKE = "(house_l = house_r or house_l is null or house_r is null)"
HOUSE_NEAR = _within("house", 1, 1, 1)
PLACE_ALIKE = (
    f"({_same('postal')} or {_within('postal', 1, 4, 2)} or {_alike('city', 0.85)} "
    "or place_l is null or place_r is null)"
)

# Characters tell more than their sound; a name that is not in characters on both sides has only it.
GIVEN_HAN = Comparison(
    "given_characters",
    _missing("given_han"),
    (Level("same", _same("given_han"), "given_han"), Level("misheard", MISHEARD)),
    is_shared=False,
    confirms=False,
    is_telling=True,
)
GIVEN = Comparison(
    "given_name",
    f"{_missing('given')} or {BOTH_HAN}",
    (
        Level("same", _same("given"), "given"),
        Level("swapped", f"{SWAPPED} and not {_alike('given', 0.92)}"),
        Level("called", "list_has_any(given_names_l, given_names_r)"),
        Level("initial", "(is_initial_l or is_initial_r) and left(given_l, 1) = left(given_r, 1)"),
        Level(
            "close",
            f"not {BOTH_PINYIN} and ({_alike('given', 0.92)} or {_within('given', 1, 4, 2)})",
        ),
        Level(
            "near",
            f"not {BOTH_PINYIN} and ({_alike('given', 0.87)} or {_within('given', 2, 5, 2)})",
        ),
        Level("crossed", CROSSED),
        Level("alike", f"not {BOTH_PINYIN} and ({_alike('given', 0.8)} or {_same('given_sound')})"),
    ),
    is_shared=False,
    confirms=False,
    is_telling=True,
)
FAMILY = Comparison(
    "family_name",
    f"{_missing('family')} or ({SWAPPED} and not {_alike('family', 0.92)})",
    (
        Level("same", f"{_same('family')} and not {OTHER_FAMILY}", "family"),
        Level("other_chinese", OTHER_FAMILY),
        Level("close", f"{_alike('family', 0.92)} or {_within('family', 1, 4, 2)}"),
        Level("near", f"{_alike('family', 0.87)} or {_within('family', 2, 5, 2)}"),
        Level(
            "alike",
            f"{_alike('family', 0.8)} or {_same('family_sound')} "
            "or list_has_any(family_words_l, family_words_r)",
        ),
    ),
    confirms=False,
)
BIRTH = Comparison(
    "birth_date",
    _missing("birth"),
    (
        Level("same", _same("birth"), "birth"),
        Level("typo", f"{_within('birth', 1, 8, 4)} or {DAY_MONTH}"),
        Level("near", _within("birth", 2, 8, 4)),
        Level("year", "left(birth_l, 4) = left(birth_r, 4)"),
    ),
    is_shared=False,
    is_telling=True,
)
GENDER = Comparison(
    "gender",
    _missing("gender"),
    (Level("same", _same("gender")),),
    is_shared=False,
    confirms=False,
)
EMAIL = Comparison(
    "email",
    _missing("email"),
    (
        Level("same", _same("email"), "email"),
        Level("named", f"{_same('email_local')} and email_is_name_l and email_is_name_r"),
        Level("local", _same("email_local"), "email_local"),
        # anna.li17 and anna.li18 are two of one name; ana.li17 is a typing error.
        Level(
            "close",
            f"{_same('email_digits')} and not email_is_name_l and not email_is_name_r "
            f"and ({_within('email_local', 2, 6, 3)} or {_alike('email_local', 0.94)})",
        ),
    ),
)
PHONE = Comparison(
    "phone",
    _missing("phone"),
    (
        Level("same", _same("phone"), "phone"),
        # Numbers of one exchange are alike without being one.
        Level("typo", _within("phone", 1, 7, 4), "phone_head"),
        Level("tail", "right(phone_l, 7) = right(phone_r, 7)"),
        Level("near", _within("phone", 2, 8, 3), "phone_head"),
    ),
)
ADDRESS = Comparison(
    "address",
    f"({_missing('street')}) and ({_missing('postal')}) and ({_missing('city')})",
    (
        Level("same", f"{_same('street')} and {PLACE_ALIKE}", "street"),
        Level("alike", f"{HOUSE_ALIKE} and {STREET_ALIKE} and {PLACE_ALIKE}", "street_name"),
        Level("near", f"{HOUSE_NEAR} and {STREET_ALIKE} and {PLACE_ALIKE}", "street_name"),
        Level("street", STREET_ALIKE, "street_name"),
        Level("postal", _same("postal"), "postal"),
        Level("city", f"{_same('city')} or {_alike('city', 0.9)}", "city"),
    ),
)
NAME = Comparison(
    "name",
    _missing("name"),
    (
        Level("same", _same("name"), "name"),
        Level("number", "name_numbers_l <> name_numbers_r"),
        Level("close", f"{_alike('name', 0.94)} or {_same('name_sound')}"),
        Level("part", f"{_contains('name_words')} or {_alike('name', 0.88)}"),
    ),
    is_shared=False,
    confirms=False,
    is_telling=True,
)
DOMAIN = Comparison("domain", _missing("domain"), (Level("same", _same("domain"), "domain"),))

COMPARISONS = {
    "person": (GIVEN_HAN, GIVEN, FAMILY, BIRTH, GENDER, EMAIL, PHONE, ADDRESS),
    "organisation": (NAME, DOMAIN, EMAIL, PHONE, ADDRESS),
}
FREQUENCIES = {
    "given_han": Frequency(5e-4, 1e-5),
    "given": Frequency(1e-3, 2e-5),
    "family": Frequency(5e-4, 1e-5),
    "birth": Frequency(5e-5, 1e-5),
    "email": Frequency(1e-5, 1e-6),
    "email_local": Frequency(1e-4, 1e-5),
    "phone": Frequency(1e-5, 1e-6),
    "phone_head": Frequency(1e-4, 1e-5),
    "street": Frequency(1e-4, 1e-6),
    "street_name": Frequency(1e-3, 1e-5),
    "postal": Frequency(1e-3, 1e-5),
    "city": Frequency(1e-2, 1e-4),
    "name": Frequency(1e-4, 1e-5),
    "domain": Frequency(1e-4, 1e-6),
}


def compared_columns(party: str) -> list[str]:
    """The columns that the comparisons of persons, or organisations, are made of."""
    columns: set[str] = set()
    for comparison in COMPARISONS[party]:
        conditions = [comparison.unknown, *(level.condition for level in comparison.levels)]
        columns.update(re.findall(r"\b(\w+)_[lr]\b", " ".join(conditions)))
        columns.update(level.value for level in comparison.levels if level.value)
    return sorted(columns)
