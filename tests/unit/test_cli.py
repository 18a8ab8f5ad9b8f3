import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
import typer
from small_releases import release_night

from pipelines import cli
from pipelines.audit import read_acts
from pipelines.lake import write_text
from pipelines.release import release_run, write_manifest
from tests.unit.identity.identity_people import KEY, contact, ids, resolve, signals_of

PROJECT = Path(__file__).resolve().parents[2]
DATED = [
    ("nightly",), ("land",), ("resolve",), ("score",), ("publish",), ("release",), ("status",),
    ("docs",), ("transform", "profile"), ("gate", "marts"), ("extract", "shop"),
    ("identity", "train"),
]  # fmt: skip
ASKED = [("why", "crm:li"), ("why-merged", "crm:li", "shop:wang")]


def commands(app=cli.app, path=()):
    """Every command there is, as the words to call it."""
    group = typer.main.get_command(app)

    def walk(command, words):
        if hasattr(command, "commands"):
            for name, inner in command.commands.items():
                yield from walk(inner, (*words, name))
        else:
            yield words, command

    return list(walk(group, path))


@pytest.fixture
def rules_dir(tmp_path, monkeypatch):
    folder = tmp_path / "rules"
    folder.mkdir()
    monkeypatch.setenv("C360_RULES_DIR", str(folder))
    return folder


@pytest.fixture
def shop(rules_dir, tmp_path):
    """One source, whose drop folder is empty."""
    drop = tmp_path / "drop"
    drop.mkdir()
    (rules_dir / "sources.yml").write_text(
        f"base_currency: GBP\nsources:\n  - {{name: shop, type: files, path: {drop}}}\n"
    )
    return drop


@pytest.mark.parametrize("words", [words for words, _ in commands()], ids=" ".join)
def test_every_command_explains_itself_with_an_example(c360, words):
    code, text = c360(*words, "--help")
    assert code == 0
    assert "Example" in text
    assert f"c360 {' '.join(words)}" in text


def test_the_commands_are_those_the_design_promises():
    names = {" ".join(words) for words, _ in commands()}
    assert names >= {
        "nightly", "extract", "land", "transform", "resolve", "score", "gate", "publish",
        "release",
        "status", "rollback", "rules check", "quarantine list", "demo serve", "docs",
        "sources check", "sources add", "why", "why-merged", "history", "identity train",
        "backtest", "segment preview", "segment lint", "segment diff", "accept", "audit verify",
    }  # fmt: skip


def test_the_demo_explains_itself_and_takes_its_date_as_any_command_does(c360):
    code, text = c360("demo", "--help")
    assert (code, "Example: c360 demo --customers" in text) == (0, True)
    code, text = c360("demo", "--date", "tomorrow")
    assert code == 2
    assert "is not a date; write it as 2026-06-30." in " ".join(text.replace("│", " ").split())


def test_sources_check_tells_in_a_table_and_by_its_exit_code(c360, shop):
    for name in ("orders-1.csv", "notes.txt"):
        (shop / name).touch()
    code, text = c360("sources", "check")
    assert (code, "shop" in text, "✓" in text) == (0, True, True)
    assert f"1 file of landing tables in {shop}, 1 of no landing table" in text
    (shop / "orders-1.csv").unlink()
    code, text = c360("sources", "check")
    assert (code, "✓" in text, "!" in text) == (0, False, True)
    assert "next: Put files named <landing table>*.csv" in text.splitlines()[-1]
    (shop / "notes.txt").unlink()
    shop.rmdir()
    code, text = c360("sources", "check")
    assert (code, "✗" in text, "does not exist" in " ".join(text.split())) == (1, True, True)


def test_sources_add_shows_what_it_wrote_and_what_comes_next(c360, shop):
    code, text = c360("sources", "add", "crm", "--type", "zoho_crm")
    assert code == 0
    assert "client_id, client_secret, refresh_token" in " ".join(text.split())
    assert "- name: crm" in text
    code, text = c360("sources", "add", "crm", "--type", "zoho_crm")
    assert code == 1
    assert "already" in text


@pytest.mark.parametrize("words", [(), ("rules",), ("quarantine",), ("identity",)])
def test_without_a_command_it_shows_what_there_is(c360, words):
    code, text = c360(*words)
    assert code == 2
    assert "Usage: c360" in text


@pytest.mark.parametrize("words", [*DATED, *ASKED], ids=" ".join)
@pytest.mark.parametrize(
    "day",
    ["30.06.2026", "2026-02-30", "2026-06", "today", "", "2026-06-30T00:00", "2026-6-30x", "../x"],
)
def test_a_date_that_is_none_is_refused_and_shown_how_to_write_it(c360, words, day):
    code, text = c360(*words, "--date", day)
    assert code == 2
    assert "is not a date; write it as 2026-06-30." in " ".join(text.replace("│", " ").split())


@pytest.mark.parametrize("words", [words for words in DATED if words[0] != "extract"], ids=" ".join)
def test_a_command_without_its_date_asks_for_it(c360, words):
    code, text = c360(*words)
    assert code == 2
    assert "--date" in text


@pytest.mark.parametrize("words", [("transform", "all"), ("gate", "everything"), ("gate", "../x")])
def test_an_unknown_stage_is_refused_with_the_ones_there_are(c360, words):
    code, text = c360(*words, "--date", "2026-06-30")
    assert code == 2
    assert "profile" in text
    assert "marts" in text


def test_a_mistyped_command_is_refused(c360):
    code, text = c360("nightli")
    assert code == 2
    assert "nightli" in text


@pytest.mark.parametrize("words", [("nightly",), ("extract",), ("extract", "--list")])
def test_without_sources_it_says_how_to_write_some(c360, words):
    code, text = c360(*words, "--date", "2026-06-30")
    assert code == 1
    assert "error: No sources are configured." in text
    assert "next:" in text
    assert "sources.yml" in text


def test_sources_are_listed_for_machines(c360, shop):
    assert c360("extract", "--list") == (0, json.dumps(["shop"]) + "\n")


def test_extract_needs_a_date(c360, shop):
    code, text = c360("extract", "shop")
    assert code == 1
    assert "Add --date YYYY-MM-DD." in text


@pytest.mark.parametrize("name", ["shopp", "../../x", "a/b", "Shop", "[bold]x[/bold]", "x" * 300])
def test_an_unknown_source_is_refused(c360, shop, home, name):
    code, text = c360("extract", name, "--date", "2026-06-30")
    assert code == 1
    assert "error: There is no s" in text
    assert name in text
    assert not (home / "x.json").exists()


def test_a_source_with_an_empty_folder_says_what_to_put_there(c360, shop):
    code, text = c360("nightly", "--date", "2026-06-30")
    assert code == 1
    assert f"Source shop: {shop} holds nothing." in text
    assert "Put files named <landing table>*" in text


@pytest.mark.parametrize("words", [("rules", "check"), ("extract", "--list")])
def test_a_rules_directory_that_is_missing_is_named(c360, monkeypatch, tmp_path, words):
    monkeypatch.setenv("C360_RULES_DIR", str(tmp_path / "nowhere"))
    code, text = c360(*words)
    assert code == 1
    assert f"error: The rules directory {tmp_path / 'nowhere'} does not exist." in text
    assert "C360_RULES_DIR" in text


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("sources.yml", "sources: [", "is not YAML"),
        ("sources.yml", "bse_currency: GBP", "did you mean 'base_currency'?"),
        ("privacy.yml", "consent_months: 0\nminimum_age: 18", "consent_months"),
        ("segment.yml", "", "holds segment.yml, which no rule is read from"),
    ],
)
def test_a_fault_in_the_rules_is_a_sentence(c360, rules_dir, file, content, told):
    (rules_dir / file).write_text(content)
    code, text = c360("rules", "check")
    assert code == 1
    assert "error: " in text
    assert "next: " in text
    assert told in text


def test_a_hostile_condition_in_the_rules_is_refused_by_the_check(c360, rules_dir):
    packaged = (PROJECT / "pipelines" / "rules" / "segments.yml").read_text(encoding="utf-8")
    bad = packaged.replace("where: is_second_tier_network", "where: read_csv('/etc/passwd')")
    (rules_dir / "segments.yml").write_text(bad, encoding="utf-8")
    code, text = c360("rules", "check")
    assert code == 1
    assert "second_tier_network: " in text
    assert "READ_CSV('/etc/passwd') may not stand in it" in text
    assert "root:" not in text


def test_the_check_refuses_what_lint_calls_a_fault_all_at_once(c360, rules_dir):
    packaged = (PROJECT / "pipelines" / "rules" / "segments.yml").read_text(encoding="utf-8")
    bad = packaged.replace("where: is_second_tier_network", "where: grade <> 'E'")
    bad = bad.replace("order_by: net_margin_365d_amount desc", "order_by: spend desc")
    (rules_dir / "segments.yml").write_text(bad, encoding="utf-8")
    code, text = c360("rules", "check")
    assert code == 1
    assert "second_tier_network: grade is never 'E'; it is A, B, C, D." in text
    assert "vip_care: spend is not a column of the audience." in text
    _, linted = c360("segment", "lint", "--json")
    faults = [f for f in json.loads(linted)["findings"] if f["severity"] == "error"]
    assert all(f"{f['list']}: {f['told']}" in text for f in faults)


def test_sound_rules_are_counted(c360, shop):
    code, text = c360("rules", "check")
    assert code == 0
    assert "The rules are sound: 1 source, 22 lists" in text


@pytest.mark.parametrize("step", [words for words in DATED if words[0] in
                                  ("resolve", "score", "publish", "release", "transform", "gate")],
                         ids=" ".join)  # fmt: skip
def test_a_step_out_of_order_says_what_comes_before_it(c360, shop, step):
    code, text = c360(*step, "--date", "2026-06-30")
    assert code == 1
    assert f"{' '.join(step)} comes after" in text
    assert "c360 nightly --date 2026-06-30" in text


def test_landing_nothing_says_so(c360, shop):
    code, text = c360("land", "--date", "2026-06-30")
    assert code == 1
    assert "No data has been landed up to 2026-06-30." in text


def test_the_status_of_a_run_that_never_was_says_how_to_run_it(c360):
    code, text = c360("status", "--date", "2026-06-30")
    assert code == 1
    assert "There was no run of 2026-06-30." in text
    assert "c360 nightly --date 2026-06-30" in text


def test_the_status_shows_a_failed_step_with_its_reason_and_log(c360, shop):
    c360("land", "--date", "2026-06-30")
    code, text = c360("status", "--date", "2026-06-30")
    assert code == 0
    assert "land failed: No data has been landed" in text
    assert "land.log" in text


@pytest.mark.parametrize(
    ("words", "told"),
    [((), "Nothing has been released yet."), (("--to", "../x"), "Nothing has been released yet.")],
)
def test_a_rollback_with_nothing_released_is_refused(c360, words, told):
    code, text = c360("rollback", *words)
    assert code == 1
    assert told in text


def test_a_rollback_is_in_the_audit_log_with_who_and_why(c360, lake):
    for day in (date(2026, 6, 29), date(2026, 6, 30)):
        run = lake.run(day)
        write_text("x", run.release / "marts.txt")
        release_run(lake, run, write_manifest(run.release, {"date": str(day), "notes": []}))
    left, now = sorted((p.name for p in lake.published.glob("2026-*")), reverse=True)
    code, text = c360("rollback", "--by", "Ana Li", "--because", "grades are wrong")
    assert (code, f"current was {left}, and is {now} now." in text) == (0, True)
    [act] = read_acts(lake)
    assert [act[key] for key in ("actor", "action", "subject", "because", "facts")] == [
        "Ana Li", "rollback", now, "grades are wrong", {"left": left},
    ]  # fmt: skip
    assert c360("audit", "show")[1].count("rollback") == 1


def test_readers_are_rolled_back_even_if_the_audit_log_is_broken(c360, lake):
    for day in (date(2026, 6, 29), date(2026, 6, 30)):
        run = lake.run(day)
        release_run(lake, run, write_manifest(run.release, {"date": str(day), "notes": []}))
    write_text('{"number": 7}\n', lake.home / "audit.jsonl")
    code, text = c360("rollback")
    assert (code, "It is done, and not in the log: " in text) == (1, True)
    assert "does not verify" in text
    assert lake.current.resolve().name.startswith("2026-06-29")


def test_a_night_goes_on_from_a_step(c360, shop):
    code, text = c360("nightly", "--date", "2026-06-30", "--from", "gate mart")
    assert (code, "There is no step 'gate mart'." in text) == (1, True)
    code, text = c360("nightly", "--date", "2026-06-30", "--from", "gate marts")
    assert (code, "gate marts comes after transform marts, which has not run" in text) == (1, True)
    assert not (Path(os.environ["C360_HOME"]) / "raw").exists()


def test_a_night_that_goes_on_says_which_rules_have_changed_since_it_landed(c360, shop, rules_dir):
    privacy = (PROJECT / "pipelines" / "rules" / "privacy.yml").read_text(encoding="utf-8")
    (rules_dir / "privacy.yml").write_text(privacy, encoding="utf-8")
    header = "id,customer_source_id,status,currency,total_amount,ordered_at\n"
    (shop / "orders.csv").write_text(header + "1,a,paid,GBP,5.00,2026-06-01\n")
    for step in ("extract", "land"):
        assert c360(step, "--date", "2026-06-30")[0] == 0
    go_on = ("nightly", "--date", "2026-06-30", "--from", "gate marts")
    assert "warning" not in c360(*go_on)[1]
    # Who delivers or serves a release goes by these as they are then: no night need land again.
    for name in ("deliveries.yml", "serving.yml"):
        packaged = (PROJECT / "pipelines" / "rules" / name).read_text(encoding="utf-8")
        (rules_dir / name).write_text(packaged + "\n# signed off\n", encoding="utf-8")
    assert "warning" not in c360(*go_on)[1]
    (rules_dir / "privacy.yml").write_text(privacy + "\n# signed off\n", encoding="utf-8")
    _, text = c360(*go_on)
    assert "warning: changed since this run landed: privacy.yml. All its steps" in text
    assert "c360 nightly --date 2026-06-30 --from land." in text


def test_an_empty_quarantine_is_said_to_be_empty(c360):
    assert c360("quarantine", "list") == (0, "The quarantine is empty.\n")


@pytest.fixture
def quarantined(c360, shop):
    """Orders without an amount: one on the first night, two on the second."""
    header = "id,customer_source_id,status,currency,total_amount,ordered_at\n"
    good = "1,a,paid,GBP,5.00,2026-06-01\n" * 200
    for day, bad in (
        ("29", "2,a,paid,GBP,much,2026-06-01\n"),
        ("30", "3,a,paid,GBP,,2026-06-01\n" * 2),
    ):
        (shop / f"orders-{day}.csv").write_text(header + good + bad)
        for step in ("extract", "land"):
            code, text = c360(step, "--date", f"2026-06-{day}")
            assert code == 0, text


def test_the_quarantine_is_counted_by_the_day_on_which_rows_landed(c360, quarantined):
    code, text = c360("quarantine", "list", "--rows", "9")
    rows = [line.split() for line in text.splitlines()]
    assert code == 0
    assert ["2026-06-29", "shop", "orders", "not_a_decimal", "total_amount", "1"] in rows
    assert ["2026-06-30", "shop", "orders", "required_missing", "total_amount", "2"] in rows
    # The 201st row of data is the 202nd line of the file.
    assert ["2026-06-29", "orders-29.csv", "201", "not_a_decimal", "total_amount"] in rows
    code, text = c360("quarantine", "list", "--date", "2026-06-30", "--table", "orders")
    assert (code, "2026-06-29" in text, "2026-06-30" in text) == (0, False, True)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (("--table", "nope"), "table nope"),
        (("--source", "nope"), "source nope"),
        (("--source", "shop", "--date", "2026-06-28"), "source shop and landed_on 2026-06-28"),
    ],
)
def test_what_is_not_in_quarantine_is_told_with_what_is_there(c360, quarantined, asked, told):
    code, text = c360("quarantine", "list", *asked)
    assert code == 1
    assert f"No row of {told} is in quarantine." in text
    assert "of source shop; of table orders; landed from 2026-06-29 to 2026-06-30." in text


@pytest.fixture
def released(lake, monkeypatch):
    """Li and Wang are two customers on the first night, and one on the second."""
    monkeypatch.setenv("C360_PSEUDONYM_KEY", KEY.decode())
    li, wang = contact("li"), contact("wang", "shop")
    seen, carried = [(li, 0), (wang, 1)], [(who, "email", "li@example.com") for who in (li, wang)]
    apart = resolve(signals_of(seen), on=1)
    one = resolve(signals_of(seen, carried), apart, on=2)
    release_night(lake, apart, 1, {li: {"order_count": 3}, wang: {"order_count": 2}})
    release_night(lake, one, 2, {li: {"order_count": 5}})
    return {record[3]: customer for record, customer in ids(apart).items()}


def test_why_tells_who_a_customer_is_on_each_night(c360, released):
    code, text = c360("why", released["wang"])
    assert code == 0
    assert f"{released['wang']} is {released['li']} in this release." in text
    assert "as of 2026-01-03" in text
    code, text = c360("why", "shop:wang", "--date", "2026-01-02")
    assert code == 0
    assert f"shop:wang is {released['wang']} in this release." in text


def test_the_help_of_why_tells_how_a_customer_is_named(c360):
    _, text = c360("why", "--help")
    assert {"crm:77", "account=crm:77", "guest_order=shop:77", "shop/uk:77"} <= set(text.split())


def test_why_gives_json_to_programs_and_nothing_else(c360, released):
    code, text = c360("why", "shop:wang", "--json")
    told = json.loads(text)
    assert (code, told["customer_id"]) == (0, released["li"])
    assert told["profile"]["order_count"] == 5
    _, text = c360("why", "shop:wang", "--json", "--date", "2026-01-02")
    assert json.loads(text)["profile"]["order_count"] == 2


def test_why_merged_tells_the_ties_and_history_what_changed(c360, released):
    code, text = c360("why-merged", "crm:li", released["wang"])
    assert (code, "are one customer" in text, "email#" in text) == (0, True, True)
    assert "li@example.com" not in text
    code, text = c360("why-merged", "crm:li", "shop:wang", "--date", "2026-01-02")
    assert (code, "Nothing ties them." in text) == (0, True)
    code, text = c360("history", "shop:wang", "--json")
    assert (code, json.loads(text)["changes"][0]["as_of"]) == (0, "2026-01-02")
    code, text = c360("history", "shop:wang")
    assert (code, "order_count" in text, "--all" in text) == (0, False, True)
    code, text = c360("history", "shop:wang", "--all")
    told = [line.split() for line in text.splitlines()]
    assert code == 0
    assert ["2026-01-02", "order_count", "·", "3"] in told
    assert ["2026-01-03", "order_count", "3", "5"] in told


def test_what_is_piped_has_each_row_on_one_line(released):
    told = python(
        "import sys; sys.argv = ['c360', 'why', 'crm:li', '--all']\n"
        "from pipelines.cli import main; main()",
        COLUMNS="40",
    )
    described = [line.split()[:2] for line in told.stdout.splitlines() if len(line.split()) > 5]
    assert ["order_count", "5"] in described


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("why", "crm:nobody"), "crm:nobody stands for nobody in the release 2026-01-03__"),
        (("why", "[bold]x[/bold]"), "[bold]x[/bold] stands for nobody"),
        (("why-merged", "crm:li", "a" * 16), f"{'a' * 16} stands for nobody"),
        (("history", "crm:nobody"), "crm:nobody stands for nobody"),
        (("why", "crm:li", "--date", "2026-01-01"), "Nothing was released by 2026-01-01."),
    ],
)
def test_who_is_not_there_is_a_sentence_with_what_to_do(c360, released, words, told):
    code, text = c360(*words)
    assert code == 1
    assert f"error: {told}" in text
    assert "next: " in text


@pytest.mark.parametrize("words", [*ASKED, ("history", "crm:li")], ids=" ".join)
def test_before_anything_was_released_nobody_is_known(c360, words):
    code, text = c360(*words)
    assert (code, "error: Nothing was released." in text) == (1, True)
    assert "c360 nightly" in text


def test_a_backtest_of_a_night_that_never_was_says_how_to_run_it(c360, shop):
    code, text = c360("backtest", "--date", "2026-06-30")
    assert code == 1
    assert "c360 nightly --date 2026-06-30" in text


def test_training_needs_a_place_of_your_own_for_what_is_learnt(c360):
    code, text = c360("identity", "train", "--date", "2026-06-30")
    assert code == 1
    assert "there is no directory of your rules" in text
    assert "Set C360_RULES_DIR to it." in text


def test_training_on_a_night_that_never_was_says_how_to_run_it(c360, shop, rules_dir):
    code, text = c360("identity", "train", "--date", "2026-06-30")
    assert code == 1
    assert "c360 nightly --date 2026-06-30" in text
    assert not (rules_dir / "identity_model.json").exists()


@pytest.mark.parametrize(
    "words", [("quarantine", "list", "--rows", "-1"), ("demo", "--customers", "5")]
)
def test_a_number_out_of_its_range_is_refused(c360, words):
    code, text = c360(*words)
    assert code == 2
    assert words[-2] in text


def test_square_brackets_in_an_error_are_shown_and_not_read_as_markup(c360, monkeypatch, tmp_path):
    monkeypatch.setenv("C360_RULES_DIR", str(tmp_path / "[red]x"))
    _, text = c360("rules", "check")
    assert "[red]x" in text


def python(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=PROJECT,
        env=os.environ | environment,
        check=False,
    )


def test_the_console_script_exits_with_one_and_no_trace_on_a_failure(tmp_path):
    done = python(
        "import sys; sys.argv = ['c360', 'status', '--date', '2026-06-30']\n"
        "from pipelines.cli import main; main()",
        C360_HOME=str(tmp_path),
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("error: There was no run of 2026-06-30.")
    assert "Traceback" not in done.stderr


def test_help_does_not_wait_for_what_it_does_not_need():
    done = python(
        "import sys; sys.argv = ['c360', '--help']\n"
        "from pipelines.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'great_expectations', 'dbt', 'pandas', 'scipy', 'duckdb', 'sqlglot'}\n"
        "print('LOADED', sorted(heavy & set(sys.modules)))"
    )
    assert done.stdout.splitlines()[-1] == "LOADED []"
    assert done.stderr == ""
