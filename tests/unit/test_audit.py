"""The audit log: an edit, a removal or a cut-off end is found, wherever it is."""

import json
import os
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.audit import Act, append_act, read_acts, verify_acts
from pipelines.errors import C360Error
from pipelines.lake import Lake

ENTRIES = 1_000
KEY = b"an audit key of thirty-two bytes"
AT = datetime(2026, 6, 30, 8, 0, tzinfo=UTC)


def act(subject="win_back"):
    return Act("anna", "accept", subject, "a campaign was cancelled", {"rows": 3})


def write_acts(lake, count):
    for number in range(count):
        append_act(lake, KEY, act(f"list {number}"), AT)


@pytest.fixture(scope="module")
def long_log(tmp_path_factory):
    lake = Lake(tmp_path_factory.mktemp("audit"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)  # a thousand waits for the disk
        write_acts(lake, ENTRIES)
    return lake, (lake.home / "audit.jsonl").read_bytes().splitlines(keepends=True)


def test_an_act_is_read_back_as_it_was_written(tmp_path):
    lake = Lake(tmp_path)
    assert append_act(lake, KEY, act(), AT) == 1
    (line,) = read_acts(lake)
    assert line["because"] == "a campaign was cancelled"
    assert line["at"] == "2026-06-30T08:00:00+00:00"
    assert verify_acts(lake, KEY) == 1


def test_an_empty_log_verifies(tmp_path):
    assert verify_acts(Lake(tmp_path), KEY) == 0


def test_of_a_thousand_lines_each_that_is_removed_or_edited_is_found(long_log):
    lake, lines = long_log
    path = lake.home / "audit.jsonl"
    assert verify_acts(lake, KEY) == len(lines) == ENTRIES
    try:
        for number, line in enumerate(lines):
            edited = line.replace(b"anna", b"anne")
            for instead in ([], [edited]):
                path.write_bytes(b"".join([*lines[:number], *instead, *lines[number + 1 :]]))
                with pytest.raises(C360Error, match="audit log"):
                    verify_acts(lake, KEY)
    finally:
        path.write_bytes(b"".join(lines))


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_every_edit_of_a_line_is_found(long_log, data):
    lake, lines = long_log
    path = lake.home / "audit.jsonl"
    number = data.draw(st.integers(0, len(lines) - 1))
    line = json.loads(lines[number])
    field = data.draw(st.sampled_from(sorted(line)))
    line[field] = data.draw(st.text() | st.integers()).__str__() + "x"
    edited = json.dumps(line, ensure_ascii=False).encode() + b"\n"
    try:
        path.write_bytes(b"".join([*lines[:number], edited, *lines[number + 1 :]]))
        with pytest.raises(C360Error, match=rf"Line {number + 1} "):
            verify_acts(lake, KEY)
    finally:
        path.write_bytes(b"".join(lines))


def test_two_lines_that_changed_places_are_found(long_log):
    lake, lines = long_log
    path = lake.home / "audit.jsonl"
    try:
        path.write_bytes(b"".join([lines[1], lines[0], *lines[2:]]))
        with pytest.raises(C360Error, match="Line 1 "):
            verify_acts(lake, KEY)
    finally:
        path.write_bytes(b"".join(lines))


def test_a_chain_written_under_another_key_does_not_verify(tmp_path):
    lake = Lake(tmp_path)
    append_act(lake, b"another", act(), AT)
    with pytest.raises(C360Error, match="another key"):
        verify_acts(lake, KEY)


def test_nothing_is_added_to_a_log_that_does_not_verify(tmp_path):
    lake = Lake(tmp_path)
    write_acts(lake, 3)
    path = lake.home / "audit.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2]))
    with pytest.raises(C360Error, match="it had 3"):
        append_act(lake, KEY, act(), AT)


@pytest.mark.parametrize("torn", [b'{"number": 3', b""])
def test_a_crash_while_writing_a_line_leaves_a_log_that_goes_on(tmp_path, torn):
    lake = Lake(tmp_path)
    write_acts(lake, 2)
    with (lake.home / "audit.jsonl").open("ab") as log:
        log.write(torn)
    assert verify_acts(lake, KEY) == 2
    assert append_act(lake, KEY, act(), AT) == 3
    assert verify_acts(lake, KEY) == 3


def test_a_crash_between_line_and_head_leaves_a_log_that_goes_on(tmp_path):
    lake = Lake(tmp_path)
    write_acts(lake, 2)
    head = (lake.home / "audit.head").read_bytes()
    append_act(lake, KEY, act(), AT)
    (lake.home / "audit.head").write_bytes(head)
    assert verify_acts(lake, KEY) == 3
    assert append_act(lake, KEY, act(), AT) == 4
