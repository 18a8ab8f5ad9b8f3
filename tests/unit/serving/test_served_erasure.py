"""Who is erased is erased from PostgreSQL too."""

# ruff: noqa: S608 - the SQL of tests is their own

from dataclasses import replace

import pytest
import yaml
from serving_rig import PACKAGED_RULES

from pipelines.lake import Lake
from pipelines.release import find_releases, roll_back
from tests.unit.erasure.erasure_home import CANARY, CHEN, FORMER, LI, WANG, make_home

WORDS = CANARY - {"c77"}  # so short that a digest may have it


@pytest.fixture
def home(office, tmp_path, c360, monkeypatch):
    """Two releases of three customers, both in PostgreSQL; gives the command line on them."""
    settings = make_home(tmp_path / "erasure")
    content = PACKAGED_RULES | {"postgres": {}}
    (settings.rules_dir / "serving.yml").write_text(yaml.safe_dump(content))
    for name, value in {
        "C360_HOME": settings.home,
        "C360_RULES_DIR": settings.rules_dir,
        "C360_PSEUDONYM_KEY": "k",
        "C360_AUDIT_KEY": "a",
    }.items():
        monkeypatch.setenv(name, str(value))
    office = replace(office, lake=Lake(settings.home))
    older, newer = (release.path.name for release in find_releases(office.lake))
    for name in (older, newer):
        roll_back(office.lake, name)
        office.serve()
    return office


def everything_in(office) -> str:
    """All rows of all tables of the database."""
    tables = office.ask(
        "select relnamespace::regnamespace::text || '.' || quote_ident(relname) from pg_class "
        "where relnamespace::regnamespace::text like 'c360%' and relkind = 'r'"
    )
    return "\n".join(
        str(row) for (table,) in tables for row in office.ask(f"select t::text from {table} as t")
    )


def test_after_an_erasure_no_row_of_the_database_tells_of_the_person(home, c360):
    found = everything_in(home)
    assert {word for word in WORDS if word in found} == {LI, FORMER}
    code, said = c360("erase", "crm:c77", "--by", "Ana", "--because", "request 12")
    assert code == 0, said
    assert "c360 serve postgres" in said
    code, said = c360("serve", "postgres")
    assert code == 0, said
    assert "2 old taken away" in said
    found = everything_in(home)
    assert {word for word in WORDS if word in found} == set()
    assert home.ask("select count(*) from c360_steward.customer_aliases") == [(0,)]
    assert home.ask("select customer_id from c360_steward.customer_360 order by 1") == [
        (CHEN,),
        (WANG,),
    ]
