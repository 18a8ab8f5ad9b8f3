import os
import shutil
from datetime import date
from pathlib import Path

import pytest

from pipelines.errors import C360Error
from pipelines.extract import files
from pipelines.extract.buckets import Folder
from pipelines.extract.files import Extracted, extract_files, table_of
from pipelines.rules.source_types.files import FilesSource

TABLES = ("orders", "order_items", "crm_contacts")


@pytest.fixture
def drop(tmp_path) -> Path:
    (tmp_path / "drop").mkdir()
    return tmp_path / "drop"


@pytest.fixture
def extract(drop, lake, as_of):
    def extract_drop(folder: Path = drop) -> Extracted:
        source = FilesSource(name="shop", type="files", path=folder)
        return extract_files(source, lake.raw, as_of, TABLES)

    return extract_drop


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("orders.csv", "orders"),
        ("orders-2026-06.CSV.GZ", "orders"),
        ("ORDERS.parquet", "orders"),
        ("order_items.csv", "order_items"),
        ("order_items_and_orders.jsonl", "order_items"),
        ("order.csv", None),
        ("my_orders.csv", None),
        ("orders.xlsx", None),
        ("orders", None),
        ("orders.csv.part", None),
        (".orders.csv", None),
    ],
)
def test_a_file_belongs_to_the_longest_table_name_that_it_begins_with(name, table):
    assert table_of(name, TABLES) == table
    assert table_of(name, reversed(TABLES)) == table


def test_new_files_are_copied_as_they_are(drop, extract, lake):
    (drop / "orders.csv").write_bytes(b"id\n\xff1\n")
    extracted = extract()
    [copy] = extracted.new
    assert copy.parent == lake.raw / "shop" / "2026-06-30"
    assert copy.name == f"{files.sha256_of(copy)[:16]}__orders.csv"
    assert copy.read_bytes() == b"id\n\xff1\n"
    assert [path.name for path in copy.parent.iterdir()] == [copy.name]


def test_extracting_again_copies_nothing_whatever_the_file_is_called_by_then(drop, extract, lake):
    (drop / "orders.csv").write_text("id\n1\n")
    extract()
    (drop / "orders.csv").rename(drop / "orders-old.csv")
    (drop / "orders-twin.csv").write_text("id\n1\n")
    again = extract()
    assert (again.new, again.known) == ((), 2)
    assert len(list(lake.raw.glob("*/*/*"))) == 1


def test_a_changed_file_is_copied_beside_its_older_self(drop, extract, lake):
    for content in ("id\n1\n", "id\n1\n2\n"):
        (drop / "orders.csv").write_text(content)
        assert len(extract().new) == 1
    assert len(list(lake.raw.glob("*/*/*__orders.csv"))) == 2


def test_files_of_no_table_are_reported_and_hidden_ones_left_alone(drop, extract):
    for name in ("orders.csv", "notes.txt", "orders.csv.part", ".orders.csv", ".DS_Store"):
        (drop / name).write_text("id\n1\n")
    (drop / "orders_folder.csv").mkdir()
    extracted = extract()
    assert [path.name[18:] for path in extracted.new] == ["orders.csv"]
    assert extracted.ignored == ("notes.txt", "orders.csv.part")


def test_a_missing_folder_is_told_in_a_sentence(drop, extract):
    with pytest.raises(C360Error, match=r"Source shop: the drop folder .*gone does not exist"):
        extract(drop / "gone")


@pytest.mark.parametrize(
    ("names", "told"),
    [((), "holds nothing"), ((".hidden",), "holds nothing"), (("a.txt", "b.xlsx"), "only a.txt")],
)
def test_a_folder_without_a_file_to_read_is_told_in_a_sentence(drop, extract, names, told):
    for name in names:
        (drop / name).touch()
    with pytest.raises(C360Error, match=told) as caught:
        extract()
    assert "<landing table>*.csv" in caught.value.hint


def test_an_emptied_folder_is_no_fault_once_something_was_there(drop, extract):
    (drop / "orders.csv").write_text("id\n1\n")
    extract()
    (drop / "orders.csv").unlink()
    assert extract() == Extracted(new=(), known=0, ignored=())


def test_a_file_that_changes_while_it_is_copied_commits_nothing(drop, extract, lake, monkeypatch):
    (drop / "orders.csv").write_text("id\n1\n")

    def copy_of_a_growing_file(source: str, target: str) -> None:
        content = Path(source).read_bytes()
        Path(target).write_bytes(content)
        Path(source).write_bytes(content + b"2\n")

    monkeypatch.setattr(shutil, "copyfile", copy_of_a_growing_file)
    with pytest.raises(C360Error, match=r"orders.csv changed while it was copied"):
        extract()
    assert [path for path in lake.raw.rglob("*") if path.is_file()] == []


def test_a_file_that_is_as_it_was_is_not_read_again(drop, extract, monkeypatch):
    (drop / "orders.csv").write_text("id\n1\n")
    extract()
    monkeypatch.setattr(Folder, "fetch", None)
    assert extract() == Extracted(new=(), known=1, ignored=())


@pytest.mark.parametrize("memory", [None, "", "{", "no JSON"])
def test_what_was_read_is_known_without_the_memory_of_it(drop, extract, lake, memory):
    (drop / "orders.csv").write_text("id\n1\n")
    extract()
    note = lake.raw / "shop" / files.MEMORY
    note.unlink() if memory is None else note.write_text(memory)
    assert extract() == Extracted(new=(), known=1, ignored=())
    assert "orders.csv" in note.read_text()


def test_the_memory_forgets_files_that_are_gone(drop, extract, lake):
    for name in ("orders-1.csv", "orders-2.csv"):
        (drop / name).write_text(f"id\n{name}\n")
    extract()
    (drop / "orders-1.csv").unlink()
    extract()
    assert "orders-1" not in (lake.raw / "shop" / files.MEMORY).read_text()


def test_a_raw_file_that_was_taken_away_comes_again(drop, extract):
    (drop / "orders.csv").write_text("id\n1\n")
    [copy] = extract().new
    copy.unlink()
    assert extract().new == (copy,)


def test_a_linked_file_is_read_and_seen_to_change(drop, extract, tmp_path):
    real = tmp_path / "real.csv"
    real.write_text("id\n1\n")
    (drop / "orders.csv").symlink_to(real)
    (drop / "orders-lost.csv").symlink_to(tmp_path / "nowhere")
    assert len(extract().new) == 1
    real.write_text("id\n2\n")
    assert len(extract().new) == 1


def test_a_name_that_is_no_text_is_copied_too(drop, extract):
    name = os.fsdecode(b"orders-\xff.csv")
    (drop / name).write_text("id\n1\n")
    assert [path.name[18:] for path in extract().new] == [name]
    assert extract().known == 1


def test_a_run_for_an_older_day_slips_no_new_file_under_released_nights(tmp_path):
    drop, raw = tmp_path / "drop", tmp_path / "raw"
    drop.mkdir()
    source = FilesSource(name="shop", type="files", path=drop)
    (drop / "orders-1.csv").write_text("id\n1\n")
    extract_files(source, raw, date(2026, 6, 30), ["orders"])
    (drop / "orders-2.csv").write_text("id\n2\n")
    early = extract_files(source, raw, date(2026, 6, 15), ["orders"])
    assert (len(early.new), early.known, early.waiting) == (0, 1, 1)
    assert [path.name for path in raw.glob("*/2*")] == ["2026-06-30"]
    assert len(extract_files(source, raw, date(2026, 7, 1), ["orders"]).new) == 1
