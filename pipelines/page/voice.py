"""What customers talk about, and what troubles them."""

from collections.abc import Mapping

import polars as pl

from pipelines.page.charts import bars, heat_map
from pipelines.page.figure import Column, Figure, Section
from pipelines.page.small_cells import FEW, hide_small_parts, hide_small_shares
from pipelines.page.texts import column, with_words, word

GRADES = ("A", "B", "C", "D")
LEAVING = ("at_risk", "dormant", "churned")
TOPICS, CAUSES = "feedback_topics_by_grade", "churn_causes"


def count_topics(topics: pl.LazyFrame) -> pl.DataFrame:
    """Customers who talked of each topic in 90 days and who had a problem with it.

    Args:
        topics: `feedback_topics_by_grade`.

    Returns:
        label, label_zh, scope, scope_zh, speakers, troubled, troubled_rate (of all who said
        anything), troubled_rate_before (the 90 days before); most troubled customers first.
    """
    found = (
        topics.filter(pl.col("grade") == "total", pl.col("person_count_90d") > 0)
        .collect()
        .sort("problem_person_count_90d", "topic", descending=[True, False])
    )
    told = found.select(
        "label",
        "label_zh",
        pl.col("problem_scope").fill_null("none").alias("scope"),
        pl.col("person_count_90d").alias("speakers"),
        pl.col("problem_person_count_90d").alias("troubled"),
        pl.col("problem_person_rate_90d").round(4).alias("troubled_rate"),
        _told_before().alias("troubled_rate_before"),
    )
    hidden = hide_small_shares(told, "troubled", "speakers", ["troubled_rate"])
    return with_words(hidden, "scope", "scopes")


def _told_before() -> pl.Expr:
    """The rate of the 90 days before, unless few make it."""
    few = pl.col("problem_person_count_previous_90d").is_between(1, FEW - 1)
    return pl.when(~few).then(pl.col("problem_person_rate_previous_90d").round(4))


def spread_problems(topics: pl.LazyFrame) -> pl.DataFrame:
    """Topics down, grades across: customers who had a problem; the largest topic first.

    A topic of which few had no problem is left out: the sum of its grades would tell them.

    Returns:
        label, label_zh, one column for each grade.
    """
    rest = pl.col("person_count_90d") - pl.col("problem_person_count_90d")
    whole = topics.filter(pl.col("grade") == "total", rest.is_between(1, FEW - 1))
    found = topics.filter(pl.col("grade") != "total").join(whole, on="topic", how="anti").collect()
    wide = found.group_by("topic", "label", "label_zh").agg(
        pl.col("problem_person_count_90d").filter(pl.col("grade") == grade).sum().alias(grade)
        for grade in GRADES
    )
    size = pl.sum_horizontal(GRADES)
    there = wide.filter(size > 0).sort(size, pl.col("topic"), descending=[True, False])
    return hide_small_parts(there.drop("topic"), GRADES)


def spread_causes(causes: pl.LazyFrame) -> pl.DataFrame:
    """Causes down, stages across: customers at risk or gone; the most frequent cause first.

    Args:
        causes: `churn_causes`; a customer may have several.

    Returns:
        label, label_zh, at_risk, dormant, churned.
    """
    counts = (
        causes.group_by("cause", "label", "label_zh")
        .agg(
            (pl.col("lifecycle_stage") == stage).sum().cast(pl.Int64).alias(stage)
            for stage in LEAVING
        )
        .collect(engine="streaming")
        .sort(pl.sum_horizontal(LEAVING), pl.col("cause"), descending=[True, False])
    )
    return hide_small_parts(counts.drop("cause"), LEAVING)


def make_voice(marts: Mapping[str, pl.LazyFrame]) -> Section | None:
    """The section, from `feedback_topics_by_grade` and `churn_causes`."""
    figures = [
        *(_topics(marts[TOPICS]) if TOPICS in marts else ()),
        *(_causes(marts[CAUSES]) if CAUSES in marts else ()),
    ]
    return Section("voice", tuple(figures)) if figures else None


def _topics(by_grade: pl.LazyFrame) -> list[Figure]:
    topics = count_topics(by_grade)
    if not topics.height:
        return []
    counts = (column("speakers", "persons"), column("troubled", "persons"))
    rates = (column("troubled_rate", "rate"), column("troubled_rate_before", "rate"))
    columns = (column("topic", "label"), column("scope", "label"), *counts, *rates)
    named = topics.rename({"label": "topic", "label_zh": "topic_zh"})
    figures = [Figure("topics", columns, named, bars(named, "topic", counts))]
    problems = spread_problems(by_grade)
    if problems.height:
        across = [Column(grade, "persons", word("grades", grade)) for grade in GRADES]
        chart = heat_map(problems, "label", across)
        figures.append(Figure("topic_grades", (column("label", "label"), *across), problems, chart))
    return figures


def _causes(causes: pl.LazyFrame) -> list[Figure]:
    rows = spread_causes(causes)
    if not rows.height:
        return []
    stages = [column(stage, "persons") for stage in LEAVING]
    chart = bars(rows, "label", stages, stacked=True)
    return [Figure("churn_causes", (column("label", "label"), *stages), rows, chart)]
