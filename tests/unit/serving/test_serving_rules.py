"""`serving.yml`: what it refuses, in words, and what a role may see by it."""

from dataclasses import replace

import pytest
import yaml
from factories import PROJECT
from serving_rig import PACKAGED_RULES

from pipelines.catalogue import load_catalogue
from pipelines.configured import configured_rules
from pipelines.errors import C360Error
from pipelines.publish import KEPT_RULES
from pipelines.rules.serving import Role, Serving
from pipelines.serving.access import Access, View
from pipelines.serving.tables import Table
from pipelines.settings import load_settings


@pytest.fixture
def rules(tmp_path, monkeypatch):
    """The rules, with a serving.yml of one role."""
    monkeypatch.setenv("C360_RULES_DIR", str(tmp_path))

    def read(postgres=None, logins=None, groups=None, name="reader", **role):
        content = PACKAGED_RULES | {
            "postgres": postgres or {},
            "groups": groups or PACKAGED_RULES["groups"],
            "roles": {name: {"marts": ["sums"]} | role},
            "logins": logins or {},
        }
        (tmp_path / "serving.yml").write_text(yaml.safe_dump(content))
        return configured_rules(load_settings()).serving

    return read


def test_the_packaged_file_is_off_and_sound_when_turned_on(tmp_path, monkeypatch):
    monkeypatch.delenv("C360_RULES_DIR", raising=False)
    assert configured_rules(load_settings()).serving.postgres is None
    on = tmp_path / "serving.yml"
    on.write_text(yaml.safe_dump(PACKAGED_RULES | {"postgres": {"schema": "bi"}}))
    monkeypatch.setenv("C360_RULES_DIR", str(tmp_path))
    postgres = configured_rules(load_settings()).serving.postgres
    assert (postgres.schema_, postgres.keep_releases) == ("bi", 2)
    assert postgres.variable == "C360_SERVE_POSTGRES"


def test_who_may_see_whose_rows_is_no_part_of_a_release():
    assert "serving.yml" not in KEPT_RULES


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ({"marts": ["sum"]}, "role reader: there is no group or mart sum. Did you mean sums?"),
        (
            {"groups": {"a": ["audiense"]}},
            "group a: there is no mart audiense. Did you mean audience",
        ),
        ({"groups": {"audience": ["metrics"]}}, "group audience has the name of a mart"),
        ({"groups": {"all": ["metrics"]}}, "group all has the name of a mart"),
        ({"rows": {"contry_code": ["GB"]}}, "customer_360 has no column contry_code. Did you mean"),
        ({"rows": {"order_count": "by_login"}}, "limited so by order_count, which is bigint"),
        ({"rows": {"is_guest": "by_login"}}, "limited so by is_guest, which is boolean"),
        ({"rows": {"is_guest": ["yes"]}}, "limited so by is_guest, which is boolean"),
        ({"rows": {"country_code": [True]}}, "limited so by country_code, which is varchar"),
        ({"rows": {"country_code": []}}, "rows > country_code"),
        ({"logins": {"ana": {"country": ["GB"]}}}, "login ana: customer_360 has no column country"),
        (
            {"marts": ["records"], "rows": {"country_code": ["GB"]}},
            "role reader: identity_edges has no customer_id by which its rows could be limited",
        ),
        ({"clear": ["all"]}, "clear"),
        ({"name": "owner"}, "owner is a name that we need ourselves"),
        ({"name": "x_owner"}, "x_owner is a name that we need ourselves"),
        ({"name": "r7"}, "r7 is a name that we need ourselves"),
        ({"name": 'a"; drop schema c360 --'}, "roles"),
        ({"name": "a" * 25}, "roles"),
        ({"postgres": {"schema": "c360.x"}}, "postgres > schema"),
        ({"postgres": {"schema": "pg'; --"}}, "postgres > schema"),
        ({"postgres": {"keep_releases": 1}}, "keep_releases"),
        ({"postgres": {"host": "db"}}, "host is not a key"),
    ],
)
def test_a_fault_is_a_sentence(rules, told, sentence):
    with pytest.raises(C360Error) as caught:
        rules(**told)
    assert sentence in str(caught.value)


# --- What a role sees of a column ----------------------------------------------------------------


def shown(pii: str | None, kind: str, *clear: str) -> str:
    """What a view selects for a column."""
    mart = load_catalogue(PROJECT)["pipeline", "metrics"]
    column = replace(mart.columns[0], name="x", pii=pii, data_type=kind)
    table = Table(replace(mart, columns=(column,)), ())
    role = Role(marts=("metrics",), clear=clear)
    [view] = Access("c360", Serving(roles={"one": role}), (table,)).views_of(table)
    assert isinstance(view, View)
    return view.shown["x"]


@pytest.mark.parametrize(
    ("pii", "kind", "clear", "selected"),
    [
        (None, "varchar", (), '"x"'),
        ("quasi", "varchar", (), """case when "x" is not null then E'***' end as "x\""""),
        ("quasi", "varchar", ("quasi",), '"x"'),
        ("quasi", "varchar", ("direct",), """case when "x" is not null then E'***' end as "x\""""),
        ("direct", "varchar", ("quasi",), """case when "x" is not null then E'***' end as "x\""""),
        ("direct", "varchar", ("direct", "quasi"), '"x"'),
        (
            "key",
            "varchar",
            ("direct", "quasi"),
            """case when "x" is not null then E'***' end as "x\"""",
        ),
        ("key", "varchar", ("key",), '"x"'),
        ("direct", "date", (), 'null::date as "x"'),
        ("quasi", "decimal(18, 4)", (), 'null::numeric(18,4) as "x"'),
        ("quasi", "timestamp", (), 'null::timestamp without time zone as "x"'),
        ("direct", "varchar[]", (), 'null::text[] as "x"'),
    ],
)
def test_a_personal_column_is_masked_unless_its_kind_is_clear(pii, kind, clear, selected):
    assert shown(pii, kind, *clear) == selected
