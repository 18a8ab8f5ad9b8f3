import json
import re

from factories import rows
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.page.report import make_report, make_sections
from tests.unit.page.page_frames import all_marts, manifest, people
from tests.unit.page.test_lists import segment

CANARY = "Zebulon Quicksilver"
KINDS = st.fixed_dictionaries(
    {
        "grade": st.sampled_from("ABCD"),
        "lifecycle_stage": st.sampled_from(["prospect", "loyal", "at_risk"]),
        "vip_band": st.sampled_from(["diamond", "gold", None]),
        "is_first_tier": st.booleans(),
        "is_second_tier_network": st.booleans(),
        "churn_risk": st.sampled_from([0.05, 0.5, 0.95]),
        "churn_risk_band": st.sampled_from(["low", "high"]),
    }
)
BASES = st.lists(st.tuples(st.integers(1, 30), KINDS), min_size=1, max_size=6)


def test_every_section_is_there_in_reading_order():
    sections = make_sections(all_marts(), manifest(), [segment()], [])
    assert [section.name for section in sections] == [
        "night", "structure", "movements", "value", "models", "kpis", "economics", "lists", "voice",
    ]  # fmt: skip


def test_a_release_of_older_days_shows_what_it_has():
    marts = {name: frame for name, frame in all_marts().items() if name == "audience"}
    sections = make_sections(marts, manifest(), [], [])
    assert [section.name for section in sections] == ["night", "structure", "value", "lists"]


@settings(max_examples=15, deadline=None)
@given(BASES)
def test_no_figure_of_any_customers_tells_of_few_persons(kinds):
    marts = {"audience": people(*kinds)}
    facts = manifest(customers=sum(count for count, _ in kinds))
    for section in make_sections(marts, facts, [], []):
        for figure in section.figures:
            for column in figure.columns:
                if column.kind == "persons":
                    told = figure.rows[column.name].drop_nulls()
                    assert not told.is_between(1, 9).any(), figure.name


def test_the_same_release_gives_the_same_bytes():
    pages = {make_report(all_marts(), manifest(), [segment()], []) for _ in range(3)}
    assert len(pages) == 1


def test_no_name_and_no_id_of_a_customer_is_on_the_page():
    marts = all_marts()
    personal = dict.fromkeys(("city", "occupation", "customer_id"), CANARY)
    marts["audience"] = people((200, {"grade": "A", "lifecycle_stage": "loyal", **personal}))
    marts["customer_360"] = rows("customer_360", {"city": CANARY}, group="models").lazy()
    page = make_report(marts, manifest(), [segment()], [])
    assert "Zebulon" not in page
    assert "Quicksilver" not in page


def test_labels_stay_text_whatever_they_say():
    hostile = "</script><script>alert(1)</script>\"'><img src=x onerror=alert(1)>{b}=cmd()\u2028"
    marts = all_marts()
    marts["audience"] = people(
        (50, {"grade": "A", "grade_label": hostile, "grade_label_zh": hostile,
              "lifecycle_stage": "loyal", "lifecycle_stage_label": hostile}),
        (50, {"grade": "B", "lifecycle_stage": "repeat"}),
    )  # fmt: skip
    facts = manifest(
        lists=[{"name": "win_back", "label": hostile, "label_zh": hostile, "channel": hostile,
                "purpose": hostile, "rows": 40, "matched": 40, "suppressed": 0,
                "without_consent": 0}],
        sources=[{"name": hostile, "type": hostile, "fresh_through": hostile, "is_stale": True}],
    )  # fmt: skip
    rule = segment(label=hostile, owner=hostile, reason=hostile, where=hostile)
    page = make_report(marts, facts, [rule], [])
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert page.count("<script") == 3
    assert page.count("</script>") == 3
    data = re.search(r'id="charts">(.*?)</script>', page, re.DOTALL)[1]
    told = json.loads(data)["grades"]["options"]["en"]["yAxis"]["data"]
    assert told[0] == hostile
