"""Evidence that two records which share an identifier are of two people.

A couple shares a phone, a family a mailbox, father and son a name. The identifier says that the two
are close; whether they are one is said by their names and birth dates.
"""

from collections.abc import Callable
from itertools import pairwise

import polars as pl

from pipelines.identity.likeness import Likeness, compare_companies, compare_persons

PERSON_NAME = ("given_key", "family_key", "han_name")
COMPANY_NAME = ("company_key", "han_name")
CONFLICT_COLUMNS = ("party", *PERSON_NAME, "name_suffix", "company_key", "birth_date", "gender")
SEPARATOR = "\x1f"


def find_conflicts(pairs: pl.DataFrame, *, is_direct: bool = True) -> pl.Series:
    """Say what speaks against two records being of one person or organisation.

    What is missing, an initial, a nickname, a typing error, another spelling or order of a name,
    and a changed family name do not.

    Args:
        pairs: party, given_key, family_key, han_name, name_suffix, company_key (as
            `normalise_names` adds them), birth_date and gender, each with `_a` and `_b`.
        is_direct: whether the two themselves share something. Of two who are only tied through
            others, names that nobody knows are not told apart for being unlike, nor birth dates
            but by both year and day: each record of one person may be misspelt in its own way.

    Returns:
        pl.Series: `conflict`, one per pair in its order, the same if `a` and `b` change places:
        party, company_name, given_name, birth_date, name_suffix, or null if nothing does.
    """
    persons = _compare(pairs, PERSON_NAME, compare_persons)
    companies = _compare(pairs, COMPANY_NAME, compare_companies)
    is_person = (pl.col("party_a") == "person") & (pl.col("party_b") == "person")
    born_a, born_b = pl.col("birth_date_a"), pl.col("birth_date_b")
    # Of one day and unlike names: rather a second name that nobody knows than a twin.
    is_born_alike = born_a == born_b
    is_unlike = (pl.lit(persons) == Likeness.UNLIKE) & pl.lit(is_direct)
    is_given_other = (
        (pl.lit(persons) == Likeness.DIFFERENT)
        | (is_unlike & ~is_born_alike.fill_null(value=False))
        | ((pl.lit(persons) == Likeness.LIKE) & _is_other_gender())
    )
    return pairs.select(
        pl.when(pl.col("party_a") != pl.col("party_b"))
        .then(pl.lit("party"))
        .when(~is_person & (pl.lit(companies) >= Likeness.UNLIKE))
        .then(pl.lit("company_name"))
        .when(is_person & is_given_other)
        .then(pl.lit("given_name"))
        .when(is_person & _is_other_birth(born_a, born_b, is_direct=is_direct))
        .then(pl.lit("birth_date"))
        .when(is_person & _is_other_suffix())
        .then(pl.lit("name_suffix"))
        .alias("conflict")
    ).to_series()


def _compare(
    pairs: pl.DataFrame, parts: tuple[str, ...], compare: Callable[..., Likeness]
) -> pl.Series:
    """Compare each distinct pair of names once, whichever of the two stands first."""
    a, b = (
        pl.concat_str(
            [pl.col(f"{part}_{end}").fill_null("") for part in parts], separator=SEPARATOR
        )
        for end in ("a", "b")
    )
    names = pairs.select(low=pl.min_horizontal(a, b), high=pl.max_horizontal(a, b))
    distinct = names.filter(pl.col("low") != pl.col("high")).unique()
    found = [
        int(compare(*low.split(SEPARATOR), *high.split(SEPARATOR))) for low, high in distinct.rows()
    ]
    compared = distinct.with_columns(pl.Series("likeness", found, dtype=pl.Int8))
    return names.join(compared, on=["low", "high"], how="left", maintain_order="left")[
        "likeness"
    ].fill_null(int(Likeness.SAME))


def gender_letter(column: str) -> pl.Expr:
    """M or f of a gender as written; null if it says neither."""
    first = pl.col(column).str.strip_chars().str.to_lowercase().str.slice(0, 1)
    return first.replace_strict({"m": "m", "男": "m", "f": "f", "女": "f"}, default=None)


def _is_other_gender() -> pl.Expr:
    return (gender_letter("gender_a") != gender_letter("gender_b")).fill_null(value=False)


def _is_other_suffix() -> pl.Expr:
    """Father and son; who is named Junior may also be written as II."""
    a, b = (pl.col(f"name_suffix_{end}").replace({"ii": "jr"}) for end in ("a", "b"))
    return (a != b).fill_null(value=False)


def _is_other_birth(a: pl.Expr, b: pl.Expr, *, is_direct: bool) -> pl.Expr:
    """Whether two birth dates differ by more than day and month changed and a wrong digit or two.

    The first of January is what a form says of a day that nobody knows.
    """
    is_told = ~((a.dt.ordinal_day() == 1) | (b.dt.ordinal_day() == 1))
    written, other = a.dt.strftime("%Y%m%d"), b.dt.strftime("%Y%m%d")
    errors = 1 if is_direct else 2
    is_half_right = (a.dt.year() == b.dt.year()) | (a.dt.strftime("%m%d") == b.dt.strftime("%m%d"))
    is_near = (
        (is_half_right & pl.lit(not is_direct))
        | (_wrong_digits(written, other) <= errors)
        | (_wrong_digits(a.dt.strftime("%Y%d%m"), other) <= errors)
        | _is_turned(written, other)
    )
    return (is_told & ~is_near).fill_null(value=False)


def _digits(date: pl.Expr) -> list[pl.Expr]:
    return [date.str.slice(place, 1) for place in range(8)]


def _wrong_digits(a: pl.Expr, b: pl.Expr) -> pl.Expr:
    return pl.sum_horizontal(
        (x != y).cast(pl.Int8) for x, y in zip(_digits(a), _digits(b), strict=True)
    )


def _is_turned(a: pl.Expr, b: pl.Expr) -> pl.Expr:
    """Two neighbouring digits changed places, and nothing else differs."""
    changed = pl.any_horizontal(
        (a_left != b_left) & (a_left == b_right) & (a_right == b_left)
        for (a_left, a_right), (b_left, b_right) in zip(
            pairwise(_digits(a)), pairwise(_digits(b)), strict=True
        )
    )
    return changed & (_wrong_digits(a, b) == 2)
