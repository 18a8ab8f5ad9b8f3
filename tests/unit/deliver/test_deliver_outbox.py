"""What changes, what is known, and what is unsure: the outbox without any far side."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.deliver.changes import (
    Batch,
    Outcome,
    Row,
    Status,
    find_changes,
    is_mass_removal,
    mass_removal,
    split_batches,
)
from pipelines.deliver.ledger import Ledger, forget_customers
from pipelines.deliver.outbox import Limits, Place, deliver_list
from pipelines.errors import C360Error, SourceDownError
from pipelines.extract.client import CallRefusedError

DAY = date(2026, 6, 30)
PLACE = Place("mail", "win_back", DAY)
LIMITS = Limits(0.3, 20, is_accepted=False, accept="c360 deliver --accept-removals")
IDS = st.sets(st.sampled_from([f"r{n}" for n in range(12)]))


def rows(*far_ids: str, content: str = "") -> list[Row]:
    return [Row(f"c-{far_id}", far_id, content, payload="hidden") for far_id in far_ids]


class Sheet:
    """A far side that is a set; `script` says what befalls each call of send."""

    batch_rows = 2

    def __init__(self, wanted=(), there=(), script=()):
        self.wanted, self.there, self.script = list(wanted), set(there), list(script)
        self.sent: list[Batch] = []

    def rows(self):
        return self.wanted

    def look(self, batch):
        has = {row.far_id for row in batch.adds} & self.there
        return has | ({row.far_id for row in batch.removes} - self.there)

    def send(self, batch):
        fate = self.script.pop(0) if self.script else "ok"
        if fate == "down":
            raise SourceDownError("down", "wait")
        if fate == "refused":
            raise CallRefusedError("refused", "mend", "BAD_FIELD")
        self.sent.append(batch)
        self.there |= {row.far_id for row in batch.adds}
        self.there -= {row.far_id for row in batch.removes}
        if fate == "lost":
            raise SourceDownError("lost", "wait")
        if fate == "killed":
            raise KeyboardInterrupt
        return {row.far_id: Outcome(Status.ok) for row in batch.rows}


def deliver(sheet, path, limits=LIMITS):
    return deliver_list(sheet, Ledger(path), PLACE, limits, lambda seconds: None, lambda told: None)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "deliveries" / "mail" / "win_back.jsonl"


@given(wanted=IDS, known=IDS)
def test_additions_and_removals_lead_from_what_is_known_to_what_is_wanted(wanted, known):
    changes = find_changes(rows(*wanted), {row.far_id: row for row in rows(*known)})
    adds, removes = ({row.far_id for row in part} for part in (changes.adds, changes.removes))
    assert (known | adds) - removes == wanted
    assert not adds & known
    assert removes <= known
    assert changes.same_count == len(wanted & known)


@given(wanted=IDS, known=IDS, size=st.sampled_from([None, 1, 3]))
def test_batches_hold_each_change_once_under_keys_that_do_not_depend_on_order(wanted, known, size):
    known_rows = {row.far_id: row for row in rows(*known)}
    once = list(split_batches(find_changes(rows(*wanted), known_rows), size, "place"))
    again = list(split_batches(find_changes(reversed(rows(*wanted)), known_rows), size, "place"))
    assert [batch.key for batch in once] == [batch.key for batch in again]
    assert len({batch.key for batch in once}) == len(once)
    changed = [row.far_id for batch in once for row in batch.rows]
    assert sorted(changed) == sorted(wanted ^ known)
    other_day = split_batches(find_changes(rows(*wanted), known_rows), size, "other place")
    assert not {batch.key for batch in once} & {batch.key for batch in other_day}


def test_a_changed_content_is_sent_again():
    known = {row.far_id: row for row in rows("r1", "r2", content="old")}
    changes = find_changes([*rows("r1", content="old"), *rows("r2", content="new")], known)
    assert [row.far_id for row in changes.adds] == ["r2"]
    assert changes.removes == ()


@pytest.mark.parametrize(
    ("removed", "kept", "stops"),
    [(20, 0, False), (21, 0, True), (30, 70, False), (31, 69, True)],
)
def test_a_delivery_stops_above_the_share_unless_it_is_few(removed, kept, stops):
    known = {row.far_id: row for row in rows(*(f"r{n}" for n in range(removed + kept)))}
    wanted = list(known.values())[:kept]
    changes = find_changes(wanted, known)
    assert is_mass_removal(changes, 0.3, 20) is stops
    if stops:
        stopped = mass_removal(changes, 0.3, "mail", "do so")
        assert f"{removed} of {removed + kept} rows" in stopped.message
        assert stopped.heals is False
        assert "do so" in stopped.hint


def test_a_stopped_delivery_sends_nothing_until_it_is_accepted(path):
    everybody = rows(*(f"r{n:02}" for n in range(40)))
    deliver(Sheet(everybody), path)
    sheet = Sheet(rows("r99"), there={row.far_id for row in everybody})
    with pytest.raises(C360Error, match="40 of 40"):
        deliver(sheet, path)
    assert sheet.sent == []
    deliver(sheet, path, Limits(0.3, 20, is_accepted=True, accept=""))
    assert sheet.there == {"r99"}
    assert '"accepted": 40' in path.read_text()


@pytest.mark.parametrize("fate", ["down", "lost"])
def test_what_is_unsure_is_looked_up_before_it_is_sent_again(path, fate):
    sheet = Sheet(rows("r1", "r2", "r3"), script=[fate, "ok", fate, fate])
    deliver(sheet, path)
    assert sheet.there == {"r1", "r2", "r3"}
    sent = [row.far_id for batch in sheet.sent for row in batch.rows]
    assert sorted(sent) == ["r1", "r2", "r3"]


def test_after_a_kill_between_request_and_reply_nothing_is_sent_twice(path):
    first = Sheet(rows("r1", "r2", "r3"), script=["ok", "killed"])
    with pytest.raises(KeyboardInterrupt):
        deliver(first, path)
    assert len(Ledger(path).open_batches) == 1
    second = Sheet(rows("r1", "r2", "r3"), there=first.there)
    deliver(second, path)
    assert second.sent == []
    assert set(Ledger(path).known) == {"r1", "r2", "r3"}


def test_a_kill_before_the_request_was_heard_sends_it_the_next_time(path):
    sheet = Sheet(rows("r1"))
    Ledger(path).intend(Batch("key", tuple(rows("r1"))), DAY)
    deliver(sheet, path)
    assert [row.far_id for batch in sheet.sent for row in batch.rows] == ["r1"]
    assert Ledger(path).results(DAY)["status"].to_list() == ["ok"]


def test_a_refused_call_is_told_row_by_row_and_tried_again_the_next_time(path):
    sheet = Sheet(rows("r1", "r2", "r3"), script=["ok", "refused"])
    with pytest.raises(CallRefusedError):
        deliver(sheet, path)
    results = Ledger(path).results(DAY)
    assert sorted(results.select("status", "reason").rows()) == [
        ("failed", "BAD_FIELD"), ("ok", ""), ("ok", "")
    ]  # fmt: skip
    assert Ledger(path).open_batches == []
    deliver(sheet, path)
    assert sheet.there == {"r1", "r2", "r3"}


def test_a_removal_that_the_far_side_does_not_know_is_done(path):
    deliver(Sheet(rows("r1", "r2")), path)
    sheet = Sheet(rows("r2"), there={"r2"})
    sheet.send = lambda batch: {row.far_id: Outcome(Status.absent) for row in batch.rows}
    deliver(sheet, path)
    assert set(Ledger(path).known) == {"r2"}


def test_a_refused_removal_stays_known_and_is_tried_again(path):
    deliver(Sheet(rows("r1", "r2")), path)
    sheet = Sheet(rows("r2"), there={"r1", "r2"})
    sheet.send = lambda batch: {row.far_id: Outcome(Status.failed) for row in batch.rows}
    deliver(sheet, path)
    assert set(Ledger(path).known) == {"r1", "r2"}


@pytest.mark.parametrize("cut", [1, 20, 40])
def test_a_torn_line_says_nothing_and_hides_nothing(path, cut):
    ledger = Ledger(path)
    for number in (1, 2):
        batch = Batch(f"key{number}", tuple(rows(f"r{number}")))
        ledger.intend(batch, DAY)
        ledger.reply(batch, {f"r{number}": Outcome(Status.ok)})
    path.write_bytes(path.read_bytes()[:-cut])
    torn = Ledger(path)
    assert set(torn.known) == ({"r1", "r2"} if cut == 1 else {"r1"})
    assert [batch.key for batch in torn.open_batches] == ([] if cut == 1 else ["key2"])
    batch = Batch("key3", tuple(rows("r3")))
    torn.intend(batch, DAY)
    torn.reply(batch, {"r3": Outcome(Status.ok)})
    assert {"r1", "r3"} <= set(Ledger(path).known)


def test_a_payload_is_written_nowhere(path):
    deliver(Sheet(rows("r1", "r2")), path)
    assert "hidden" not in path.read_text()
    assert "hidden" not in repr(rows("r1"))


def named(name: str, far_id: str) -> Row:
    return Row(name, far_id)


def test_a_ledger_forgets_a_customer_only_once_the_removal_has_been_sent(path):
    both = [named("erased", "r1"), named("other", "r2")]
    deliver(Sheet(both), path)
    told = path.read_bytes()
    assert forget_customers(path, frozenset(["erased"])) == 1
    assert path.read_bytes() == told
    deliver(Sheet(both[1:], there=["r1", "r2"]), path)
    assert forget_customers(path, frozenset(["erased"])) == 0
    text = path.read_text()
    assert "erased" not in text
    assert "r1" not in text
    assert set(Ledger(path).known) == {"r2"}
    assert Ledger(path).results(DAY)["customer_id"].to_list() == ["other"]


def test_what_is_in_the_air_of_a_customer_is_not_forgotten(path):
    Ledger(path).intend(Batch("key", (named("erased", "r1"),)), DAY)
    assert forget_customers(path, frozenset(["erased"])) == 1
    assert len(Ledger(path).open_batches) == 1
