"""What runs in containers gets no right, no door and no secret it does not need.

There is no container engine in the tests: the rules are checked on the parsed files.
"""

import re
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).resolve().parents[2]
TEXT = (PROJECT / "docker-compose.yml").read_text(encoding="utf-8")
COMPOSE = yaml.safe_load(TEXT)
SERVICES = COMPOSE["services"]
AIRFLOW = sorted(set(SERVICES) - {"postgres", "fake-apis", "superset"})
ONE_SHOT = {"airflow-init"}
DOCKERFILE = (PROJECT / "Dockerfile").read_text(encoding="utf-8").splitlines()

every_service = pytest.mark.parametrize("name", sorted(SERVICES))


def mounts(name):
    """Source, target and mode of each volume of a service."""
    for volume in SERVICES[name].get("volumes", []):
        if isinstance(volume, dict):
            mode = ["ro"] if volume.get("read_only") else []
            yield f"{volume['source']}/{volume['volume']['subpath']}", volume["target"], mode
            continue
        # A default such as ${C360_LAKE:-lake} holds a colon of its own.
        source, target, *mode = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", volume).split(":")
        yield source, target, mode


def test_all_parts_are_there():
    expected = {"postgres", "airflow-init", "api-server", "scheduler", "dag-processor", "triggerer"}
    assert {name for name in SERVICES if "profiles" not in SERVICES[name]} == expected
    assert set(SERVICES) - expected == {"fake-apis", "superset"}


@every_service
def test_an_image_has_an_exact_tag(name):
    assert re.fullmatch(r"[a-z0-9-]+:\d+\.\d+(\.\d+)?(-[a-z]+)?", SERVICES[name]["image"])


@every_service
def test_nobody_is_root(name):
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", SERVICES[name]["user"])
    assert "privileged" not in SERVICES[name]


@every_service
def test_nothing_can_be_written_but_the_named_places(name):
    assert SERVICES[name]["read_only"] is True
    assert all("size=" in place for place in SERVICES[name]["tmpfs"])


@every_service
def test_no_capability_and_no_new_privilege(name):
    assert SERVICES[name]["cap_drop"] == ["ALL"]
    assert "cap_add" not in SERVICES[name]
    assert SERVICES[name]["security_opt"] == ["no-new-privileges:true"]


@every_service
def test_memory_and_processes_are_limited(name):
    assert re.fullmatch(r"(\$\{\w+:-)?\d+g\}?", SERVICES[name]["mem_limit"])
    assert 0 < SERVICES[name]["pids_limit"] <= 1024


@every_service
def test_logs_are_limited(name):
    assert SERVICES[name]["logging"]["options"]["max-size"]


@pytest.mark.parametrize("name", sorted(set(SERVICES) - ONE_SHOT))
def test_a_service_that_stays_tells_its_health(name):
    check = SERVICES[name]["healthcheck"]
    assert check["test"][0] == "CMD"
    assert {"interval", "timeout", "retries"} <= set(check)
    assert SERVICES[name]["restart"] == "unless-stopped"


@every_service
def test_ports_are_open_to_this_machine_only(name):
    ports = SERVICES[name].get("ports", [])
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert bool(ports) == (name in {"api-server", "superset"})


@every_service
def test_no_way_to_the_docker_engine_or_the_hosts_own_namespaces(name):
    assert not any("docker.sock" in source for source, _, _ in mounts(name))
    assert not {"network_mode", "pid", "ipc", "devices", "userns_mode"} & set(SERVICES[name])


def test_the_database_is_on_a_network_without_a_way_out():
    assert SERVICES["postgres"]["networks"] == ["metadata"]
    assert COMPOSE["networks"]["metadata"]["internal"] is True
    ways_out = {
        name for name, network in COMPOSE["networks"].items() if not (network or {}).get("internal")
    }
    with_a_way_out = {n for n in SERVICES if ways_out & set(SERVICES[n]["networks"])}
    assert with_a_way_out == {"api-server", "scheduler", "superset"}


def test_the_made_up_systems_start_only_when_asked_for_and_only_the_scheduler_reaches_them():
    service = SERVICES["fake-apis"]
    assert service["profiles"] == ["demo"]
    command = "c360 demo serve --host 0.0.0.0 --port 8090 --no-database"
    assert " ".join(service["command"]) == command
    assert "http://127.0.0.1:8090/health" in service["healthcheck"]["test"][-1]
    assert service["networks"] == ["stand-ins"]
    assert COMPOSE["networks"]["stand-ins"]["internal"] is True
    assert {n for n in SERVICES if "stand-ins" in SERVICES[n]["networks"]} == {
        "fake-apis",
        "scheduler",
    }


def test_the_made_up_systems_hold_no_secret_and_nothing_of_airflow():
    service = SERVICES["fake-apis"]
    assert service["secrets"] == []
    assert not [key for key in service["environment"] if key.startswith("AIRFLOW")]
    assert [(to, mode) for _, to, mode in mounts("fake-apis")] == [("/lake", ["ro"])]
    for key in ("image", "user", "build"):
        assert service[key] == SERVICES["scheduler"][key]


def test_who_parses_the_dags_reads_the_same_sources_as_the_steps():
    rules = [(source, to, mode) for source, to, mode in mounts("scheduler") if to == "/rules"]
    assert rules == [mount for mount in mounts("dag-processor") if mount[1] == "/rules"]


def test_the_pools_are_there_before_the_first_task():
    command = SERVICES["airflow-init"]["command"]
    assert command[:2] == ["sh", "-c"]
    assert command[2] == "airflow db migrate && exec airflow pools import dags/pools.json"
    workdir = next(line for line in DOCKERFILE if line.startswith("WORKDIR "))
    assert workdir.split()[1] == SERVICES["scheduler"]["environment"]["C360_PROJECT_DIR"]
    assert "COPY dags ./dags" in DOCKERFILE
    assert (PROJECT / "dags" / "pools.json").is_file()


def test_only_the_scheduler_writes_the_lake_and_has_the_pipelines_secrets():
    writers = {n for n in SERVICES for _, to, mode in mounts(n) if to == "/lake" and mode != ["ro"]}
    holders = {n for n in SERVICES if "pipeline_secrets" in SERVICES[n]["secrets"]}
    assert writers == holders == {"scheduler"}
    assert all(mode == ["ro"] for _, to, mode in mounts("scheduler") if to in {"/rules", "/inbox"})


def test_superset_sees_releases_and_nothing_else_of_the_lake():
    assert [*mounts("superset")] == [
        ("lake/published", "/lake/published", ["ro"]),
        ("superset", "/superset", []),
    ]


def test_every_secret_is_a_file_that_is_not_kept_with_the_code():
    for name, secret in COMPOSE["secrets"].items():
        assert set(secret) == {"file"}, name
        assert secret["file"].startswith("secrets/"), name
    assert "secrets/" in (PROJECT / ".gitignore").read_text(encoding="utf-8").split()
    assert ".env" in (PROJECT / ".gitignore").read_text(encoding="utf-8").split()
    for service in SERVICES.values():
        assert set(service["secrets"]) <= set(COMPOSE["secrets"])


@every_service
def test_no_secret_and_no_default_password_in_the_environment(name):
    for key, value in SERVICES[name]["environment"].items():
        if re.search(r"PASSWORD|SECRET|KEY|TOKEN|SQL_ALCHEMY_CONN", key):
            from_a_file = key.endswith(("_CMD", "_FILE"))
            assert from_a_file, f"{key} holds a value instead of pointing to a file"
            assert "/run/secrets/" in value or key.endswith("PASSWORDS_FILE"), key


@pytest.mark.parametrize("name", AIRFLOW)
def test_airflow_knows_each_option_and_reads_secrets_by_command(name):
    from airflow.configuration import conf

    for key in SERVICES[name]["environment"]:
        if not key.startswith("AIRFLOW__"):
            continue
        _, section, option = key.lower().split("__")
        if option.endswith("_cmd"):
            option = option.removesuffix("_cmd")
            assert (section, option) in conf.sensitive_config_values, key
        assert option in conf.configuration_description[section]["options"], key


def test_the_commands_that_read_secrets_print_them(tmp_path):
    """As Airflow does: split like a shell does, run without one, take the output."""
    import shlex
    import subprocess

    (tmp_path / "postgres_password").write_text("0a1b2c\n")
    line = SERVICES["scheduler"]["environment"]["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD"]
    line = line.replace("$$", "$").replace("/run/secrets", str(tmp_path))
    printed = subprocess.run(shlex.split(line), capture_output=True, text=True, check=True).stdout
    assert printed == "postgresql+psycopg://airflow:0a1b2c@postgres:5432/airflow"


def test_each_variable_has_a_default_and_is_explained_in_the_example():
    used = set(re.findall(r"(?<!\$)\$\{(\w+)(?::-[^}]*)?\}", TEXT))
    assert used == set(re.findall(r"(?<!\$)\$\{(\w+):-", TEXT))
    example = (PROJECT / ".env.example").read_text(encoding="utf-8")
    assert set(re.findall(r"^(\w+)=", example, re.M)) == used


def test_the_manual_says_how_to_make_each_secret():
    manual = (PROJECT / "docs" / "operations.md").read_text(encoding="utf-8")
    for secret in COMPOSE["secrets"].values():
        assert secret["file"] in manual


def test_the_image_is_built_from_an_exact_base_and_the_hashed_lock():
    bases = [line for line in DOCKERFILE if line.startswith("FROM ")]
    assert len(bases) == 1
    assert re.fullmatch(r"FROM python:3\.11\.\d+-slim-bookworm", bases[0])
    installs = [line for line in DOCKERFILE if "pip install" in line]
    assert installs == [
        "RUN pip install --no-deps --require-hashes -r requirements.lock",
        "RUN pip install --no-deps --no-build-isolation . && pip check",
    ]


def test_the_image_runs_as_the_user_of_the_services():
    users = [line.split()[1] for line in DOCKERFILE if line.startswith("USER ")]
    assert users == [SERVICES["scheduler"]["user"]]
    assert not any(line.startswith(("ADD ", "ENTRYPOINT ")) for line in DOCKERFILE)


def test_the_image_takes_only_what_it_names():
    ignored = (PROJECT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in ignored if line and not line.startswith("#")]
    assert rules[0] == "*"
    copied = {
        word.removeprefix("./")
        for line in DOCKERFILE
        if line.startswith("COPY ")
        for word in line.split()[1:-1]
    }
    assert {rule[1:] for rule in rules if rule.startswith("!")} == copied
