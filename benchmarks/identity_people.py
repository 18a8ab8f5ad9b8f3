"""Made-up people and companies of many countries, each with several records that differ.

Names, addresses and numbers are of the `faker` package, the errors are ours: typing errors,
nicknames, initials, names in pinyin or in the other order, changed family names, moves, new numbers
and mailboxes, days and months changed, fields left out. Some people live together and share a
family name, an address and a phone. Nothing here is taken from any labelled data.
"""

import random
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import polars as pl
from faker import Faker
from nicknames import NickNamer

from pipelines.identity.chinese import read_family, read_given, simplify, split_han

Row = dict[str, Any]

# locale, country, share
LOCALES = (
    ("en_US", "US", 14), ("en_GB", "GB", 8), ("en_AU", "AU", 4), ("en_IN", "IN", 4),
    ("de_DE", "DE", 6), ("fr_FR", "FR", 6), ("es_ES", "ES", 6), ("it_IT", "IT", 4),
    ("pt_BR", "BR", 4), ("nl_NL", "NL", 3), ("pl_PL", "PL", 3), ("tr_TR", "TR", 2),
    ("id_ID", "ID", 2), ("ru_RU", "RU", 2), ("zh_CN", "CN", 28), ("zh_TW", "TW", 4),
)  # fmt: skip
SPELLED = {"zh_CN", "zh_TW"}
PROVIDERS = ("gmail.com", "hotmail.com", "qq.com", "163.com", "outlook.com", "yahoo.com")
KEYBOARD = {
    "a": "sqz", "b": "vgn", "c": "xvk", "d": "sfe", "e": "wri", "f": "dgv", "g": "fhj", "h": "gjn",
    "i": "ouy", "j": "hkg", "k": "jlc", "l": "kio", "m": "nk", "n": "mbh", "o": "ipu", "p": "ob",
    "q": "wa", "r": "etf", "s": "adzc", "t": "ryg", "u": "yio", "v": "cbf", "w": "qev", "x": "zcs",
    "y": "tui", "z": "xs",
}  # fmt: skip
CARELESS, MOST_ERRORS = 0.55, 4
EPOCH = date(1940, 1, 1)


class Scribe:
    """Writes things down as people do."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)  # noqa: S311 - made-up people
        self.names = NickNamer()
        self.is_careless = False

    def is_lucky(self, share: float) -> bool:
        """Whether something that happens with this share happens now."""
        return self.chance.random() < share

    def mistype(self, text: str | None) -> str | None:
        """One letter or digit wrong, left out, doubled, or changed with its neighbour."""
        if not text or len(text) < 3:
            return text
        place = self.chance.randrange(1, len(text))
        here = text[place]
        kind = self.chance.randrange(5)
        if kind == 0:
            return text[:place] + text[place + 1 :]
        if kind == 1:
            return text[:place] + here + text[place:]
        if kind == 2 and place + 1 < len(text):
            return text[:place] + text[place + 1] + here + text[place + 2 :]
        wrong = self.chance.choice("0123456789" if here.isdigit() else KEYBOARD.get(here, here))
        return text[:place] + wrong + text[place + 1 :]

    def misspell(self, text: str | None, share: float) -> str | None:
        """Perhaps a typing error, perhaps some more; careless writers make many."""
        often = CARELESS if self.is_careless else share
        for _ in range(MOST_ERRORS):
            if not self.is_lucky(often):
                break
            text = self.mistype(text)
            often = max(share, often * 0.8)
        return text

    def misdate(self, day: date) -> date | None:
        """A birth date with a digit wrong, day and month changed, or quite another."""
        kind = self.chance.randrange(4)
        try:
            if kind == 0:
                return day.replace(month=day.day, day=day.month)
            if kind == 1:
                return day.replace(year=day.year + self.chance.choice([-10, -1, 1, 10]))
            if kind == 2:
                return date.fromisoformat(str(self.mistype(day.isoformat())))
        except ValueError:
            return None
        return EPOCH + timedelta(days=self.chance.randrange(24_000))

    def call(self, given: str) -> str:
        """What friends call somebody, or only an initial."""
        nicknames = sorted(self.names.nicknames_of(given.lower()))
        if nicknames and self.is_lucky(0.7):
            return self.chance.choice(nicknames).title()
        return given[:1] + ("." if self.is_lucky(0.5) else "")


def make_people(count: int, seed: int) -> pl.DataFrame:
    """Records of that many persons, in no order.

    Returns:
        pl.DataFrame: the columns of profiles, and `person`: whose record it is.
    """
    scribe = Scribe(seed)
    fakers = [_faker(locale, seed) for locale, _, _ in LOCALES]
    people: list[Row] = []
    for number in range(count):
        if people and scribe.is_lucky(0.08):
            person = _join_home(people[-1], fakers, scribe)
        else:
            person = _make_person(fakers, scribe)
        people.append({**person, "person": f"P{number}"})
    rows = [
        row
        for person in people
        for row in (_write_person(person, scribe) for _ in range(_copies(scribe)))
    ]
    return _as_profiles(rows, "person", scribe)


def make_companies(count: int, seed: int) -> pl.DataFrame:
    """Records of that many companies; as `make_people`."""
    scribe = Scribe(seed)
    fakers = [_faker(locale, seed) for locale, _, _ in LOCALES]
    rows = []
    for number in range(count):
        place, faker = _choose(fakers, scribe)
        name = faker.company()
        company = {
            "person": f"C{number}",
            "full_name": name,
            "domain": f"{faker.domain_word()}{scribe.chance.randrange(1000)}.com",
            "before": _home(faker, place),
            **_home(faker, place),
        }
        rows += [_write_company(company, scribe) for _ in range(_copies(scribe))]
    return _as_profiles(rows, "organisation", scribe)


def _faker(locale: str, seed: int) -> Faker:
    faker = Faker(locale)
    faker.seed_instance(f"{locale} {seed}")
    return faker


def _copies(scribe: Scribe) -> int:
    return scribe.chance.choices((1, 2, 3, 4), (70, 20, 7, 3))[0]


def _choose(fakers: list[Faker], scribe: Scribe) -> tuple[int, Faker]:
    place = scribe.chance.choices(range(len(LOCALES)), [share for _, _, share in LOCALES])[0]
    return place, fakers[place]


def _home(faker: Faker, place: int) -> Row:
    return {
        "street": faker.street_address(),
        "city": faker.city(),
        "postal_code": faker.postcode(),
        "country_code": LOCALES[place][1],
        "phone": faker.phone_number(),
    }


def _make_person(fakers: list[Faker], scribe: Scribe) -> Row:
    place, faker = _choose(fakers, scribe)
    gender = scribe.chance.choice(("female", "male"))
    first = faker.first_name_female() if gender == "female" else faker.first_name_male()
    return {
        "locale": LOCALES[place][0],
        "place": place,
        "first_name": first,
        "middle_name": faker.first_name(),
        "last_name": faker.last_name(),
        "gender": gender,
        "birth_date": EPOCH + timedelta(days=int(scribe.chance.betavariate(2, 1.6) * 24_000)),
        "number": scribe.chance.randrange(10_000),
        "before": _home(faker, place),
        **_home(faker, place),
    }


def _join_home(head: Row, fakers: list[Faker], scribe: Scribe) -> Row:
    shared = ["last_name", "street", "city", "postal_code", "country_code", "locale", "place"]
    if scribe.is_lucky(0.4):
        shared.append("phone")
    member = _make_person([fakers[head["place"]]] * len(LOCALES), scribe)
    return {**member, **{column: head[column] for column in shared}}


def _spell(text: str, read: Callable[[str], str]) -> str:
    return read(simplify(text)).title()


def _write_person(person: Row, scribe: Scribe) -> Row:
    lucky = scribe.is_lucky
    scribe.is_careless = lucky(0.2)
    first, last = person["first_name"], person["last_name"]
    if lucky(0.03):
        first = person["middle_name"]
    if lucky(0.05) and person["gender"] == "female" and person["locale"] not in SPELLED:
        last = scribe.chance.choice(("Schneider", "Martin", "Taylor", "Rossi", "Silva", "Khan"))
    latin_first, latin_last = first, last
    if person["locale"] in SPELLED:
        latin_first, latin_last = _spell(first, read_given), _spell(last, read_family)
        if lucky(0.25):
            first, last = latin_first, latin_last
    elif lucky(0.1):
        first = scribe.call(first)
    first, last = scribe.misspell(first, 0.08), scribe.misspell(last, 0.08)
    if lucky(0.03):
        first, last = last, first
    row: Row = {"person": person["person"], "first_name": first, "last_name": last}
    if lucky(0.3):  # one field for the whole name
        is_han = bool(last and split_han(simplify(last))[0])
        whole = f"{last}{first}" if is_han else f"{first} {last}"
        row = {
            "person": person["person"],
            "full_name": whole if lucky(0.85) else f"{last}, {first}",
        }
    elif lucky(0.04):
        row["first_name"] = None
    local = f"{latin_first}.{latin_last}".lower().replace(" ", "")
    local += str(person["number"]) if lucky(0.9) else ""
    provider = PROVIDERS[person["number"] % len(PROVIDERS)]
    if lucky(0.2):
        provider = scribe.chance.choice(PROVIDERS)
    row["email"] = None if lucky(0.5) else scribe.misspell(f"{local}@{provider}", 0.08)
    if lucky(0.1):
        row["email"] = f"{latin_first[:2]}{scribe.chance.randrange(10**6)}@{provider}".lower()
    row["gender"] = person["gender"] if lucky(0.5) else None
    if row["gender"] and lucky(0.01):
        row["gender"] = "male"
    row["birth_date"] = person["birth_date"] if lucky(0.6) else None
    if row["birth_date"] and lucky(0.08):
        row["birth_date"] = scribe.misdate(row["birth_date"])
    return {**row, **_write_contacts(person, scribe)}


def _write_company(company: Row, scribe: Scribe) -> Row:
    lucky = scribe.is_lucky
    scribe.is_careless = lucky(0.2)
    name = scribe.misspell(company["full_name"], 0.08)
    if lucky(0.2):
        name = f"{name} {scribe.chance.choice(('Ltd', 'Inc.', 'GmbH', 'S.A.', 'Group'))}"
    words = str(name).split()
    if lucky(0.08) and len(words) > 2:
        name = " ".join(words[:-1])
    return {
        "person": company["person"],
        "full_name": name,
        "domain": company["domain"] if lucky(0.6) else None,
        "email": f"info@{company['domain']}" if lucky(0.3) else None,
        **_write_contacts(company, scribe),
    }


def _write_contacts(party: Row, scribe: Scribe) -> Row:
    lucky = scribe.is_lucky
    written: Row = {"country_code": party["country_code"] if lucky(0.8) else None}
    if lucky(0.6):
        phone = scribe.misspell(party["phone"], 0.08)
        if lucky(0.12):
            phone = "".join(scribe.chance.choice("0123456789") if c.isdigit() else c for c in phone)
        written["phone"] = phone
    if lucky(0.7):
        home = party["before"] if lucky(0.1) else party
        written["street"] = scribe.misspell(home["street"], 0.15)
        written["city"] = scribe.misspell(home["city"], 0.06) if lucky(0.9) else None
        written["postal_code"] = scribe.misspell(home["postal_code"], 0.06) if lucky(0.85) else None
    return written


def _as_profiles(rows: list[Row], party: str, scribe: Scribe) -> pl.DataFrame:
    scribe.chance.shuffle(rows)
    text = [
        "person", "full_name", "first_name", "last_name", "gender", "street", "city", "state",
        "postal_code", "country_code", "email", "phone", "domain",
    ]  # fmt: skip
    schema: dict[str, Any] = {**dict.fromkeys(text, pl.String), "birth_date": pl.Date}
    return (
        pl.DataFrame([{column: row.get(column) for column in schema} for row in rows], schema)
        .with_row_index("node")
        .with_columns(pl.col("node").cast(pl.Int64), party=pl.lit(party))
    )
