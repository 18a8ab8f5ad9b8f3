"""Names of persons and organisations as they are compared. What is shown is never changed by this.

A name is read by the rules of its own writing: `Family, Given`; Chinese with the family name first;
Latin letters with the given name first, unless capitals or a pinyin family name say otherwise. A
wrong guess about the order does little harm, as names are also compared with the two swapped.
"""

import re
import unicodedata
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from multiprocessing import get_context
from typing import NamedTuple

import polars as pl
from anyascii import anyascii
from cleanco.clean import prepare_default_terms

from pipelines.identity.chinese import (
    ALL_SURNAMES,
    CALLED,
    HAN,
    ONLY_HAN,
    SPELLINGS,
    drop_call,
    fold_pinyin,
    is_pinyin,
    is_surname_in_pinyin,
    read_characters,
    read_family,
    read_given,
    simplify,
    split_han,
)
from pipelines.identity.likeness import is_known

POOL_FROM, CHUNK = 200_000, 50_000

SUFFIXES = {
    "jr": "jr", "jnr": "jr", "junior": "jr", "sr": "sr", "snr": "sr", "senior": "sr",
    "ii": "ii", "2nd": "ii", "iii": "iii", "3rd": "iii", "iv": "iv", "4th": "iv",
}  # fmt: skip
DEGREES = frozenset((
    "phd", "md", "esq", "mba", "dds", "cpa", "obe", "cbe", "bsc", "msc",
))  # fmt: skip
TITLES = frozenset((
    "mr", "mrs", "ms", "miss", "mx", "dr", "prof", "professor", "sir", "dame", "madam", "mme",
    "mlle", "monsieur", "madame", "herr", "frau", "senor", "senora", "rev", "capt", "sgt",
))  # fmt: skip
TITLES_ZH = re.compile(
    r"(?<=.)(?:先生|女士|小姐|太太|夫人|老师|医生|大夫|教授|博士|经理|总监|同学|总)$"
)
PARTICLES = frozenset((
    "de", "da", "do", "dos", "das", "del", "della", "di", "du", "la", "le", "van", "von", "der",
    "den", "ten", "ter", "zu", "zur", "bin", "ibn", "al", "el", "st",
))  # fmt: skip
NO_NAME = frozenset((
    "unknown", "none", "null", "na", "n/a", "nan", "test", "guest", "anonymous", "customer",
    "user", "admin", "noname", "nobody", "xxx", "未知", "匿名", "客户", "用户", "游客", "测试",
    "无名", "无", "先生", "女士",
))  # fmt: skip
ASIDE = re.compile(r"[(\[{][^)\]}]*[)\]}]|\"[^\"]*\"|“[^”]*”|「[^」]*」")
HAN_RUN = re.compile(f"{HAN.pattern}+")
APOSTROPHES = re.compile(r"['`’‘ʼ]")
IN_WORD = re.compile(r"['`’‘ʼ.]")
NOT_LETTERS = re.compile(r"[^A-Za-z0-9]+")
CALLED_LATIN = re.compile(f"[{CALLED}](?=[A-Za-z])")  # 小Emma
# HarveyRobert, but not MacLeod or FitzGerald
RUN_TOGETHER = re.compile(r"(?<=[a-z]{2})(?<!Mac)(?<!Van)(?<!Von)(?<!Des)(?<!Fitz)(?=[A-Z][a-z])")
HANGUL = re.compile(r"[\uac00-\ud7a3]{2,4}")
DOTS = re.compile(r"[·•・‧]")
# Legal forms that cleanco does not know, or not without blanks around them.
COMPANY_ZH = re.compile(
    r"(?:股份)?有限(?:责任)?公司|股份公司|有限合伙|株式会社|有限会社|合同会社|주식회사|\(株\)|\(주\)"
)
COMPANY_TAIL_ZH = re.compile(r"(?<=..)(?:\(集团\)|集团公司|集团|总公司|(?<!分)公司)$")
COMPANY_FORMS = frozenset(
    [("group",), ("grp",), ("holding",), ("holdings",), ("bhd",), ("sdn",), ("pvt",), ("pty",)]
)


NAME = dict.fromkeys(("given", "family", "han", "suffix", "whole"), pl.String)


class Name(NamedTuple):
    """A name as it is compared; '' for what it does not tell.

    `whole` is the key of an organisation's name, `given` and `family` are those of a person's.
    """

    given: str = ""
    family: str = ""
    han: str = ""
    suffix: str = ""
    whole: str = ""


def normalise_names(profiles: pl.DataFrame) -> pl.DataFrame:
    """Add the names as they are compared.

    Args:
        profiles: party, full_name, first_name, last_name; one row per record.

    Returns:
        pl.DataFrame: profiles in their order, and
        given_key, family_key: lower-case Latin letters, tokens parted by one blank (persons);
        han_name: its Chinese characters, simplified, without titles or legal forms;
        name_suffix: jr, sr, ii, iii or iv (persons);
        company_key: lower-case Latin letters and digits without legal forms (organisations).
        Null where the name does not tell.
    """
    of_person = profiles["party"] == "person"
    person, company = (
        profiles.select(
            pl.when(mask & (pl.col(column).str.strip_chars() != "")).then(column).alias(column)
            for column in ("full_name", "first_name", "last_name")
        )
        for mask in (of_person, ~of_person)
    )
    named = pl.select(
        pl.when(of_person)
        .then(_name_persons(person))
        .otherwise(_look_up(company["full_name"], read_company))
        .struct.unnest()
    )
    return profiles.with_columns(
        pl.when(named[part] != "").then(named[part]).alias(column)
        for part, column in (
            ("given", "given_key"),
            ("family", "family_key"),
            ("han", "han_name"),
            ("suffix", "name_suffix"),
            ("whole", "company_key"),
        )
    )


def _name_persons(written: pl.DataFrame) -> pl.Series:
    """Read first and last name where both say something, else whatever name there is."""
    parts = written.select(
        "full_name",
        "first_name",
        "last_name",
        first=_look_up(written["first_name"], read_first),
        last=_look_up(written["last_name"], read_last),
    )
    given, family = (
        pl.col("first").struct.field("given"),
        pl.col("last").struct.field("family"),
    )
    first_han, last_han = (pl.col(part).struct.field("han") for part in ("first", "last"))
    is_told = (given != "") & (family != "")
    is_han = is_told & (first_han != "") & (last_han != "")
    texts = parts.select(
        han=pl.when(is_han).then(last_han + " " + first_han),
        full=pl.when(~is_told.fill_null(value=False)).then(
            pl.coalesce("full_name", "first_name", "last_name")
        ),
        only_last=pl.when(pl.col("full_name").is_null() & pl.col("first_name").is_null()).then(
            "last_name"
        ),
    )
    in_parts = pl.struct(
        # A first name field often holds the whole name.
        given=given.str.strip_suffix(pl.concat_str(pl.lit(" "), family)),
        family=family,
        han=pl.lit(""),
        suffix=pl.max_horizontal(pl.col(p).struct.field("suffix") for p in ("last", "first")),
        whole=pl.lit(""),
    )
    return parts.select(
        pl.when(is_han)
        .then(_look_up(texts["han"], read_name))
        .when(is_told)
        .then(in_parts)
        .when(texts["only_last"].is_not_null())
        .then(_look_up(texts["only_last"], read_only_last))
        .otherwise(_look_up(texts["full"], read_name))
    ).to_series()


def _look_up(texts: pl.Series, read: Callable[[str], Name]) -> pl.Series:
    """Read each distinct text once; struct of a Name's fields, null for null."""
    distinct = texts.drop_nulls().unique().sort()
    read_all = partial(_read_all, read)
    if len(distinct) < POOL_FROM:
        names = read_all(distinct.to_list())
    else:  # `spawn`, as Polars does not survive a fork
        chunks = [
            distinct.slice(start, CHUNK).to_list() for start in range(0, len(distinct), CHUNK)
        ]
        with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
            names = [name for part in pool.map(read_all, chunks) for name in part]
    read_names = pl.DataFrame(names, schema=NAME, orient="row").select(
        distinct.alias("text"), name=pl.struct(pl.all())
    )
    asked = pl.DataFrame({"text": texts})
    return asked.join(read_names, on="text", how="left", maintain_order="left")["name"]


def _read_all(read: Callable[[str], Name], texts: list[str]) -> list[Name]:
    return [read(text) for text in texts]


def read_first(text: str) -> Name:
    """A given name by itself."""
    plain = _plain(text)
    if ONLY_HAN.fullmatch(plain):
        return Name(given=read_given(plain), han=plain)
    tokens, suffix = _drop_titles(_latin_tokens(plain))
    return Name(given=_given(tokens), suffix=suffix)


def read_last(text: str) -> Name:
    """A family name by itself."""
    plain = _plain(text)
    if ONLY_HAN.fullmatch(plain):
        return Name(family=read_family(plain), han=plain)
    tokens, suffix = _drop_titles(_latin_tokens(plain))
    return Name(family=_family(tokens), suffix=suffix)


def read_only_last(text: str) -> Name:
    """What stands in place of a family name alone, where some write the whole name."""
    name = read_name(text)
    if name.family or name.han:
        return name
    return Name(family=name.given, suffix=name.suffix)


def read_name(text: str) -> Name:
    """A whole name, its order told by how it is written."""
    plain = _plain(text)
    if HAN.search(plain):
        return _read_han(plain)
    if HANGUL.fullmatch(plain):
        return Name(given=_given(_latin_tokens(plain[1:])), family=_family(_latin_tokens(plain[0])))
    head, *rest = plain.split(",")
    tokens, suffix = _drop_titles(_latin_tokens(head))
    after: list[str] = []
    for part in rest:
        more, its_suffix = _drop_titles(_latin_tokens(part), may_be_empty=True)
        after, suffix = after + more, suffix or its_suffix
    given, family = (after, tokens) if after else _split_latin(tokens)
    return Name(_given(given), _family(family), suffix=suffix)


def _read_han(plain: str) -> Name:
    """A name such as `王超娜`, `王 超娜`, `超娜 王`, `买买提·阿里` or `王伟 David`."""
    told = HAN_RUN.findall(plain)
    is_pure = not any(c.isalpha() for c in HAN_RUN.sub("", plain))
    if len(told) == 1:
        family, given = split_han(told[0])
        if is_pure or (family and given):
            called = given if family else drop_call(given)
            return Name(read_given(called), read_family(family), told[0])
        if told[0] in ALL_SURNAMES:  # 王Emma
            given_latin = _given(_latin_tokens(HAN_RUN.sub(" ", plain)))
            return Name(given_latin, read_family(told[0]))
        return Name()
    if not is_pure:
        return Name()
    if DOTS.search(plain):
        return Name(read_given(told[0]), read_family(told[-1]), "".join(told))
    family, given = told[0], "".join(told[1:])
    if given in ALL_SURNAMES and family not in ALL_SURNAMES:
        family, given = given, family
    given = given.removeprefix(family) or given
    return Name(read_given(given), read_family(family), family + given)


def _split_latin(tokens: list[str]) -> tuple[list[str], list[str]]:
    """Given and family name of a name in Latin letters."""
    if len(tokens) < 2:
        return tokens, []
    capitals = [len(token) > 1 and token.isupper() for token in tokens]
    if any(capitals) and not all(capitals):
        if capitals[0] and not capitals[-1]:
            size = capitals.index(False)
            return tokens[size:], tokens[:size]
        if capitals[-1] and not capitals[0]:
            size = capitals.index(True)
            return tokens[:size], tokens[size:]
    keys = [token.lower() for token in tokens]
    # Of two that may both be family names, the last is taken, as in any name in Latin letters.
    if len(keys) == 3 and keys[0] in SPELLINGS and not any(map(is_known, keys[1:])):
        return tokens[1:], tokens[:1]  # Chan Tai Man
    is_family = [is_surname_in_pinyin(keys[place]) or keys[place] in SPELLINGS for place in (0, -1)]
    if is_family == [True, False] and is_pinyin("".join(keys)):
        return tokens[1:], tokens[:1]
    size = len(tokens) - 1
    while size > 1 and keys[size - 1] in PARTICLES:
        size -= 1
    return tokens[:size], tokens[size:]


def _plain(text: str) -> str:
    plain = simplify(unicodedata.normalize("NFKC", text)).strip()
    plain = ASIDE.sub(" ", plain).strip() or plain
    plain = RUN_TOGETHER.sub(" ", CALLED_LATIN.sub(" ", TITLES_ZH.sub("", plain))).strip()
    return "" if plain.lower() in NO_NAME else plain


def _latin(text: str) -> str:
    return NOT_LETTERS.sub(" ", APOSTROPHES.sub("", anyascii(text)))


def _latin_tokens(text: str) -> list[str]:
    """Words of a name; two syllables of pinyin with a hyphen are one."""
    joined = (
        word.replace("-", "") if is_pinyin(word.replace("-", "").lower()) else word
        for word in anyascii(text).split()
    )
    return _latin(" ".join(joined)).split()


def _drop_titles(tokens: list[str], *, may_be_empty: bool = False) -> tuple[list[str], str]:
    """The tokens without titles and degrees, and the generational suffix among them."""
    least, suffix = (0 if may_be_empty else 1), ""
    while len(tokens) > least and tokens[0].lower() in TITLES:
        tokens = tokens[1:]
    while len(tokens) > least:
        last = tokens[-1].lower()
        if last in SUFFIXES:
            suffix = SUFFIXES[last]
        elif last not in DEGREES:
            break
        tokens = tokens[:-1]
    return tokens, suffix


def _given(tokens: list[str]) -> str:
    """A key of a given name; syllables of pinyin are written together."""
    keys = [token.lower() for token in tokens]
    joined = "".join(keys)
    return fold_pinyin(joined) if is_pinyin(joined) else " ".join(keys)


def _family(tokens: list[str]) -> str:
    key = " ".join(tokens).lower()
    return fold_pinyin(key) if is_pinyin(key) else key


def read_company(text: str) -> Name:
    """An organisation's name without legal forms: in Latin letters, and as it is if Chinese."""
    plain = simplify(unicodedata.normalize("NFKC", text)).strip()
    plain = COMPANY_TAIL_ZH.sub("", COMPANY_ZH.sub("", plain).strip()) or plain
    main, _, aside = plain.partition("(")
    tokens = _drop_forms(_company_tokens(main)) + _company_tokens(aside)
    return Name(han="".join(plain.split()) if HAN.search(plain) else "", whole=" ".join(tokens))


def _company_tokens(text: str) -> list[str]:
    spelled = HAN_RUN.sub(lambda run: f" {read_characters(run[0])} ", text)
    latin = NOT_LETTERS.sub(" ", IN_WORD.sub("", anyascii(spelled)).replace("&", " and "))
    return latin.lower().split()


@cache
def _legal_forms() -> frozenset[tuple[str, ...]]:
    return COMPANY_FORMS | {
        tuple(NOT_LETTERS.sub(" ", " ".join(words).replace("&", " and ")).split())
        for _, words in prepare_default_terms()
    }


def _drop_forms(tokens: list[str]) -> list[str]:
    if tokens[:1] == ["the"]:
        tokens = tokens[1:] or tokens
    size = 4
    while size:
        if len(tokens) > size and tuple(tokens[-size:]) in _legal_forms():
            tokens, size = tokens[:-size], 4
        else:
            size -= 1
    return tokens
