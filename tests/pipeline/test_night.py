"""Whole nights: what the README promises, on the demo company."""

import hashlib
import shutil
import subprocess
import sys
from collections import Counter
from datetime import timedelta
from functools import partial
from pathlib import Path

import duckdb
import polars as pl
import pytest

from pipelines.catalogue import Catalogue
from pipelines.errors import C360Error
from pipelines.lake import Lake, sha256_of
from pipelines.publish import MARTS
from pipelines.release import current_release, roll_back
from pipelines.steps import GATES, read_report, run_step
from tests.pipeline.nights import DAY, make_company, open_line, personal_values, run_night
from tests.pipeline.truth import read_truth, score_pairs

pytestmark = pytest.mark.slow
BEFORE = DAY - timedelta(days=30)
PROJECT = Path(__file__).resolve().parents[2]
# Also what is tried in vain, and passed over in silence, is found.
NIGHT_ALONE = """
import sys
from datetime import date
from pathlib import Path
from tests.pipeline.nights import run_night
asked = []
def see(event, arguments):
    if event in ("socket.connect", "socket.sendto", "socket.getaddrinfo"):
        asked.append(f"{event} {arguments[-1]}")
sys.addaudithook(see)
run_night(Path(sys.argv[1]), Path(sys.argv[2]), date.fromisoformat(sys.argv[3]))
sys.exit("\\n".join(asked) or 0)
"""


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo company, dropped up to the last day."""
    root = tmp_path_factory.mktemp("company")
    make_company(root)
    return root


@pytest.fixture(scope="module")
def released(company: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with one released night; tests must leave it as it is."""
    home = tmp_path_factory.mktemp("home")
    run_night(home, company / "rules", DAY)
    return home


@pytest.fixture
def home(released: Path, tmp_path: Path) -> Path:
    """A copy of the released home, to be broken."""
    return Path(shutil.copytree(released, tmp_path / "home", symlinks=True))


def mart(home: Path, name: str) -> pl.DataFrame:
    return pl.read_parquet(Lake(home).current / "marts" / f"{name}.parquet")


def digests(release: Path) -> dict[str, str]:
    files = (path for path in release.rglob("*") if path.is_file())
    return {path.relative_to(release).as_posix(): sha256_of(path) for path in files}


def test_the_same_date_run_again_is_the_same_release(home: Path, company: Path) -> None:
    before = current_release(Lake(home)).path.name
    first = digests(Lake(home).current.resolve())
    run_night(home, company / "rules", DAY)
    assert current_release(Lake(home)).path.name == before
    assert digests(Lake(home).current.resolve()) == first
    assert len(list(Lake(home).published.glob("2026-*"))) == 1


@pytest.fixture(scope="module")
def elsewhere(company: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bool]:
    """The same night in a process of its own, without a network where that can be had.

    Its home has a name that is no name to SQL or to a shell.
    """
    home = tmp_path_factory.mktemp("elsewhere") / 'it\'s; a "home" -- $(x)'
    cut_off = ["unshare", "--net", "--map-root-user"]
    can_be = bool(shutil.which("unshare")) and not subprocess.run([*cut_off, "true"]).returncode
    command = [sys.executable, "-c", NIGHT_ALONE, home, company / "rules", str(DAY)]
    subprocess.run([*(cut_off if can_be else ()), *command], cwd=PROJECT, check=True)
    return home, can_be


def test_another_machine_gives_the_same_bytes(released: Path, elsewhere: tuple[Path, bool]) -> None:
    homes = (released, elsewhere[0])
    here, there = (digests(Lake(home).current.resolve()) for home in homes)
    differing = {name for name in here | there if here.get(name) != there.get(name)}
    assert differing <= {"marts.duckdb", "manifest.json"}  # the manifest tells the former's digest
    assert len({Lake(home).current.readlink() for home in homes}) == 1


def test_a_night_of_files_asks_no_network_for_anything(elsewhere: tuple[Path, bool]) -> None:
    home, was_cut_off = elsewhere
    if not was_cut_off:
        pytest.skip("this machine lets nobody have a network of their own (unshare --net)")
    assert (Lake(home).current / "manifest.json").exists()


def test_rows_in_are_landed_or_quarantined_and_the_planted_faults_are_found(
    released: Path, company: Path
) -> None:
    summary = pl.read_parquet(
        released / "runs" / DAY.isoformat() / "pipeline/landing_summary.parquet"
    )
    totals = summary.select(pl.col("^.*_count$").sum()).row(0, named=True)
    assert totals["rows_in_count"] == totals["landed_count"] + totals["quarantined_count"]
    planted = pl.read_parquet(company / "truth" / "dirty_rows.parquet").filter("is_rejected")
    assert totals["quarantined_count"] == planted["count"].sum()


def test_resolve_finds_the_true_persons(released: Path, company: Path) -> None:
    keys = pl.read_parquet(Lake(released).current / "state" / "customer_keys.parquet")
    score = score_pairs(keys, read_truth(company))
    assert score.precision >= 0.995, score
    assert score.recall >= 0.97, score


def test_nobody_is_on_a_list_without_a_standing_grant(released: Path) -> None:
    """An oracle of its own: from the landed statements, not from the models."""
    contacts = pl.read_parquet(
        released / "runs" / DAY.isoformat() / "models/customer_contacts.parquet"
    )
    granted = contacts.select("customer_id", "channel", "purpose", contact="contact_value")
    rules = {entry["name"]: entry for entry in current_release(Lake(released)).manifest["lists"]}
    for name, entry in rules.items():
        people = pl.read_parquet(Lake(released).current / "lists" / f"{name}.parquet")
        if entry["channel"] == "none":
            assert "contact" not in people.columns
            continue
        allowed = granted.filter(
            pl.col("channel") == entry["channel"], pl.col("purpose") == entry["purpose"]
        )
        assert people.join(allowed, on=["customer_id", "contact"], how="anti").is_empty()
        assert people["customer_id"].is_unique().all()
        assert people["reason"].null_count() == 0


def test_every_list_is_its_decisions_and_no_customer_is_on_two_of_a_channel(
    released: Path,
) -> None:
    rules = {entry["name"]: entry for entry in current_release(Lake(released)).manifest["lists"]}
    decisions, history = mart(released, "list_decisions"), mart(released, "list_history")
    placed: Counter[tuple[str, str]] = Counter()
    for name, entry in rules.items():
        people = pl.read_parquet(Lake(released).current / "lists" / f"{name}.parquet")
        mine = decisions.filter(pl.col("list") == name)
        assert set(people["customer_id"]) == set(mine.filter("is_on_list")["customer_id"])
        assert mine.height == entry["matched"]
        assert mine.height == people.height + sum(entry["left_out"].values())
        on_it = history.filter(pl.col("list") == name, pl.col("role") == "treated")
        assert set(on_it["customer_id"]) == set(people["customer_id"])
        if entry["channel"] != "none":
            placed.update((who, entry["channel"]) for who in people["customer_id"])
    assert set(placed.values()) == {1}
    assert len(rules) == 22


def test_every_customer_has_a_grade_and_a_stage(released: Path) -> None:
    audience = mart(released, "audience")
    assert audience["customer_id"].is_unique().all()
    assert audience.height == mart(released, "customer_360").height
    assert audience["grade"].null_count() == audience["lifecycle_stage"].null_count() == 0
    buyers = audience.filter(pl.col("order_count") > 0)
    assert (buyers["grade"] == "A").mean() == pytest.approx(0.05, abs=0.01)


def test_every_mart_is_in_the_order_of_its_key(released: Path, catalogue: Catalogue) -> None:
    for name, group in MARTS.items():
        key = list(catalogue[group, name].key)
        mart = Lake(released).current / "marts" / f"{name}.parquet"
        keys = pl.read_parquet(mart, columns=key)
        assert keys.equals(keys.sort(key)), name


def test_the_duckdb_file_holds_the_marts(released: Path) -> None:
    path = Lake(released).current.resolve() / "marts.duckdb"
    with duckdb.connect(path, read_only=True) as connection:
        rows = connection.execute("select count(*) from audience").fetchall()[0][0]
    assert rows == mart(released, "audience").height


def test_no_personal_value_leaves_its_zone(released: Path) -> None:
    """Names, addresses and numbers of the landed contacts are in no mart, page, report or log."""
    values = personal_values(released)
    release = Lake(released).current.resolve()
    pages = [release / "gates.html", release / "report.html"]
    public = [release / "manifest.json", *pages, *(release / "marts").glob("*")]
    run = released / "runs" / DAY.isoformat()
    public += [*(run / "steps").glob("*"), *(run / "gates").glob("*"), *run.glob("dbt/**/*.log")]
    texts = [
        pl.read_parquet(path).write_ndjson()
        if path.suffix == ".parquet"
        else path.read_text("utf-8")
        for path in public
        if path.is_file()
    ]
    everything = "\n".join(texts)
    assert len(values) > 1_000
    assert [value for value in values if value in everything] == []


def test_an_older_date_never_replaces_a_newer_one_and_rollback_is_one_command(
    home: Path, company: Path
) -> None:
    newest = Lake(home).current.readlink()
    run_night(home, company / "rules", BEFORE)
    assert Lake(home).current.readlink() == newest
    assert len(list(Lake(home).published.glob("2026-*"))) == 2
    roll_back(Lake(home))
    assert Lake(home).current.readlink().name.startswith(BEFORE.isoformat())


BREAKS = {
    "landing": ("inputs/orders", "currency"),
    "profile": ("models/customer_360", "kind"),
    "scores": ("pipeline/customer_scores", "churn_risk"),
    "marts": ("models/audience", "grade"),
    "lists": ("pipeline/list_summary", "row_count"),
}


@pytest.mark.parametrize("stage", GATES)
def test_a_failed_gate_stops_the_line_and_leaves_the_release(
    stage: str, home: Path, company: Path
) -> None:
    before = digests(Lake(home).current.resolve())
    line = open_line(home, company / "rules", DAY)
    table, column = BREAKS[stage]
    path = line.run.path / f"{table}.parquet"
    if stage == "landing":
        path = next(p for p in (line.run.path / table).glob("*.parquet") if p.is_symlink())
    rows = pl.read_parquet(path)
    broken = rows.with_columns(pl.lit(None, rows.schema[column]).alias(column))
    path.unlink()
    broken.write_parquet(path)
    with pytest.raises(C360Error, match=column):
        run_step(line.run, f"gate {stage}", partial(line.work, f"gate {stage}"))
    report = read_report(line.run, f"gate {stage}")
    assert report["status"] == "failed"
    assert column in report["reason"]
    assert digests(Lake(home).current.resolve()) == before
    with pytest.raises(C360Error, match="comes after"):
        run_step(line.run, "release", partial(line.work, "release"))


def test_orders_alone_make_a_night_without_consents_or_scores(tmp_path: Path) -> None:
    drop, rules = tmp_path / "drop", tmp_path / "rules"
    drop.mkdir()
    rules.mkdir()
    (drop / "orders.csv").write_text(
        "id,customer_source_id,status,currency,total_amount,ordered_at\n"
        + "".join(f"{n},c{n % 40},paid,EUR,{n}.50,2026-0{1 + n % 6}-15\n" for n in range(200)),
        encoding="utf-8",
    )
    sources = f"sources:\n  - {{name: shop, type: files, path: {drop}}}\n"
    (rules / "sources.yml").write_text(sources, encoding="utf-8")
    run_night(tmp_path / "home", rules, DAY)
    manifest = current_release(Lake(tmp_path / "home")).manifest
    assert manifest["base_currency"] == "EUR"
    assert any("ids only" in note for note in manifest["notes"])
    assert any("No scores tonight" in note for note in manifest["notes"])
    people = pl.read_csv(Lake(tmp_path / "home").current / "lists" / "repeat_growth.csv")
    assert "contact" not in people.columns


def test_the_run_id_is_a_digest_of_the_content(released: Path) -> None:
    release = current_release(Lake(released))
    listed = {file["path"]: file["sha256"] for file in release.manifest["files"]}
    for name, digest in listed.items():
        content = (release.path / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == digest
    assert set(listed) | {"manifest.json"} == set(digests(release.path))
    assert release.path.name == f"{DAY}__{release.manifest['run_id']}"
