"""What customers talk about, found in what they wrote."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.errors import C360Error
from pipelines.feedback import KEPT, TEXTS, find_topics
from pipelines.rules import find_rules, load_rules
from pipelines.rules.feedback_topics import FeedbackTopics

EXAMPLES = yaml.safe_load(
    (Path(__file__).parent / "feedback_texts.yml").read_text(encoding="utf-8")
)
PACKAGED = load_rules(find_rules(None)).feedback_topics


def texts(*said):
    """One row for each text, or columns that differ from those of a plain survey answer."""
    plain = {
        "customer_id": "ann", "source_kind": "survey", "source": "crm", "source_account_id": "",
        "said_on": date(2026, 6, 30), "is_complaint": False,
    }  # fmt: skip
    rows = [{"said_text": row} if isinstance(row, str) else row for row in said]
    numbered = [plain | {"source_record_id": f"{i:04}"} | row for i, row in enumerate(rows)]
    return pl.DataFrame(numbered, schema=TEXTS)


def rules(rivals=(), **words):
    """Topics of the given names, each with words, Chinese words or other keys."""
    topics = [
        {"topic": name, "label": name, "label_zh": name} | entry for name, entry in words.items()
    ]
    return FeedbackTopics.model_validate(
        {
            "topics": topics,
            "other": {"topic": "other", "label": "Other", "label_zh": "其他"},
            "rivals": rivals,
            "shared_min_persons": 5,
            "shared_min_share": 0.02,
        }
    )


def topics_of(text, book):
    return find_topics(texts(text), book)["topic"].to_list()


def score(examples, book):
    """Shares: of the topics found those that are right, of the right ones those found."""
    found = find_topics(texts(*(entry["text"] for entry in examples)), book)
    got = {
        (int(record), topic)
        for record, topic in found.select("source_record_id", "topic").iter_rows()
        if topic != "other"
    }
    right = {(i, t) for i, e in enumerate(examples) for t in e["topics"] if t != "other"}
    return len(got & right) / len(got), len(got & right) / len(right)


@pytest.mark.parametrize("language", ["English", "Chinese"])
@pytest.mark.parametrize(
    ("which", "precision", "recall"), [("tuned", 0.93, 0.93), ("held_out", 0.88, 0.55)]
)
def test_topics_of_handwritten_texts_are_found(which, precision, recall, language):
    """Words find what is said in usual words, and little else; the rest stays without a topic."""
    told = [e for e in EXAMPLES[which] if e["text"].isascii() == (language == "English")]
    assert len(told) > 25
    found = score(told, PACKAGED)
    assert found[0] >= precision, found
    assert found[1] >= recall, found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("It was late.", ["slow"]),
        ("LATE!", ["slow"]),
        ("ＬＡＴＥ", ["slow"]),
        ("translate", ["other"]),
        ("late快递", ["slow"]),
        ("delivered", ["slow"]),
        ("redelivered", ["other"]),
        ("never\n came", ["slow"]),
        ("nevercame", ["other"]),
        ("took nine days", ["slow"]),
        ("took a good nine days", ["other"]),
        ("doesn’t fit", ["slow"]),
        ("太慢了", ["slow"]),
        ("等了十天", ["slow"]),
        ("等了那么那么久的天", ["slow"]),
        ("等了那么那么那么久的天", ["other"]),
        ("運費太貴", ["slow"]),
    ],
)
def test_a_word_is_whole_with_its_endings_and_chinese_is_found_within(text, found):
    words = {
        "words": ["late", "deliver*", "never came", "took * days", "doesn't fit"],
        "words_zh": ["太慢", "等了*天", "太贵"],
    }
    assert topics_of(text, rules(slow=words)) == found


def test_a_source_may_name_the_topic_itself():
    book = rules(price={"words": ["cheap"], "categories": ["Pricing"]}, other_topic={})
    said = texts(
        {"said_text": None, "source_category": "PRICING"},
        {"said_text": "cheap", "source_category": "pricing"},
        {"said_text": "hm", "source_category": "unheard of"},
        {"said_text": None, "source_category": None},
    )
    found = find_topics(said, book)
    assert found["topic"].to_list() == ["price", "price", "other", "other"]
    assert found["found_by"].to_list() == ["category", "words", "nothing", "nothing"]


def test_a_problem_is_a_complaint_a_negative_voice_or_goods_that_came_back_for_a_fault():
    book = rules(
        quality={"words": ["broken"]}, changed_mind={"words": ["mistake"], "is_fault": False}
    )
    said = texts(
        {"said_text": "broken"},
        {"said_text": "broken", "is_complaint": True},
        {"said_text": "broken", "sentiment": "negative"},
        {"said_text": "broken", "sentiment": "positive"},
        {"said_text": "broken", "source_kind": "return"},
        {"said_text": "by mistake", "source_kind": "return"},
        {"said_text": "hm", "source_kind": "return"},
    )
    found = find_topics(said, book).sort("source_record_id")
    assert found["is_problem"].to_list() == [False, True, True, False, True, False, True]


def test_the_rival_that_is_named_is_told_and_no_other_word_of_the_text():
    book = rules(rivals=["Tea House", "茶楼"], rival={"words": ["elsewhere"]})
    found = find_topics(texts("I went to the tea house", "去了茶樓", "elsewhere"), book)
    assert found["rival"].to_list() == ["Tea House", "茶楼", None]
    assert "said_text" not in found.columns


def test_no_text_is_no_row():
    found = find_topics(texts(), PACKAGED)
    assert found.is_empty()
    assert found.columns == [*KEPT, "topic", "found_by", "rival", "is_problem"]


@settings(max_examples=25)
@given(st.lists(st.text(max_size=30), min_size=1, max_size=8), st.randoms())
def test_every_text_has_a_topic_once_whatever_it_is_and_in_whatever_order(said, chance):
    frame = texts(*said)
    found = find_topics(frame, PACKAGED)
    key = ["source_record_id", "topic"]
    assert found.select(key).is_unique().all()
    assert set(found["source_record_id"]) == set(frame["source_record_id"])
    order = list(range(frame.height))
    chance.shuffle(order)
    assert find_topics(frame[order], PACKAGED).equals(found)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"topics": "twice"}, "topic price is listed twice"),
        ({"categories": "twice"}, "category fee is listed twice"),
        ({"rivals": ["Tea House"]}, "there is no topic 'rival'"),
    ],
)
def test_faults_of_the_rules_are_sentences(change, told, tmp_path):
    topic = {"topic": "price", "label": "Price", "label_zh": "价格", "categories": ["fee"]}
    second = topic | ({} if change.get("topics") else {"topic": "fees", "categories": ["FEE"]})
    book = {
        "topics": [topic, second] if "rivals" not in change else [topic],
        "other": {"topic": "other", "label": "Other", "label_zh": "其他"},
        "rivals": change.get("rivals", []),
        "shared_min_persons": 5,
        "shared_min_share": 0.02,
    }
    if change.get("topics"):
        second["categories"] = []
    (tmp_path / "feedback_topics.yml").write_text(yaml.safe_dump(book), encoding="utf-8")
    with pytest.raises(C360Error) as error:
        load_rules(find_rules(tmp_path))
    assert told in error.value.message
