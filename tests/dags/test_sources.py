"""The sources of `sources.yml` as tasks: their pools, and how their logins are handed over."""

import json
import typing
from pathlib import Path

import pytest
from pydantic import BaseModel

pytestmark = pytest.mark.filterwarnings(
    "ignore:Using .httpx. with .starlette.testclient.",
    # Airflow keeps each version of a DAG, and at times looks for a run's as if there were one only.
    "ignore:Multiple rows returned with uselist=False for lazily-loaded attribute .DagRun",
)

POOLS = json.loads(
    (Path(__file__).resolve().parents[2] / "dags" / "pools.json").read_text(encoding="utf-8")
)
SECRETS = {
    "password": 'geheim"wörd 密码',
    "client_id": "1000.CLIENT",
    "key": {"private": "-----BEGIN KEY-----\nfirst line\nsecond line\n"},
    "codes": ["code of one", 12345678],
}
WORDS = [
    "geheim",
    "5bc6",  # the same password as JSON writes it
    "密码",
    "CLIENT",
    "BEGIN",
    "first line",
    "second line",
    "code of",
    "12345678",
]
PLAIN = {"host": "crm.example", "port": 8443, "login": "reader", "schema": "sales"}


def systems():
    """Every `type` that a source in sources.yml may have."""
    from pipelines.rules.schemas import RuleBook

    sources = RuleBook.model_fields["sources"].annotation.model_fields["sources"].annotation
    return {
        name
        for model in models_in(sources)
        for name in typing.get_args(model.model_fields["type"].annotation)
    }


def models_in(annotation):
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in typing.get_args(annotation) for model in models_in(part)]


def test_every_system_has_a_pool_that_says_why_it_has_so_many_slots():
    assert "files" in systems()
    assert systems() <= set(POOLS)
    for name, pool in POOLS.items():
        assert set(pool) == {"slots", "description"}, name
        assert 1 <= pool["slots"] <= 4, name
        assert len(pool["description"]) > 40, name


def test_airflow_takes_the_pools(airflow_database):
    from airflow.cli.commands.pool_command import pool_import_helper
    from airflow.models.pool import Pool

    pool_import_helper(Path(__file__).resolve().parents[2] / "dags" / "pools.json")

    taken = {pool.pool: pool.slots for pool in Pool.get_pools()}
    assert {name: taken[name] for name in POOLS} == {n: p["slots"] for n, p in POOLS.items()}


def test_each_source_is_a_task_in_the_pool_of_its_system(night_of):
    night = night_of(
        "sources: [{name: eu, type: zoho_crm}, {name: cn, type: zoho_crm}, {name: x, type: files}]"
    )
    pools = {name: night.get_task(name).pool for name in night.task_ids}
    read = {name: pool for name, pool in pools.items() if name.startswith("extract_")}
    assert read == {"extract_eu": "zoho_crm", "extract_cn": "zoho_crm", "extract_x": "files"}
    assert {pool for name, pool in pools.items() if name not in read} == {"default_pool"}


@pytest.mark.parametrize(
    ("sources", "wrong"),
    [
        pytest.param("", "names no source", id="empty file"),
        pytest.param("sources:", "names no source", id="no list"),
        pytest.param("- sources", "names no source", id="not a mapping"),
        pytest.param("sources: {crm: files}", "names no source", id="a mapping of sources"),
        pytest.param("sources: [crm]", "source 1", id="not a mapping of a source"),
        pytest.param("sources: [{type: files}]", "source 1", id="no name"),
        pytest.param("sources: [{name: crm}]", "source 1", id="no type"),
        pytest.param("sources: [{name: Crm, type: files}]", "source 1", id="capital"),
        pytest.param("sources: [{name: 'a; rm -rf ~', type: files}]", "source 1", id="shell"),
        pytest.param('sources: [{name: "crm\\n", type: files}]', "source 1", id="line end"),
        pytest.param(f"sources: [{{name: {'a' * 64}, type: files}}]", "source 1", id="too long"),
        pytest.param("sources: [{name: crm, type: [files]}]", "source 1", id="list for a type"),
        pytest.param(
            "sources: [{name: a, type: files}, {name: a, type: ga4}]", "twice", id="same name twice"
        ),
        pytest.param("sources: [\n  {name", "is not YAML, see line 2", id="no YAML"),
        pytest.param("sources: \0", "is not YAML", id="binary"),
        pytest.param("a: !!bool x", "is not YAML: KeyError", id="what the YAML library trips over"),
        pytest.param("a: " + "[" * 9999, "is not YAML: RecursionError", id="too deep"),
        pytest.param("#" * 300_000, "is larger than 256 KB", id="too large"),
    ],
)
def test_a_file_that_cannot_be_read_gives_no_source_and_a_reason(night_of, sources, wrong):
    night = night_of(sources)
    assert not [name for name in night.task_ids if name.startswith("extract_")]
    assert wrong in night.get_task("check_sources").fault
    assert night.get_task("land").upstream_task_ids == {"check_sources"}


def test_the_companys_file_is_read_else_the_packaged_one(night_of, monkeypatch, tmp_path):
    import _sources

    packaged = _sources.PROJECT / "pipelines" / "rules" / "sources.yml"
    for elsewhere in ["", str(tmp_path), str(tmp_path / "missing")]:
        monkeypatch.setenv("C360_RULES_DIR", elsewhere)
        assert _sources.rules_file("sources.yml") == packaged
    own = tmp_path / "sources.yml"
    own.write_text("sources: []")
    monkeypatch.setenv("C360_RULES_DIR", str(tmp_path))
    assert _sources.rules_file("sources.yml") == own
    monkeypatch.setattr(_sources, "PROJECT", tmp_path.parent)
    monkeypatch.setenv("C360_RULES_DIR", tmp_path.name)
    assert _sources.rules_file("sources.yml") == own


@pytest.fixture
def keep(monkeypatch):
    """Let Airflow know a connection."""

    def keep(name, **fields):
        fields = {"conn_type": "generic"} | fields
        monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps(fields))

    return keep


@pytest.fixture
def logged(capfd, caplog):
    """All that has been logged, wherever Airflow writes it in a test."""
    return lambda: "".join(capfd.readouterr()) + caplog.text


def test_a_login_reaches_its_command_and_nothing_that_airflow_writes(
    night, lake, keep, airflow_home, logged
):
    extra = {name: value for name, value in SECRETS.items() if name != "password"}
    keep("crm", **PLAIN, password=SECRETS["password"], extra=extra)

    run = night.test(logical_date=None, run_conf={"date": "2026-06-30"})

    assert run.state == "success"
    assert json.loads((lake / "login_of_crm").read_text()) == PLAIN | SECRETS
    log = logged()
    kept = b"".join(path.read_bytes() for path in airflow_home.rglob("*") if path.is_file())
    assert 'the login is {"host": "crm.example"' in log
    assert b"BUSINESS_DAY" in kept
    for secret in WORDS:
        assert secret not in log, secret
        assert secret.encode() not in kept, secret


def test_a_login_in_the_environment_goes_before_the_connection_and_is_covered_too(
    night, lake, keep, monkeypatch, logged
):
    monkeypatch.setenv("C360_SOURCE_CRM", '{"token": "of the environment"}')
    keep("crm", extra={"token": "of the connection"})

    night.test(logical_date=None, run_conf={"date": "2026-06-30"})

    assert (lake / "login_of_crm").read_text() == '{"token": "of the environment"}'
    assert 'the login is {"token": "***"}' in logged()


def test_the_login_of_the_database_that_serves_comes_from_its_connection(night, lake, keep):
    keep("serve_postgres", host="bi.example", login="loader", password="geheim", schema="bi")  # noqa: S106

    run = night.test(logical_date=None, run_conf={"date": "2026-06-30"})

    assert run.state == "success"
    told = json.loads((lake / "login_of_serve_postgres").read_text())
    assert told == {"host": "bi.example", "login": "loader", "password": "geheim", "schema": "bi"}


def test_a_source_without_a_connection_has_no_variable(night, lake):
    run = night.test(logical_date=None, run_conf={"date": "2026-06-30"})

    assert run.state == "success"
    assert (lake / "login_of_crm").read_text() == ""


@pytest.mark.parametrize("extra", ["geheim, but no JSON", '["geheim"]', '"geheim"'])
def test_an_extra_that_is_no_object_is_told_without_its_text(
    night_of, lake, keep, monkeypatch, logged, extra
):
    night = night_of("sources: [{name: crm, type: zoho_crm}]")
    monkeypatch.setenv("LISTED", '["crm"]')
    keep("crm", extra=extra)

    run = night.test(logical_date=None, run_conf={"date": "2026-06-30"})

    assert run.state == "failed"
    log = logged()
    assert "reason: the extra of the Airflow connection crm is not a JSON object" in log
    assert "geheim" not in log
    assert not (lake / "login_of_crm").exists()


def test_reading_the_dags_asks_for_no_connection(night_of, monkeypatch):
    from airflow.sdk import Connection

    monkeypatch.setattr(Connection, "get", lambda conn_id: pytest.fail(f"asked for {conn_id}"))
    assert night_of("sources: [{name: crm, type: zoho_crm}]").get_task("extract_crm")


def test_a_secret_is_known_in_each_spelling_a_log_may_show_and_the_longest_first(night):
    from _login import secrets_in

    def secrets(login):
        return secrets_in(json.dumps(login))

    assert secrets({"password": "a/b c&d"}) == ("a%2Fb%20c%26d", "a/b c&d")
    assert secrets({"password": 'x"geheim'}) == ("x%22geheim", 'x\\"geheim', 'x"geheim')
    assert secrets({"region": "eu", "is_live": True, "none": None} | PLAIN) == ()
    assert secrets_in("") == ()
    assert secrets_in("postgres") == ("postgres",)
    assert secrets_in("[[1234567]]") == ("1234567",)
