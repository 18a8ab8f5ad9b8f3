import gzip
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from factories import rows
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines import raw_files
from pipelines.catalogue import Catalogue
from pipelines.errors import C360Error
from pipelines.lake import Lake, Run, sha256_of, write_table
from pipelines.land import (
    MONEY,
    committed_files,
    find_base_currency,
    freeze_inputs,
    freeze_rules,
    land_new_files,
    summarise_landing,
)
from pipelines.rules import find_rules, load_rules
from pipelines.rules.schemas import RuleBook, RunFacts
from pipelines.rules.sources import Sources

HEADER = "id,status,currency,total_amount,ordered_at"
GOOD = [f"{n},paid,EUR,{n}.50,2026-06-{n:02}" for n in range(1, 10)]
BAD = ["10,paid,EUR,much,2026-06-10", "11,paid,€,1,2026-06-11", "12,ragged"]


@pytest.fixture
def book() -> RuleBook:
    return load_rules(find_rules(None))


def receive(
    lake: Lake, name: str, lines: list[str], day: str = "2026-06-30", source="shop"
) -> Path:
    """A file in `raw/`, as extract leaves it."""
    content = ("\n".join(lines) + "\n").encode()
    scratch = lake.home / "scratch"
    scratch.parent.mkdir(parents=True, exist_ok=True)
    scratch.write_bytes(gzip.compress(content, mtime=0) if name.endswith(".gz") else content)
    path = lake.raw / source / day / f"{sha256_of(scratch)[:16]}__{name}"
    path.parent.mkdir(parents=True, exist_ok=True)
    return scratch.replace(path)


def land(lake: Lake, catalogue: Catalogue, as_of: date) -> int:
    return land_new_files(lake, catalogue, Sources(), as_of, lambda line: None)


def landed(lake: Lake, table: str = "orders") -> pl.DataFrame:
    parts = sorted(lake.landing.glob(f"{table}/*/*/*.parquet"))
    return pl.concat([pl.read_parquet(part, hive_partitioning=False) for part in parts])


def bytes_below(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# --- Files ------------------------------------------------------------------------------------


def test_two_files_land_once_and_their_bad_rows_are_kept_apart(lake, catalogue, as_of):
    receive(lake, "orders-a.csv", [HEADER, *GOOD[:5], *BAD])
    receive(lake, "orders-b.csv.gz", [HEADER + ",zz", *(line + ",1" for line in GOOD[5:])])
    assert land(lake, catalogue, as_of) == 2

    orders = landed(lake)
    assert orders.schema == catalogue["landing", "orders"].schema
    assert sorted(orders["source_record_id"]) == [str(n) for n in range(1, 10)]
    bad = pl.concat([pl.read_parquet(p) for p in lake.quarantine.rglob("*.parquet")])
    assert bad.select("row_number", "rule").sort("row_number").rows() == [
        (6, "not_a_decimal"), (7, "not_a_currency"), (8, "wrong_number_of_fields"),
    ]  # fmt: skip
    first, second = sorted(committed_files(lake, as_of), key=lambda file: file["file"])
    assert (first["rows_in"], first["landed"], first["quarantined"]) == (8, 5, 3)
    assert first["rules"] == {
        "not_a_decimal": 1, "not_a_currency": 1, "wrong_number_of_fields": 1,
    }  # fmt: skip
    assert (second["rows_in"], second["unknown_columns"]) == (4, ["zz"])


def test_landing_again_lands_nothing_and_landing_anew_writes_the_same_bytes(
    lake, catalogue, as_of, tmp_path
):
    receive(lake, "orders-a.csv", [HEADER, *GOOD, *BAD])
    receive(lake, "orders-b.jsonl", ['{"status":"paid","currency":"EUR","total_amount":1,'
                                     '"ordered_at":"2026-06-01","zz":[1]}', "x"])  # fmt: skip
    land(lake, catalogue, as_of)
    before = bytes_below(lake.landing) | bytes_below(lake.quarantine)
    assert land(lake, catalogue, as_of) == 0

    lake.landing.rename(tmp_path / "was-landing")
    lake.quarantine.rename(tmp_path / "was-quarantine")
    assert land(lake, catalogue, as_of) == 2
    assert bytes_below(lake.landing) | bytes_below(lake.quarantine) == before


def test_a_part_without_its_manifest_is_as_good_as_absent(lake, catalogue, as_of):
    raw = receive(lake, "orders.csv", [HEADER, *GOOD])
    land(lake, catalogue, as_of)
    before = bytes_below(lake.landing)
    [manifest] = lake.landing.rglob("*.json")
    manifest.unlink()
    stray = manifest.with_name(f"part-{raw.name[:16]}-0007.parquet")
    stray.write_bytes(b"half of a part")

    assert committed_files(lake, as_of) == []
    assert land(lake, catalogue, as_of) == 1
    assert bytes_below(lake.landing) == before


def test_a_file_that_cannot_be_read_commits_nothing(lake, catalogue, as_of):
    content = gzip.compress(b"\n".join(line.encode() for line in [HEADER, *GOOD * 50]))
    path = receive(lake, "orders.csv.gz", [])
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(C360Error, match=r"orders\.csv\.gz cannot be read"):
        land(lake, catalogue, as_of)
    assert committed_files(lake, as_of) == []


def test_a_half_copied_or_foreign_raw_file_is_not_landed(lake, catalogue, as_of):
    folder = receive(lake, "orders.csv", [HEADER, *GOOD]).parent
    (folder / ".0123456789abcdef__orders.csv.part").write_text("half")
    (folder / "0123456789abcdef__notes.csv").write_text("a\n1\n")
    assert land(lake, catalogue, as_of) == 1


def test_many_batches_land_as_many_parts_and_equal_lines_stay_apart(
    lake, catalogue, as_of, monkeypatch
):
    monkeypatch.setattr(raw_files, "BLOCK_BYTES", 256)
    nameless = [line.partition(",")[2] for line in GOOD]
    receive(lake, "orders.csv", [HEADER.removeprefix("id,"), *nameless * 4])
    land(lake, catalogue, as_of)
    assert len(list(lake.landing.rglob("*.parquet"))) > 2
    assert landed(lake)["source_record_id"].n_unique() == len(GOOD) * 4


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(order=st.permutations(GOOD), cut=st.integers(0, len(GOOD)), twice=st.integers(0, 9))
def test_shuffled_cut_and_repeated_input_lands_the_same_rows(
    catalogue, as_of, tmp_path_factory, order, cut, twice
):
    whole = Lake(tmp_path_factory.mktemp("whole"))
    receive(whole, "orders.csv", [HEADER, *GOOD])
    land(whole, catalogue, as_of)

    parts = Lake(tmp_path_factory.mktemp("parts"))
    receive(parts, "orders-a.csv", [HEADER, *order[:cut]])
    receive(parts, "orders-b.csv", [HEADER, *order[cut:]])
    receive(parts, "orders-c.csv.gz", [HEADER, *order[:twice]])
    land(parts, catalogue, as_of)

    assert (
        landed(parts)
        .unique()
        .sort("source_record_id")
        .equals(landed(whole).sort("source_record_id"))
    )


# --- What a run reads ---------------------------------------------------------------------------


def test_what_lands_for_a_later_date_is_not_among_an_earlier_dates_inputs(lake, catalogue, as_of):
    receive(lake, "orders-a.csv", [HEADER, *GOOD[:3]])
    receive(lake, "orders-b.csv", [HEADER, *GOOD[3:]], day="2026-07-01")
    assert land(lake, catalogue, as_of) == 1
    assert land(lake, catalogue, date(2026, 7, 1)) == 1
    for day, count in ((as_of, 3), (date(2026, 7, 1), 9)):
        run = lake.run(day)
        freeze_inputs(run, catalogue, committed_files(lake, day))
        orders = pl.scan_parquet(run.inputs / "orders" / "*.parquet").collect()
        assert orders.height == count
        assert orders["extracted_at"].dt.date().max() == day


def test_every_table_is_there_with_its_full_schema_also_without_data(lake, catalogue, as_of):
    receive(lake, "orders.csv", [HEADER, *GOOD])
    land(lake, catalogue, as_of)
    run = lake.run(as_of)
    for _ in range(2):  # freezing again replaces what was frozen
        freeze_inputs(run, catalogue, committed_files(lake, as_of))
    for name, dataset in catalogue.landing.items():
        frame = pl.scan_parquet(run.inputs / name / "*.parquet").collect()
        assert frame.schema == dataset.schema
        assert frame.height == (9 if name == "orders" else 0)


def test_only_committed_parts_are_read(lake, catalogue, as_of):
    raw = receive(lake, "orders.csv", [HEADER, *GOOD])
    land(lake, catalogue, as_of)
    [manifest] = lake.landing.rglob("*.json")
    write_table(landed(lake), manifest.with_name("part-feedfeedfeedfeed-0000.parquet"))
    run = lake.run(as_of)
    freeze_inputs(run, catalogue, committed_files(lake, as_of))
    links = sorted(path.name for path in (run.inputs / "orders").iterdir())
    assert links == ["empty.parquet", f"shop__2026-06-30__part-{raw.name[:16]}-0000.parquet"]


def test_the_summary_adds_up_for_each_source_and_table(lake, catalogue, as_of, book):
    receive(lake, "orders-old.csv", [HEADER, *GOOD[:4], *BAD[:1]], day="2026-06-29")
    receive(lake, "orders-new.csv", [HEADER + ",zz", *(line + ",1" for line in [*GOOD, *BAD[:1]])])
    receive(lake, "crm_contacts.csv", ["id,email,aa", "1,a@b.example,x"], source="crm")
    receive(lake, "crm_contacts.csv", ["id"], source="mail", day="2026-06-29")
    land(lake, catalogue, as_of)
    files = committed_files(lake, as_of)
    summary = catalogue["pipeline", "landing_summary"].conform(
        summarise_landing(files, book, as_of).lazy()
    )
    counts = summary.select("source", "table", "file_count", "file_count_tonight", "rows_in_count",
                            "landed_count", "quarantined_count", "rows_in_tonight",
                            "quarantined_tonight", "unknown_columns").collect()  # fmt: skip
    assert counts.rows() == [
        ("crm", "crm_contacts", 1, 1, 1, 1, 0, 1, 0, ["aa"]),
        ("mail", "crm_contacts", 1, 0, 0, 0, 0, 0, 0, []),
        ("shop", "orders", 2, 1, 15, 13, 2, 10, 1, ["zz"]),
    ]
    assert (counts["rows_in_count"] == counts["landed_count"] + counts["quarantined_count"]).all()
    assert summary.collect()["quarantined_share"].to_list() == [0.0, 0.0, 0.1]


def test_the_rules_of_a_run_are_kept_as_read_and_as_rows(lake, catalogue, as_of, book):
    run = lake.run(as_of)
    facts = RunFacts(as_of=as_of, base_currency="EUR", personal_fields=frozenset())
    freeze_rules(run, catalogue, book, find_rules(None), facts)
    for name, path in find_rules(None).items():
        assert (run.rules / name).read_bytes() == path.read_bytes()
    for name, dataset in catalogue.group("rules").items():
        assert pl.read_parquet(run.table("rules", name)).schema == dataset.schema
    assert pl.read_parquet(run.table("rules", "run"))["base_currency"].item() == "EUR"


# --- The base currency --------------------------------------------------------------------------


@pytest.fixture
def run(lake, catalogue, as_of) -> Run:
    run = lake.run(as_of)
    freeze_inputs(run, catalogue, [])
    return run


def put(run: Run, table: str, *overrides: dict) -> None:
    write_table(rows(table, *overrides), run.inputs / table / "some.parquet")


def based_on(book: RuleBook, currency: str) -> RuleBook:
    sources = book.sources.model_copy(update={"base_currency": currency})
    return book.model_copy(update={"sources": sources})


def test_without_amounts_there_is_no_currency(run, book):
    assert find_base_currency(run, book) == "XXX"


def test_the_only_currency_of_the_data_is_the_base(run, book):
    put(run, "orders", {"currency": "GBP"}, {"currency": "GBP"})
    put(run, "refunds", {"currency": "GBP"})
    assert find_base_currency(run, book) == "GBP"


def test_two_currencies_need_a_base_currency(run, book):
    put(run, "orders", {"currency": "GBP"})
    put(run, "service_costs", {"currency": "EUR"})
    with pytest.raises(C360Error, match="Amounts are in EUR, GBP, and no base currency is set"):
        find_base_currency(run, book)


def test_a_currency_without_rate_is_named_with_its_table(run, book):
    put(run, "orders", {"currency": "EUR"}, {"currency": "GBP"})
    put(run, "refunds", {"currency": "JPY"}, {"currency": "USD"})
    put(run, "fx_rates", {"currency": "GBP", "base_currency": "EUR"},
        {"currency": "USD", "base_currency": "GBP"})  # fmt: skip
    with pytest.raises(C360Error) as caught:
        find_base_currency(run, based_on(book, "EUR"))
    assert caught.value.message == (
        "No exchange rate into the base currency EUR for refunds: JPY, USD."
    )
    assert "sources.yml" in caught.value.hint


@pytest.mark.parametrize(("table", "amount"), sorted(MONEY.items()))
def test_no_table_with_money_is_forgotten(run, book, table, amount):
    put(run, table, {"currency": "JPY", amount: 5})
    with pytest.raises(C360Error, match=f"for {table}: JPY"):
        find_base_currency(run, based_on(book, "EUR"))


@pytest.mark.parametrize("table", ["crm_accounts", "crm_deals", "campaign_events", "referrals"])
def test_a_currency_without_an_amount_needs_no_rate(run, book, table):
    put(run, table, {"currency": "JPY", MONEY[table]: None}, {"currency": None, MONEY[table]: 5})
    assert find_base_currency(run, based_on(book, "EUR")) == "EUR"


def test_with_rates_for_all_the_configured_base_stands(run, book):
    put(run, "orders", {"currency": "EUR"}, {"currency": "GBP"})
    put(run, "fx_rates", {"currency": "GBP", "base_currency": "EUR"})
    assert find_base_currency(run, based_on(book, "EUR")) == "EUR"
