"""Which columns of the landing contract tell whose a row is; derived from their names, once.

A `_source_id` names a record of the same source and account; an identifier (an address, a number, a
login) names a person in every source. A row goes with its person; where it is somebody else's and
only mentions the person, the mention goes.
"""

from dataclasses import dataclass

import polars as pl

from pipelines.catalogue import Dataset
from pipelines.identity.normalise import normalise_identifiers

SEPARATOR = "\x1f"
# What a row of a table is, where other rows may refer to it.
ENTITIES = {
    "crm_contacts": "contact",
    "crm_accounts": "account",
    "crm_cases": "case",
    "crm_deals": "deal",
    "orders": "order",
    "order_items": "order_item",
}
OWN_ID = "source_record_id"
IDENTIFIERS = {
    "email": "email",
    "email_secondary": "email",
    "customer_email": "email",
    "phone": "phone",
    "mobile": "phone",
    "customer_phone": "phone",
    "external_userid": "external_userid",
    "actor_platform_id": "external_userid",
    "unionid": "unionid",
    "social_handle": "social_handle",
    "actor_handle": "social_handle",
    "user_id": "user_id",
}
# Keys that a source gives out itself, without a record of the contract.
SOURCE_KEYS = {"anonymous_id": "visitor", "member_id": "member"}
# A key whose kind stands in another column, or may be any of several.
TYPED = {"subject_key": "subject_key_type", "id_a": "id_type_a", "id_b": "id_type_b"}
UNTYPED = ("recipient_key", "referrer_key", "referee_key")
MAY_BE = ("contact_id", "email", "phone")
# What an analytics tool calls an order by, which comes from another source.
PURCHASES = {"orders": (OWN_ID, "order_number"), "web_events": ("transaction_id",)}
# A row of its own that only mentions another record.
MENTIONS = {"referrer_source_id": "contact", "merged_into_id": "contact"}
COUNTRIES = ("country_code", "ship_country")


@dataclass(frozen=True)
class Keys:
    """The keys that one column of a frame names, as texts of kind and value; null where none.

    role: `own` (the row is the record), `contact` or `owner` (it belongs to that contact, or to
    another record), `account`, `visitor` (a key that a source gave out), `identifier`, `mention`,
    or `named` (others may call the row so; by itself it reaches none).
    """

    column: str
    role: str
    texts: pl.Series


def record_key(kind: str, source: str, account: str, record: str) -> str:
    """The text of a record's key."""
    return SEPARATOR.join((kind, source, account, record))


def reference_of(column: str) -> str | None:
    """The entity that a column of the contract refers to; None if it refers to none."""
    if column in MENTIONS:
        return MENTIONS[column]
    if column == "customer_source_id" or column.endswith("contact_source_id"):
        return "contact"
    known = {f"{entity}_source_id": entity for entity in ENTITIES.values()}
    return known.get(column.removeprefix("parent_"))


def key_columns(dataset: Dataset) -> list[str]:
    """The columns that must be read to judge the rows of a landing table, few of all it has."""
    named = {OWN_ID, *IDENTIFIERS, *SOURCE_KEYS, *TYPED, *TYPED.values(), *UNTYPED, *COUNTRIES}
    named |= set(PURCHASES.get(dataset.name, ()))
    named |= {"source", "source_account_id", "source_created_at"}
    return [
        column.name
        for column in dataset.columns
        if column.name in named
        or reference_of(column.name)
        or (column.required and isinstance(column.dtype, pl.Datetime))
    ]


def list_keys(frame: pl.DataFrame, dataset: Dataset, country: str | None) -> list[Keys]:
    """The keys that each row of a landing table names.

    Args:
        frame: rows with the columns of the contract, source and source_account_id among them.
        dataset: the landing table.
        country: of phone numbers that name none.
    """
    schema = frame.schema
    names = [
        column.name
        for column in dataset.columns
        if column.name in schema and not isinstance(schema[column.name], pl.List)
    ]
    texts = frame.select(pl.col(names).cast(pl.String, strict=False).replace("", None))
    return [keys for name in texts.columns for keys in keys_of(texts, name, dataset.name, country)]


def keys_of(frame: pl.DataFrame, name: str, table: str, country: str | None) -> list[Keys]:
    """The keys that one column of a table names; none if it names nobody."""
    if name in PURCHASES.get(table, ()):
        role = "named" if table == "orders" else "visitor"
        found = Keys(name, role, _of_anybody(frame, name, pl.lit("purchase"), country))
        return [found] if name != OWN_ID else [found, _own(frame, "order")]
    if name == OWN_ID:
        return [_own(frame, ENTITIES[table])] if table in ENTITIES else []
    if entity := reference_of(name):
        return [Keys(name, _role(name, entity, table), _of_source(frame, name, entity))]
    if kind := SOURCE_KEYS.get(name):
        return [Keys(name, "visitor", _of_source(frame, name, kind))]
    if id_type := IDENTIFIERS.get(name):
        if table == "crm_accounts":  # an organisation's switchboard
            return []
        return [Keys(name, "identifier", _of_anybody(frame, name, pl.lit(id_type), country))]
    if name in TYPED:
        return _typed(frame, name, pl.col(TYPED[name]), "contact", country)
    if name in UNTYPED:
        return [
            keys for kind in MAY_BE for keys in _typed(frame, name, pl.lit(kind), "owner", country)
        ]
    return []


def _own(frame: pl.DataFrame, entity: str) -> Keys:
    return Keys(OWN_ID, "own", _of_source(frame, OWN_ID, entity))


def _role(name: str, entity: str, table: str) -> str:
    if name in MENTIONS or name.startswith("parent_") or table == "crm_contacts":
        return "mention"
    return entity if entity in ("account", "contact") else "owner"


def _typed(
    frame: pl.DataFrame, name: str, kind: pl.Expr, role: str, country: str | None
) -> list[Keys]:
    """A key of a kind that the row tells; `contact_id` is a record of the same source."""
    is_record = (kind == "contact_id").fill_null(value=False)
    here = frame.select(pl.col(name).is_not_null() & is_record).to_series()
    records = _of_source(frame, name, "contact")
    people = _of_anybody(frame, name, kind, country)
    return [
        Keys(name, role, records.set(~here, None)),
        Keys(name, "identifier", people.set(here, None)),
    ]


def _of_source(frame: pl.DataFrame, name: str, kind: str) -> pl.Series:
    account = pl.col("source_account_id").fill_null("")
    parts = (pl.lit(kind), pl.col("source"), account, pl.col(name))
    return frame.select(pl.concat_str(parts, separator=SEPARATOR).alias(name)).to_series()


def _of_anybody(frame: pl.DataFrame, name: str, kind: pl.Expr, country: str | None) -> pl.Series:
    """Identifiers as they are compared, whatever they are written like."""
    countries = [pl.col(name) for name in COUNTRIES if name in frame.columns]
    written = frame.select(
        id_type=kind,
        raw_value=pl.col(name),
        country_code=pl.when(kind == "phone").then(pl.coalesce(*countries, pl.lit(""))).otherwise(
            pl.lit("")
        ),
    )  # fmt: skip
    compared = normalise_identifiers(written.drop_nulls().unique(), country)
    key = pl.concat_str("id_type", "value", separator=SEPARATOR).alias(name)
    joined = written.join(
        compared, on=["id_type", "raw_value", "country_code"], how="left", maintain_order="left"
    )
    return joined.select(key).to_series()
