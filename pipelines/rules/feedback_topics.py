"""The frozen schema of `feedback_topics.yml`: what customers talk about."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from pipelines.rules.model import WORD, Labelled, Name, Rules, Share, refuse_repeats

Word = Annotated[str, Field(min_length=1, pattern=WORD)]
RIVAL = "rival"


class Topic(Labelled):
    """What a text may be about, and the words that tell it."""

    topic: Name
    words: tuple[Word, ...] = Field((), description="English words; `*` is any ending.")
    words_zh: tuple[Word, ...] = Field((), description="Chinese; `*` is up to six characters.")
    categories: tuple[Word, ...] = Field((), description="What sources call it themselves.")
    is_fault: bool = Field(True, description="False for a reason of a return that is no fault.")


class OtherTopic(Labelled):
    """What a text is about in which no topic is found."""

    topic: Name


class FeedbackTopics(Rules):
    """`feedback_topics.yml`: topics of cases, surveys, comments and returns."""

    topics: tuple[Topic, ...] = Field(min_length=1)
    other: OtherTopic
    rivals: tuple[Word, ...] = Field((), description="Names of other suppliers.")
    shared_min_persons: int = Field(ge=1, description="A shared problem has so many customers.")
    shared_min_share: Share = Field(description="And this share of those who said anything.")

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        named = [topic.topic for topic in self.topics]
        refuse_repeats("topic", [*named, self.other.topic])
        called = [word.lower() for topic in self.topics for word in topic.categories]
        refuse_repeats("category", called)
        if self.rivals and RIVAL not in named:
            raise ValueError(f"rivals are named, and there is no topic {RIVAL!r} to put them under")
        return self
