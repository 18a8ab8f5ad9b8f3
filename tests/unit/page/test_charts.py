import polars as pl
import pytest

from pipelines.page.charts import bars, flows, heat_map, lines
from pipelines.page.figure import Column, Text
from pipelines.page.numbers import write_number

N = Column("n", "persons", Text("Persons", "人数"))
M = Column("m", "rate", Text("Rate", "比例"))


def frame(**columns):
    return pl.DataFrame({"label": ["a", "b"], "label_zh": ["甲", "乙"], **columns})


def test_bars_have_names_in_each_language_and_a_legend_only_of_several():
    one, two = (
        bars(frame(n=[20, 30]), "label", [N]),
        bars(frame(n=[20, 30], m=[1, 2]), "label", [N, M]),
    )
    assert one.options["zh"]["yAxis"]["data"] == ["甲", "乙"]
    assert one.options["en"]["series"][0]["data"] == [20, 30]
    assert "legend" not in one.options["en"]
    assert "legend" in two.options["en"]


def test_what_is_hidden_has_no_bar():
    assert bars(frame(n=[None, 30]), "label", [N]).options["en"]["yAxis"]["data"] == ["b"]
    assert bars(frame(n=[None, None]), "label", [N]) is None
    assert heat_map(frame(n=[None, None]), "label", [N]) is None


def test_stacked_bars_grow_with_the_rows_and_grouped_ones_with_the_bars():
    many = pl.concat([frame(n=[20, 30], m=[1.0, 2.0])] * 10)
    stacked = bars(many, "label", [N, M], stacked=True)
    assert stacked.height < bars(many, "label", [N, M]).height
    assert stacked.options["en"]["series"][0]["stack"] == "all"


def test_lines_leave_a_gap_for_what_is_hidden():
    assert lines(frame(m=[None, 0.5]), "label", [M]).options["en"]["series"][0]["data"] == [
        None,
        0.5,
    ]


def test_a_cell_tells_its_number_and_a_hidden_one_a_dash():
    cells = heat_map(frame(n=[1000, None]), "label", [N]).options["en"]["series"][0]["data"]
    assert [cell["text"] for cell in cells] == ["1,000", "–"]
    assert cells[1]["value"][2] == 0
    rates = heat_map(frame(m=[0.256, 0]), "label", [M]).options["en"]["series"][0]["data"]
    assert [cell["text"] for cell in rates] == ["26%", "0%"]


def test_streams_lead_from_left_to_right_even_between_the_same_names():
    rows = pl.DataFrame({"start": ["a", "b"], "end": ["b", "a"], "n": [20, 30]})
    series = flows(rows, "start", "end", N).options["en"]["series"][0]
    assert [(link["source"], link["target"], link["value"]) for link in series["links"]] == [
        ("< a", "b >", 20),
        ("< b", "a >", 30),
    ]
    assert {node["name"]: node["text"] for node in series["data"]} == {
        "< a": "a", "b >": "b", "< b": "b", "a >": "a",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (None, "persons", "–"),
        (1234, "persons", "1,234"),
        (1234.0, "count", "1,234"),
        (0.12345, "rate", "12.3%"),
        (1234.5, "money", "1,234"),
        (-3.456, "money", "-3.46"),
        (0.123456, "number", "0.1235"),
        (12345.6, "number", "12,346"),
        (5, "change", "+5"),
        (-5, "change", "-5"),
        (0, "change", "0"),
        ("as it is", "text", "as it is"),
    ],
)
def test_numbers_are_written_by_kind(value, kind, text):
    assert write_number(value, kind) == text
