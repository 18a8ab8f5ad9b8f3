"""What of a record is compared to find the persons of one household: a family name and a home.

Households are formed later, from the record that won a customer's name and the one that won the
address; here each record is read for itself. A household never makes two persons one.
"""

import polars as pl

SEPARATOR, NEXT_PART = "\x1f", "\x1e"
HOMES = {
    "home_by_postal_code": ("street", "postal_code"),
    "home_by_city": ("street", "city", "country_code"),
}
LETTER = r"\p{L}\p{M}\p{N}"


def fold_text(text: pl.Expr) -> pl.Expr:
    """Text without what people write now so, now so: widths, case, punctuation and blanks.

    Numbers stay apart: 1-12 is not 112.
    """
    # By way of capitals, as those of ß are SS.
    folded = text.str.normalize("NFKC").str.to_uppercase().str.to_lowercase()
    for _ in range(2):  # the pairs of 1-2-3 overlap
        folded = folded.str.replace_all(
            rf"(\p{{N}})[^{LETTER}{SEPARATOR}]+(\p{{N}})", f"${{1}}{SEPARATOR}${{2}}"
        )
    return folded.str.replace_all(rf"[^{LETTER}{SEPARATOR}]+", "")


def read_homes(profiles: pl.DataFrame) -> pl.DataFrame:
    """The family name and the home of each person's record, as they are compared.

    Args:
        profiles: node, party, family_key, street, city, postal_code, country_code; one row per
            record.

    Returns:
        pl.DataFrame: node, family_key, and two ways to write the home: home_by_postal_code (street
        and postal code) and home_by_city (street, city and country). Null where the record does
        not tell; a street without a number is no home. Records of organisations, and those
        without a family name, have no row.
    """
    persons = profiles.filter(
        pl.col("party") == "person", pl.col("family_key").is_not_null()
    ).with_columns(fold_text(pl.col("street", "city", "postal_code", "country_code")))
    has_number = pl.col("street").str.contains(r"\p{N}")
    told = {
        home: pl.when(has_number, *(pl.col(part) != "" for part in parts)).then(
            pl.concat_str(*parts, separator=NEXT_PART)
        )
        for home, parts in HOMES.items()
    }
    return persons.select("node", "family_key", **told)
