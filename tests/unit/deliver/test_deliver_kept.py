"""A list that a circuit breaker held back: nothing new goes out, and withdrawals still do."""

from datetime import timedelta

import polars as pl
import pytest
from delivery_rig import DAY, people

from pipelines.audit import read_acts

NEXT = DAY + timedelta(days=1)


@pytest.fixture
def box(office, tmp_path):
    folder = tmp_path / "box"
    lists = {"win_back": "back", "vip_care": "care"}
    office.configure({"name": "box", "type": "folder", "path": str(folder), "lists": lists})
    return folder


def test_of_a_list_that_was_kept_only_removals_go_out_and_others_go_as_ever(office, call, box):
    office.release({"win_back": people([1, 2, 3]), "vip_care": people([7])})
    assert call("deliver", "--date", str(DAY))[0] == 0
    kept = people([1, 3, 4], grade="B")  # 2 withdrew; 4 and the new grade wait
    office.release(
        {"win_back": kept, "vip_care": people([7, 8])}, day=NEXT, kept={"win_back": str(DAY)}
    )
    code, said = call("deliver", "--date", str(NEXT), "--dry-run")
    [line] = [line for line in said.splitlines() if "win_back (held back)" in line]
    assert line.split("(held back)")[1].split()[:3] == ["·", "1", "2"]
    code, said = call("deliver", "--date", str(NEXT))
    assert code == 0, said
    results = pl.read_csv(office.root / f"deliveries/box/results/win_back_{NEXT}.csv")
    assert results.select("customer_id", "operation").rows() == [("c00002", "remove")]
    assert office.results("box", "vip_care", NEXT) == {"ok": 1}
    report = (office.lake.run(NEXT).steps / "deliver.json").read_text()
    assert "held back, only removals sent: win_back" in report


def test_a_kept_list_without_withdrawals_leaves_the_far_side_alone(office, call, box):
    office.release({"win_back": people([1, 2]), "vip_care": people([7])})
    assert call("deliver", "--date", str(DAY))[0] == 0
    before = sorted(path.name for path in box.glob("back_*"))
    office.release(
        {"win_back": people([1, 2]), "vip_care": people([7])},
        day=NEXT, kept={"win_back": str(DAY)},
    )  # fmt: skip
    assert call("deliver", "--date", str(NEXT))[0] == 0
    assert sorted(path.name for path in box.glob("back_*")) == before


def test_removals_that_were_accepted_are_in_the_audit_log(office, call, box):
    office.release({"win_back": people(range(100)), "vip_care": people([1])})
    assert call("deliver", "--date", str(DAY))[0] == 0
    office.release({"win_back": people(range(50)), "vip_care": people([1])}, day=NEXT)
    words = ("deliver", "--date", str(NEXT), "--accept-removals", "--because", "a new rule",
             "--by", "Ana Li")  # fmt: skip
    assert call(*words, "--dry-run")[0] == 0
    assert list(read_acts(office.lake)) == []
    assert call(*words)[0] == 0
    [act] = read_acts(office.lake)
    told = [act[key] for key in ("actor", "action", "subject", "because")]
    assert told == ["Ana Li", "accept removals", "box, list win_back", "a new rule"]
    assert act["facts"] == {"day": str(NEXT), "known": 100, "removed": 50}
    assert call(*words)[0] == 0  # nothing is left to remove, and so nothing to accept
    assert len(list(read_acts(office.lake))) == 1


def test_nothing_is_removed_that_the_audit_log_cannot_tell_of(office, call, box):
    office.release({"win_back": people(range(100)), "vip_care": people([1])})
    assert call("deliver", "--date", str(DAY))[0] == 0
    office.release({"win_back": people(range(50)), "vip_care": people([1])}, day=NEXT)
    (office.root / "audit.jsonl").write_text('{"number": 7}\n')
    code, said = call("deliver", "--date", str(NEXT), "--accept-removals")
    assert (code, "does not verify" in said) == (1, True)
    assert not list(box.glob(f"back_{NEXT}*"))
