"""The documentation that dbt writes of a night: it tells of tables, and of nobody in them."""

import pytest

from pipelines.lake import Lake
from pipelines.line import build_docs
from pipelines.serve import POLICY
from pipelines.settings import Settings
from tests.pipeline.conftest import Night
from tests.pipeline.nights import personal_values

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def page(night: Night, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """dbt's page of the night, made in a home of its own that borrows the run."""
    lake = Lake(tmp_path_factory.mktemp("home"))
    lake.runs.symlink_to(night.run.path.parent)
    made = build_docs(Settings(home=lake.home, rules_dir=night.rules), night.as_of)
    assert made == lake.docs
    return made.read_bytes()


def test_every_mart_is_described_on_it(page: bytes) -> None:
    for told in (b"customer_360", b"grade_gaps", b"list_decisions"):
        assert told in page


def test_no_value_of_a_person_is_on_it(page: bytes, night: Night) -> None:
    text = page.decode()
    values = personal_values(night.home)
    assert len(values) > 1_000
    assert [value for value in values if value in text] == []


def test_it_may_ask_nobody_for_anything_from_disk_too(page: bytes) -> None:
    policy = POLICY.search(page[:1_000])[1].decode()
    assert policy.startswith("default-src 'none'; ")
    assert not {"http", "connect-src", "*", "'self'"} & set(policy.replace(";", "").split())
    assert b'"send_anonymous_usage_stats": false' in page
