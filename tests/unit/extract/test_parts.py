"""Parts against a source in memory: whatever changes, wherever a night dies, nothing is lost."""

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from factories import open_parts
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipelines.errors import C360Error
from pipelines.extract import parts
from pipelines.extract.connector import Ask, CannotResumeError, Page, Record, Stream
from pipelines.extract.parts import extract_stream, find_parts, landing_days

FIRST = date(2026, 6, 1)
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
PAGE = 3


class Killed(BaseException):
    """What a kill looks like from inside."""


@dataclass
class Source:
    """A source in memory, and the connector that reads it: keyset pages of three records."""

    system: str = "memory"
    overlap: timedelta = timedelta(minutes=5)
    records: dict[str, Record] = field(default_factory=dict)
    gone: dict[str, Record] = field(default_factory=dict)
    now: datetime = NOON
    dies_after: int | None = None
    asked: list[Ask] = field(default_factory=list)
    forgets: bool = False
    lists_all: bool = False
    max_vanished_share: float = 1.0
    name: str = "memory"
    fields: dict = field(default_factory=dict)

    @property
    def source(self) -> "Source":
        return self

    def put(self, id: str, text: str) -> None:
        self.gone.pop(id, None)
        if self.lists_all:
            self.records[id] = Record(id, text.encode())
        else:  # as every API that tells a time of change tells it in the record
            self.records[id] = Record(id, f"{text} {self.now}".encode(), self.now)

    def remove(self, id: str) -> None:
        if self.records.pop(id, None):
            self.gone[id] = Record(id, b"", self.now, "delete")

    def pages(self, stream: Stream, ask: Ask) -> Iterator[Page]:
        self.asked.append(ask)
        if ask.resume and self.forgets:
            raise CannotResumeError
        known = [*self.records.values(), *(() if stream.scan else self.gone.values())]
        keyed = sorted(((r.modified or NOON).isoformat(), r.id, r) for r in known)
        if since := ask.read_from or ask.since:
            keyed = [entry for entry in keyed if entry[2].modified >= since]
        if ask.resume:
            keyed = [entry for entry in keyed if list(entry[:2]) > ask.resume]
        for count, start in enumerate(range(0, len(keyed), PAGE)):
            if self.dies_after is not None and count == self.dies_after:
                raise Killed
            page = keyed[start : start + PAGE]
            yield Page([entry[2] for entry in page], list(page[-1][:2]))


def night(source: Source, raw: Path, number: int = 0, **stream) -> int:
    kind = Stream("people", ("crm_contacts",), **({"ordered": True} | stream))
    day = FIRST + timedelta(days=number)
    return extract_stream(source, kind, raw, day, source.now, lambda told: None).records


def current(raw: Path) -> dict[str, bytes]:
    """What the parts say that the source holds."""
    newest: dict[str, tuple[str, bytes]] = {}
    for part in find_parts(raw):
        for id, op, record in pl.read_parquet(part.path).select("id", "op", "record").rows():
            newest[id] = (op, record)
    return {id: record for id, (op, record) in newest.items() if op == "upsert"}


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(parts, "PART_RECORDS", 2 * PAGE)


DEEDS = st.lists(
    st.tuples(
        st.lists(st.tuples(st.sampled_from("abcdefghij"), st.sampled_from(["x", "y", None]))),
        st.one_of(st.none(), st.integers(0, 4)),  # after so many pages the night dies
        st.integers(0, 3),  # hours until the next night; 0: in the same instant
    ),
    min_size=1,
    max_size=6,
)


@settings(deadline=None, max_examples=40)
@pytest.mark.parametrize("lists_all", [False, True], ids=["tells changes", "lists all"])
@given(nights=DEEDS)
# A deletion is newer than every record of its part, and the next change is within the overlap.
@example(nights=[([("a", "x")], None, 1), ([("a", None)], None, 0), ([("b", "x")], 0, 0)])
def test_after_a_whole_night_the_parts_hold_what_the_source_holds(lists_all, nights):
    stream = {"scan": True, "ordered": False} if lists_all else {}
    source = Source(lists_all=lists_all)
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder)
        for number, (deeds, dies_after, hours) in enumerate(nights):
            for id, text in deeds:
                source.put(id, text) if text else source.remove(id)
            source.dies_after = dies_after
            with contextlib.suppress(Killed):
                night(source, raw, number, **stream)
            # Deletes and changes of one instant have no order; a real source has a finer clock.
            source.now += timedelta(hours=hours, seconds=1)
        source.dies_after = None
        night(source, raw, len(nights), **stream)
        assert current(raw) == {id: record.body for id, record in source.records.items()}
        assert not open_parts(raw)
        assert night(source, raw, len(nights), **stream) == 0


def test_parts_of_a_pass_that_broke_off_are_open_and_are_not_read_again(tmp_path):
    source = Source(dies_after=3)
    for id in "abcdefghijkl":
        source.put(id, "x")
    with pytest.raises(Killed):
        night(source, tmp_path)
    assert [part.path for part in find_parts(tmp_path)] == open_parts(tmp_path)
    source.dies_after = None
    assert night(source, tmp_path) == 6
    assert source.asked[1].resume == [NOON.isoformat(), "f"]
    assert not open_parts(tmp_path)


def test_a_failure_keeps_the_pages_before_it(tmp_path):
    source = Source()
    for id in "abcde":
        source.put(id, "x")
    whole = source.pages

    def failing(stream, ask):
        yield next(iter(whole(stream, ask)))
        raise ValueError("the second page")

    source.pages = failing
    with pytest.raises(ValueError, match="the second page"):
        night(source, tmp_path)
    assert sorted(current(tmp_path)) == ["a", "b", "c"]


def test_a_vendor_that_forgot_the_place_is_asked_from_the_newest_change_on(tmp_path):
    source = Source(dies_after=3)
    for hour, id in enumerate("abcdefghijkl"):
        source.now = NOON + timedelta(hours=hour)
        source.put(id, "x")
    with pytest.raises(Killed):
        night(source, tmp_path)
    source.dies_after, source.forgets = None, True
    night(source, tmp_path)
    assert source.asked[2].since is None
    assert source.asked[2].read_from == NOON + timedelta(hours=5) - source.overlap
    assert sorted(current(tmp_path)) == list("abcdefghijkl")


def test_a_clock_that_runs_ahead_hides_nothing_that_comes_before_its_time(tmp_path):
    source = Source()
    source.records["a"] = Record("a", b"x", NOON + timedelta(days=400))
    night(source, tmp_path)
    source.now = NOON + timedelta(days=1)
    source.put("b", "x")
    assert night(source, tmp_path, 1) == 1
    assert sorted(current(tmp_path)) == ["a", "b"]


def test_what_a_list_no_longer_holds_is_buried_once_and_can_come_back(tmp_path):
    source = Source(lists_all=True)
    stream = {"scan": True, "ordered": False}
    for id in "ab":
        source.put(id, "x")
    night(source, tmp_path, **stream)
    source.remove("a")
    assert night(source, tmp_path, 1, **stream) == 1
    assert night(source, tmp_path, 2, **stream) == 0
    source.put("a", "x")
    assert night(source, tmp_path, 3, **stream) == 1
    assert sorted(current(tmp_path)) == ["a", "b"]


def test_a_list_that_lost_most_of_its_records_at_once_is_not_believed(tmp_path):
    source = Source(lists_all=True, max_vanished_share=0.5)
    stream = {"scan": True, "ordered": False}
    for number in range(40):
        source.put(f"{number:02}", "x")
    night(source, tmp_path, **stream)
    for number in range(25):
        source.remove(f"{number:02}")
    with pytest.raises(C360Error, match="25 of 40 records of people are gone at once"):
        night(source, tmp_path, 1, **stream)
    assert len(current(tmp_path)) == 40
    source.max_vanished_share = 1.0
    assert night(source, tmp_path, 1, **stream) == 25
    assert len(current(tmp_path)) == 15


def test_who_comes_back_with_an_old_time_is_newer_than_the_own_tombstone(tmp_path):
    source = Source(lists_all=True)
    stream = {"scan": True, "ordered": False}
    source.records["a"] = Record("a", b"x", NOON - timedelta(days=9))
    source.put("b", "x")
    night(source, tmp_path, **stream)
    gone = source.records.pop("a")
    source.now += timedelta(days=1)
    night(source, tmp_path, 1, **stream)
    source.records["a"] = gone
    source.now += timedelta(days=1)
    night(source, tmp_path, 2, **stream)
    times = [
        pl.read_parquet(part.path).filter(pl.col("id") == "a")["modified"].item()
        for part in find_parts(tmp_path)
    ]
    assert times == [NOON - timedelta(days=9), NOON + timedelta(days=1), NOON + timedelta(days=2)]


def test_a_list_whose_memory_of_who_was_seen_is_lost_begins_anew(tmp_path):
    source = Source(lists_all=True, dies_after=4)
    stream = {"scan": True, "ordered": False}
    for number in range(30):
        source.put(f"{number:02}", "x")
    with pytest.raises(Killed):
        night(source, tmp_path, **stream)
    for memory in tmp_path.glob(".*.seen.parquet"):
        memory.unlink()
    source.dies_after = None
    night(source, tmp_path, **stream)
    assert len(current(tmp_path)) == 30


def test_a_part_that_is_missing_among_others_is_told_and_not_read_over(tmp_path):
    source = Source()
    for number in range(20):
        source.put(f"{number:02}", "x")
    night(source, tmp_path)
    parts_made = find_parts(tmp_path)
    parts_made[1].path.unlink()
    with pytest.raises(C360Error, match="part 2 is not there once"):
        night(source, tmp_path, 1)
    for part in parts_made[2:]:
        part.path.unlink()
    night(source, tmp_path, 1)
    assert len(current(tmp_path)) == 20


def test_with_other_fields_of_its_own_the_company_gets_them_of_every_record(tmp_path):
    source = Source()
    for id in "abc":
        source.put(id, "x")
    night(source, tmp_path)
    source.fields = {"people": {"source_tier": "Grade__c"}}
    assert night(source, tmp_path, 1) == 3
    assert night(source, tmp_path, 2) == 0


@pytest.mark.parametrize("lists_all", [False, True])
def test_a_break_while_other_fields_are_read_leaves_no_record_with_the_old_ones(
    tmp_path, lists_all
):
    source = Source(lists_all=lists_all)
    stream = {"scan": True, "ordered": False} if lists_all else {}
    for number in range(20):
        source.put(f"{number:02}", "x")
    night(source, tmp_path, **stream)
    source.fields = {"people": {"source_tier": "Grade__c"}}
    source.remove("00")
    source.now += timedelta(days=1)
    source.dies_after = 3
    with pytest.raises(Killed):
        night(source, tmp_path, 1, **stream)
    source.dies_after = None
    night(source, tmp_path, 1, **stream)
    anew = [
        id
        for part in find_parts(tmp_path)
        if part.progress.key
        for id, op in pl.read_parquet(part.path).select("id", "op").rows()
        if op == "upsert"
    ]
    assert sorted(anew) == [f"{number:02}" for number in range(1, 20)]
    assert "00" not in current(tmp_path)


def test_a_pass_over_two_nights_lands_as_one_for_the_night_that_ended_it(tmp_path):
    source = Source(dies_after=3)
    for number in range(12):
        source.put(f"{number:02}", "x")
    with pytest.raises(Killed):
        night(source, tmp_path)
    source.dies_after = None
    night(source, tmp_path, 1)
    parts_made = find_parts(tmp_path)
    assert {part.path.parent.name for part in parts_made} == {"2026-06-01", "2026-06-02"}
    assert set(landing_days(parts_made).values()) == {"2026-06-02"}


def test_foreign_files_and_half_written_parts_are_no_parts(tmp_path):
    source = Source()
    source.put("a", "x")
    night(source, tmp_path)
    [part] = find_parts(tmp_path)
    (part.path.parent / f".{part.path.name}.part").write_bytes(b"half")
    (part.path.parent / "0123456789abcdef__orders.parquet").write_bytes(b"dropped")
    assert [found.path for found in find_parts(tmp_path)] == [part.path]
    assert part.path.name.startswith(parts.sha256_of(part.path)[:16])
