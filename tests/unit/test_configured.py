"""Rules that lean on each other: a priority is for a source that there is."""

import pytest
import yaml

from pipelines.configured import configured_rules
from pipelines.errors import C360Error
from pipelines.rules import PACKAGED
from pipelines.settings import load_settings


@pytest.fixture
def prefer(home, tmp_path, monkeypatch):
    """Rules of a company with a CRM, whose genders come from the given sources first."""

    def configure(*sources: str):
        rules = yaml.safe_load((PACKAGED / "survivorship.yml").read_text(encoding="utf-8"))
        rules["groups"]["gender"] = {"strategy": "source_priority", "sources": list(sources)}
        crm = {"name": "crm", "type": "files", "path": str(tmp_path)}
        for name, content in (("survivorship", rules), ("sources", {"sources": [crm]})):
            text = yaml.safe_dump(content, allow_unicode=True)
            (tmp_path / f"{name}.yml").write_text(text, encoding="utf-8")
        monkeypatch.setenv("C360_RULES_DIR", str(tmp_path))
        return configured_rules(load_settings())

    return configure


def test_a_source_that_there_is_may_have_priority(prefer):
    assert prefer("crm").survivorship.groups["gender"].sources == ("crm",)


def test_a_priority_for_a_source_that_there_is_not_is_refused_as_it_would_win_nothing(prefer):
    with pytest.raises(
        C360Error, match=r"group gender: sources\.yml has no source crmm"
    ) as refused:
        prefer("crm", "crmm")
    assert refused.value.hint == "Did you mean crm?"
