"""What records that share no identifier are compared by, and which of them are compared at all."""

import polars as pl
from jellyfish import metaphone

from pipelines.identity.chinese import is_pinyin, is_surname_in_pinyin, read_characters, split_han
from pipelines.identity.conflicts import gender_letter
from pipelines.identity.fuzzy_comparisons import compared_columns
from pipelines.identity.likeness import call_names

NODE = "node"
PAIRS_PER_RECORD = 1  # of each block key; what would cost more is left out, largest blocks first
PAIRS_AT_LEAST = 200_000
PHONE_DIGITS, PHONE_PART, PHONE_AT_LEAST = 9, 5, 6
LOCAL_AT_LEAST = 5
DESK = r"^(?:info|sales|contact|office|service|admin|hello|support|mail|enquiries|orders)[^@]{0,2}@"
# As postal services abbreviate; of other words the spelling decides.
STREET_WORDS = {
    "street": "st", "str": "st", "strasse": "st", "road": "rd", "avenue": "ave", "av": "ave",
    "drive": "dr", "lane": "ln", "boulevard": "blvd", "court": "ct", "crescent": "cres",
    "circuit": "cct", "place": "pl", "square": "sq", "terrace": "tce", "parade": "pde",
    "highway": "hwy", "close": "cl", "parkway": "pkwy", "apartment": "apt", "suite": "ste",
    "north": "n", "south": "s", "east": "e", "west": "w", "saint": "st", "way": "way",
}  # fmt: skip
WORDS = r"[a-z]+|[0-9]+|[^\x00-\x7f]+"

# Fine keys first: the coarse ones are for small bases and rare values, and for records with errors
# in most of their fields.
PERSON_BLOCKS = {
    "born_given": ("day", "given_initial"),
    "born_family": ("day", "family_initial"),
    "names_year": ("sounds", "year"),
    "names_place": ("sounds", "place"),
    "han_place": ("han", "place"),
    "phone": ("phone",),
    "email": ("email_local",),
    "street": ("street", "place"),
    "house": ("house", "postal"),
    "postal_given": ("postal", "given_sound"),
    "postal_family": ("postal", "family_sound"),
    "city_given": ("city", "given_sound"),
    "city_family": ("city", "family_sound"),
    "month_given": ("month", "given_sound"),
    "month_family": ("month", "family_sound"),
    "names": ("sounds",),
    "starts": ("starts",),
    "han": ("han",),
    "phone_head": ("phone_head",),
    "phone_tail": ("phone_tail",),
    "born": ("day",),
    "street_word": ("street_word", "city_start"),
    "house_city": ("house", "city_start"),
    "given": ("given",),
    "family": ("family",),
    "postal": ("postal",),
    "city": ("city",),
}
COMPANY_BLOCKS = {
    "name": ("name",),
    "name_sound": ("name_sound",),
    "domain": ("domain",),
    "phone": ("phone",),
    "email": ("email_local",),
    "street": ("street", "place"),
    "house": ("house", "postal"),
    "name_city": ("name_start", "city"),
    "name_word": ("name_word",),
    "phone_tail": ("phone_tail",),
    "street_word": ("street_word", "city_start"),
    "postal": ("postal",),
}
BLOCKS = {"person": PERSON_BLOCKS, "organisation": COMPANY_BLOCKS}


def describe_records(profiles: pl.DataFrame, party: str) -> pl.DataFrame:
    """Columns that the records of one party are compared by.

    Args:
        profiles: node, gender, birth_date, street, city, postal_code, email, phone, domain and the
            names of `normalise_names`.
        party: person or organisation.

    Returns:
        pl.DataFrame: node, the columns of `fuzzy_comparisons.COMPARISONS`, and one column
        `block_<key>` for each key of BLOCKS: records of equal keys are compared; sorted by node.
    """
    of_party = profiles.filter(pl.col("party") == party)
    parts = _describe_persons(of_party) if party == "person" else _describe_companies(of_party)
    blocks = _find_blocks(parts, BLOCKS[party])
    return parts.select(NODE, *compared_columns(party)).hstack(blocks)


def _describe_persons(profiles: pl.DataFrame) -> pl.DataFrame:
    people = profiles.select(
        NODE,
        *_contact_points(),
        *_address(),
        given="given_key",
        family="family_key",
        han="han_name",
        gender=gender_letter("gender"),
        birth=pl.col("birth_date").dt.strftime("%Y%m%d"),
    ).sort(NODE)
    spoken = _speak(people.select("given", "family", "han").unique())
    people = people.join(
        spoken, on=["given", "family", "han"], how="left", nulls_equal=True, maintain_order="left"
    )
    month, day = pl.col("birth").str.slice(4, 2), pl.col("birth").str.slice(6, 2)
    people = people.with_columns(email_is_name=_is_name("email_local"))
    return people.with_columns(
        day=pl.concat_str(
            pl.col("birth").str.head(4),
            pl.min_horizontal(month, day),
            pl.max_horizontal(month, day),
        ),
        year=pl.col("birth").str.head(4),
        month=pl.col("birth").str.head(6),
        given_initial=pl.col("given_sound").str.head(1),
        family_initial=pl.col("family_sound").str.head(1),
        sounds=pl.concat_str(
            pl.min_horizontal("given_sound", "family_sound"),
            pl.max_horizontal("given_sound", "family_sound"),
            separator=" ",
        ),
        starts=pl.concat_str(
            pl.min_horizontal(pl.col("given", "family").str.head(3)),
            pl.max_horizontal(pl.col("given", "family").str.head(3)),
            separator=" ",
        ),
    )


def _describe_companies(profiles: pl.DataFrame) -> pl.DataFrame:
    return (
        profiles.select(
            NODE,
            *_contact_points(),
            *_address(),
            name="company_key",
            han="han_name",
            # A mailbox of any company, as a name is one of any namesake.
            email_is_name=pl.col("email")
            .str.to_lowercase()
            .str.contains(DESK)
            .fill_null(value=False),
            domain=pl.col("domain").str.to_lowercase().str.strip_prefix("www."),
        )
        .sort(NODE)
        .with_columns(
            name_words=pl.col("name").str.split(" "),
            name_numbers=pl.col("name").str.extract_all("[0-9]+").list.join(" "),
            name_start=pl.col("name").str.head(5),
            name_word=_longest(pl.col("name").str.split(" ")),
            name_sound=pl.col("name")
            .str.replace_all(" ", "")
            .map_elements(metaphone, return_dtype=pl.String),
        )
    )


def _speak(names: pl.DataFrame) -> pl.DataFrame:
    """Split characters and add how names sound and what else they are called, name by name."""
    rows = []
    for given, family, han in names.rows():
        family_han, given_han = split_han(han or "")
        if han and not (family_han or given_han):
            given_han = han  # not a Chinese name, yet the same characters are the same name
        tokens = (given or "").split()
        is_chinese = bool(family_han or (family and is_surname_in_pinyin(family)))
        called = {name for token in tokens for name in call_names(token) if len(token) > 1}
        if family_han and len(given_han) > 1:  # 超娜 is called 小娜
            called.add(read_characters(given_han[-1]))
        rows.append(
            (
                given_han or None,
                family_han or None,
                sorted(called),
                len(tokens[0]) == 1 if tokens else None,
                metaphone(given).replace(" ", "") or None if given else None,
                metaphone(family).replace(" ", "") or None if family else None,
                is_chinese,
                is_chinese and is_pinyin(given or "-"),
            )
        )
    heard = pl.DataFrame(
        rows,
        schema={
            "given_han": pl.String,
            "family_han": pl.String,
            "given_names": pl.List(pl.String),
            "is_initial": pl.Boolean,
            "given_sound": pl.String,
            "family_sound": pl.String,
            "is_chinese": pl.Boolean,
            "given_is_pinyin": pl.Boolean,
        },
        orient="row",
    )
    return names.hstack(heard).with_columns(family_words=pl.col("family").str.split(" "))


def _contact_points() -> list[pl.Expr]:
    email = pl.col("email").str.to_lowercase().str.extract(r"([^\s<>\"]+@[^\s<>\"]+)", 1)
    local = email.str.extract(r"^([^@+]+)", 1).str.replace_all("[^a-z0-9]", "")
    digits = (
        pl.col("phone")
        .str.normalize("NFKC")
        .str.replace_all("[^0-9]", "")
        .str.strip_chars_start("0")
    )
    phone = pl.when(digits.str.len_chars() >= PHONE_AT_LEAST).then(digits.str.tail(PHONE_DIGITS))
    return [
        email.alias("email"),
        pl.when(local.str.len_chars() >= LOCAL_AT_LEAST).then(local).alias("email_local"),
        local.str.replace_all("[^0-9]", "").alias("email_digits"),
        phone.alias("phone"),
        phone.str.tail(PHONE_PART).alias("phone_tail"),
        phone.str.head(PHONE_PART).alias("phone_head"),
    ]


def _is_name(local: str) -> pl.Expr:
    """Whether nothing but a name, or an initial and a name, stands before the @."""
    given, family = (pl.col(part).str.replace_all(" ", "") for part in ("given", "family"))
    rests = (
        pl.col(local).str.strip_prefix(first).str.strip_suffix(second)
        for first, second in ((given, family), (family, given))
    )
    return pl.min_horizontal(rest.str.len_chars() for rest in rests).fill_null(99) <= 1


def _address() -> list[pl.Expr]:
    words = _plain("street").str.extract_all(WORDS).list.eval(pl.element().replace(STREET_WORDS))
    city = _plain("city").str.replace_all("[^a-z0-9[^\\x00-\\x7f]]", "").str.strip_suffix("市")
    postal = _plain("postal_code").str.replace_all("[^a-z0-9]", "")
    postal = pl.when(postal.str.contains("^[0-9]{9}$")).then(postal.str.head(5)).otherwise(postal)
    street, house = words.list.join(" "), words.list.join(" ").str.extract("([0-9]+)", 1)
    return [
        _known(street).alias("street"),
        pl.when(street != "").then(words).alias("street_words"),
        _known(street.str.replace_all("[0-9]+", "").str.strip_chars()).alias("street_name"),
        house.alias("house"),
        _known(_longest(words)).alias("street_word"),
        _known(city).alias("city"),
        _known(city).str.head(3).alias("city_start"),
        _known(postal).alias("postal"),
        pl.coalesce(_known(postal), _known(city)).alias("place"),
    ]


def _longest(words: pl.Expr) -> pl.Expr:
    """The first of the longest words."""
    return words.list.get(words.list.eval(pl.element().str.len_chars()).list.arg_max())


def _plain(column: str) -> pl.Expr:
    return (
        pl.col(column)
        .str.normalize("NFKD")
        .str.replace_all(r"\p{M}", "")
        .str.normalize("NFKC")
        .str.to_lowercase()
        .str.replace_all(r"[\p{P}\p{S}]", " ")
    )


def _known(text: pl.Expr) -> pl.Expr:
    return pl.when(text != "").then(text)


def _find_blocks(parts: pl.DataFrame, keys: dict[str, tuple[str, ...]]) -> list[pl.Series]:
    """The block keys; null for records whose block would cost more than the key's budget."""
    budget = max(PAIRS_AT_LEAST, PAIRS_PER_RECORD * parts.height)
    return [
        _affordable(
            # Only whether two keys are equal matters, and numbers are compared faster than texts.
            parts.select(
                pl.when(pl.all_horizontal(pl.col(columns).is_not_null()))
                .then(pl.struct(columns).hash())
                .alias(f"block_{key}")
            ).to_series(),
            budget,
        )
        for key, columns in keys.items()
    ]


def _affordable(block: pl.Series, budget: int) -> pl.Series:
    """The block key without its largest blocks, such that it gives no more pairs than budgeted."""
    sizes = block.drop_nulls().value_counts(name="size").filter(pl.col("size") > 1)
    by_size = (
        sizes.group_by("size")
        .agg(pairs=(pl.col("size") * (pl.col("size") - 1) // 2).sum())
        .sort("size")
        .filter(pl.col("pairs").cast(pl.Int64).cum_sum() <= budget)
    )
    kept = sizes.join(by_size, on="size", how="semi")[block.name]
    return pl.select(pl.when(block.is_in(kept.implode())).then(block).alias(block.name)).to_series()
