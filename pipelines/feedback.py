"""What customers talk about: topics of cases, survey answers, comments and returns.

Free text comes in and none goes out. Topics are found by the words of `feedback_topics.yml`, or are
what the source itself calls it. Words tell what a text is about, not whether it praises or blames:
that is told by kinds of case, scores and sentiments of the sources.
"""

import re
from functools import cache

import polars as pl
from opencc import OpenCC

from pipelines.rules.feedback_topics import RIVAL, FeedbackTopics, Topic

TEXTS = pl.Schema(
    {"customer_id": pl.String, "source_kind": pl.String, "source": pl.String,
     "source_account_id": pl.String, "source_record_id": pl.String, "said_on": pl.Date,
     "said_text": pl.String, "source_category": pl.String, "sentiment": pl.String,
     "rating_rate": pl.Float64, "is_complaint": pl.Boolean}
)  # fmt: skip
SAID = ["customer_id", "source_kind", "source", "source_account_id", "source_record_id"]
KEPT = [*SAID, "said_on", "sentiment", "rating_rate", "is_complaint"]
HAN = r"\p{Han}"
NOTHING_WORDS = r"[^\s\S]"


def find_topics(texts: pl.DataFrame, rules: FeedbackTopics) -> pl.DataFrame:
    """The topics of each text; a text without one is of the topic for all others.

    Args:
        texts: one row for each thing said, with the columns of `TEXTS`; source_kind is case,
            survey, social or return, source_category what the source calls the topic.
        rules: topics, their words, and names of rivals.

    Returns:
        One row for each text and topic, without the text: the columns that name it, said_on,
        topic, found_by (`words`, `category` or `nothing`), rival (the name that is mentioned),
        sentiment, rating_rate, is_complaint and is_problem: a complaint, a negative sentiment, or
        goods that came back for a fault.
    """
    read = texts.with_columns(
        _readable(texts["said_text"]), pl.col("source_category").str.to_lowercase()
    )
    found = [
        read.select(
            *KEPT,
            topic=pl.lit(topic.topic),
            is_fault=pl.lit(topic.is_fault),
            by_words=_any_of(_pattern(topic, rules)),
            by_category=pl.col("source_category").is_in(
                [category.lower() for category in topic.categories]
            ),
            rival=_first_rival(rules) if topic.topic == RIVAL else pl.lit(None, pl.String),
        ).filter(pl.col("by_words").fill_null(False) | pl.col("by_category").fill_null(False))
        for topic in rules.topics
    ]
    told = pl.concat(found)
    untold = read.join(told, on=SAID, how="anti").select(
        *KEPT,
        topic=pl.lit(rules.other.topic),
        is_fault=pl.lit(True),
        by_words=pl.lit(False),
        by_category=pl.lit(False),
        rival=pl.lit(None, pl.String),
    )
    blames = pl.col("is_complaint") | (pl.col("sentiment") == "negative").fill_null(False)
    came_back = (pl.col("source_kind") == "return") & pl.col("is_fault")
    return (
        pl.concat([told, untold])
        .with_columns(
            found_by=pl.when("by_words")
            .then(pl.lit("words"))
            .when("by_category")
            .then(pl.lit("category"))
            .otherwise(pl.lit("nothing")),
            is_problem=blames | came_back,
        )
        .select(*KEPT, "topic", "found_by", "rival", "is_problem")
        .sort(*SAID, "topic")
    )


def _readable(text: pl.Series) -> pl.Series:
    """Lower case, plain widths and quotes, simplified characters."""
    plain = text.str.normalize("NFKC").str.to_lowercase().str.replace_all("[’‘]", "'")
    written = plain.filter(plain.str.contains(HAN)).unique()
    simplified = [_simplifier().convert(line) for line in written]
    return plain.replace(written, pl.Series(simplified, dtype=pl.String))


@cache
def _simplifier() -> OpenCC:
    return OpenCC("t2s")


def _any_of(pattern: str) -> pl.Expr:
    return pl.col("said_text").str.contains(pattern)


def _first_rival(rules: FeedbackTopics) -> pl.Expr:
    """The first name of the list that a text holds."""
    named = [pl.when(_any_of(_as_pattern(name))).then(pl.lit(name)) for name in rules.rivals]
    return pl.coalesce(*named, pl.lit(None, pl.String))


def _pattern(topic: Topic, rules: FeedbackTopics) -> str:
    names = rules.rivals if topic.topic == RIVAL else ()
    patterns = [_as_pattern(word) for word in (*topic.words, *topic.words_zh, *names)]
    return "|".join(patterns) if patterns else NOTHING_WORDS


def _as_pattern(word: str) -> str:
    """A word of the rules as a pattern; Latin letters have bounds, Chinese characters have none."""
    parts = [re.escape(part).replace(r"\ ", r"\s+") for part in word.lower().split("*")]
    if not word.isascii():
        return ".{0,6}".join(parts)
    within = r"[\w'-]*" if " " not in word or word.endswith("*") else r"\S*"
    return rf"(?-u:\b){within.join(parts)}(?-u:\b)"
