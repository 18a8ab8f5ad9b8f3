import re
from collections import Counter
from pathlib import Path
from textwrap import indent

import polars as pl
import pytest
import yaml
from factories import PROJECT, rows

from pipelines.catalogue import PLAIN_TYPES, load_catalogue
from pipelines.errors import C360Error
from pipelines.publish import MARTS

ENVELOPE = """
      - name: envelope
        description: Of every table.
        config: {meta: {grain: none}}
        columns:
          - {name: source, data_type: varchar, constraints: [{type: not_null}], description: A.}
"""
MODELS = PROJECT / "dbt_project" / "models"
PERSONAL = re.compile(
    r"^(full_name|first_name|last_name|actor_name)$|email|^(phone|mobile|customer_phone)$|handle|"
    r"^(text|body|subject|answer_text|reason_text)$|external_userid|unionid|user_id$|"
    r"^(subject_key|recipient_key|referrer_key|referee_key|actor_platform_id|id_a|id_b|street)$"
)
NOT_OF_A_PERSON = {("crm_accounts", "phone"), ("crm_accounts", "street"),
                   ("crm_contacts", "email_opt_out")}  # fmt: skip


def project(folder: Path, table: str, *more: str) -> Path:
    """A project whose landing group is the envelope and these tables."""
    models = folder / "dbt_project" / "models"
    models.mkdir(parents=True)
    text = "sources:\n  - name: landing\n    tables:" + ENVELOPE
    (models / "_a.yml").write_text(text + indent("".join((table, *more)), " " * 6))
    return folder


def table(columns: str, name: str = "things", meta: str = "grain: one thing") -> str:
    return (
        f"- name: {name}\n  description: Things.\n  config: {{meta: {{{meta}}}}}\n"
        f"  columns:\n{indent(columns, '    ')}\n"
    )


def column(name: str = "a", kind: str = "varchar", rest: str = "description: A thing.") -> str:
    return f'- {{name: {name}, data_type: "{kind}", {rest}}}\n'


@pytest.mark.parametrize("kind", [*PLAIN_TYPES, "decimal(18,4)", "decimal(18, 8)"])
def test_every_declared_type_has_a_polars_type(tmp_path, kind):
    things = load_catalogue(project(tmp_path, table(column(kind=kind)))).landing["things"]
    expected = pl.Decimal(18, int(kind[-2])) if kind.startswith("decimal") else PLAIN_TYPES[kind]
    assert things.schema["a"] == expected
    assert pl.DataFrame(schema=things.schema).schema == things.schema


def test_a_landing_table_ends_with_the_envelope(catalogue):
    envelope = [
        "source", "source_account_id", "source_record_id", "op", "source_created_at",
        "source_updated_at", "extracted_at", "record_hash", "schema_version", "extra",
    ]  # fmt: skip
    assert len(catalogue.landing) == 20
    for dataset in catalogue.landing.values():
        assert list(dataset.schema)[-len(envelope) :] == envelope
        assert {"source", "source_record_id", "op", "extracted_at"} <= set(dataset.required)
    assert "envelope" not in catalogue.landing


def test_every_column_that_tells_who_somebody_is_is_classed_as_personal(catalogue):
    found = {
        (data.name, entry.name): entry.pii
        for data in catalogue.landing.values()
        for entry in data.columns
        if PERSONAL.search(entry.name) and (data.name, entry.name) not in NOT_OF_A_PERSON
    }
    assert len(found) >= 30
    assert {place for place, pii in found.items() if pii != "direct"} == set()


def test_no_mart_but_the_contacts_holds_what_names_a_person(catalogue):
    naming = {
        (data.name, entry.name)
        for data in catalogue.group("models").values()
        for entry in data.columns
        if entry.pii == "direct" and not data.name.startswith(("stg_", "int_"))
    }
    assert {name for name, _ in naming} <= {"customer_contacts"}


def test_the_key_of_a_record_in_its_source_is_marked_in_every_mart(catalogue):
    keys = {
        (name, entry.name): entry.pii
        for name, group in MARTS.items()
        for entry in catalogue[group, name].columns
        if entry.name in ("source_record_id", "end_a", "end_b")
    }
    assert len(keys) >= 7
    assert set(keys.values()) == {"key"}


def test_no_table_or_column_is_described_twice():
    """Loading refuses it within a table; a mart's column seen elsewhere must be a YAML alias."""
    load_catalogue(PROJECT)
    tables: Counter[tuple[str, str]] = Counter()
    for path in MODELS.rglob("_*.yml"):
        document = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        for source in document.get("sources", []):
            tables.update((source["name"], entry["name"]) for entry in source["tables"])
        tables.update(("models", entry["name"]) for entry in document.get("models", []))
    assert {name for name, times in tables.items() if times > 1} == set()


def test_a_column_of_the_audience_that_comes_from_elsewhere_is_an_alias():
    text = (MODELS / "marts" / "_marts.yml").read_text(encoding="utf-8")
    document = yaml.safe_load(text)
    audience = next(model for model in document["models"] if model["name"] == "audience")
    elsewhere = {
        entry["name"]
        for owner in document["models"]
        if owner is not audience
        for entry in owner["columns"]
    }
    section = text[text.index("- name: audience") :]
    items = re.findall(r"^      - (.*)$", section.split("columns:", 1)[1], re.MULTILINE)
    told_again = [
        entry["name"]
        for entry, item in zip(audience["columns"], items, strict=False)
        if entry["name"] in elsewhere and "description:" in item
    ]
    assert len(items) >= len(audience["columns"]) > 40
    assert told_again == []


def test_keys_and_one_of_name_columns_of_their_table(catalogue):
    assert catalogue["landing", "refunds"].one_of == ("order_source_id", "customer_source_id")
    for data in catalogue.datasets.values():
        assert {*data.key, *data.one_of} <= set(data.schema)


@pytest.mark.parametrize(
    ("tables", "told"),
    [
        (table(column() + column()), "things describes ['a'] twice"),
        (table(column("source")), "things describes ['source'] twice"),
        (table(column()) + table(column("b")), "landing.things is described twice"),
        (table(column(kind="text")), "things.a has unknown data_type 'text'"),
        (table(column(rest="tests: []")), "things.a has no description"),
        (table(column(rest="description: A., config: {meta: {pi: no}}")), "unknown meta ['pi']"),
        (table(column(rest="description: A., config: {meta: {pii: much}}")), "has pii 'much'"),
        (table(column(), meta="grain: x, gain: y"), "things has unknown meta ['gain']"),
        (table(column(), meta="key: [a]"), "needs a description and config.meta.grain"),
        (table(column(), meta="grain: x, key: [b]"), "things has no column ['b']"),
        (table("- {data_type: varchar, description: A.}"), "has an entry without 'name'"),
        ("- {name: things, description: T., config: {meta: {grain: x}}}\n", "without 'columns'"),
        ("- just a text\n", "has a text where a list or keys belong"),
        ("- {name: [\n", "is not YAML"),
    ],
)  # fmt: skip
def test_a_malformed_line_is_told_in_one_sentence(tmp_path, tables, told):
    with pytest.raises(C360Error) as caught:
        load_catalogue(project(tmp_path, tables))
    assert told in caught.value.message
    assert caught.value.hint.startswith("Mend the ")


def test_a_project_without_the_envelope_is_refused(tmp_path):
    with pytest.raises(C360Error, match=r"landing\.envelope is not described"):
        load_catalogue(tmp_path)


def test_conform_orders_and_types_the_columns(catalogue):
    dataset = catalogue["pipeline", "landing_summary"]
    frame = rows("landing_summary", {"file_count": 7}, group="pipeline")
    mixed = frame.select(reversed(frame.columns)).with_columns(pl.col("file_count").cast(pl.Int8))
    conformed = dataset.conform(mixed.lazy()).collect()
    assert conformed.schema == dataset.schema
    assert conformed.equals(frame)


def test_conform_refuses_missing_and_undeclared_columns(catalogue):
    dataset = catalogue["rules", "second_tier_grades"]
    with pytest.raises(C360Error, match=r"missing \['grade'\], not declared \['grad'\]"):
        dataset.conform(pl.LazyFrame({"grad": ["A"]}))


def test_rows_are_made_from_the_catalogue_alone(catalogue):
    for (group, name), dataset in catalogue.datasets.items():
        made = rows(name, {}, {}, group=group)
        assert made.schema == dataset.schema
        assert all(made[column].null_count() == 0 for column in dataset.required)
    orders = rows("orders", {"total_amount": "12.5"}, {"status": "void"})
    assert orders["source_record_id"].to_list() == ["orders-1", "orders-2"]
    with pytest.raises(KeyError, match="orders has no column"):
        rows("orders", {"totl": 1})
