"""Rules as rows, so that constant SQL joins them and every run keeps the rules it used."""

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Any

import polars as pl

from pipelines.rules.schemas import RuleBook, RunFacts
from pipelines.rules.segments import EVENT_DAYS


def rule_rows(book: RuleBook, facts: RunFacts) -> dict[str, list[dict[str, Any]]]:
    """The rows of each `rules` dataset of the catalogue, by name."""
    return {
        "run": [_run(book, facts)],
        "feature_days": [{"feature_on": day} for day in book.scores.feature_days(facts.as_of)],
        "order_statuses": _order_statuses(book),
        "grade_cuts": [
            cut.model_dump(exclude={"min_percentile", "min_value"}) for cut in book.tiers.grades
        ],
        "vip_cuts": [
            cut.model_dump(exclude={"min_percentile", "min_value"})
            | {"is_vip": cut.band in book.lifecycle.vip_bands}
            for cut in book.tiers.vip_bands
        ],
        "second_tier_grades": [{"grade": grade} for grade in book.tiers.second_tier.grades],
        "rfm_groups": _rfm_groups(book),
        "lifecycle_stages": [
            {"priority": priority, **stage.model_dump()}
            for priority, stage in enumerate(book.lifecycle.stages, start=1)
        ],
        "suppressing_tags": [
            {"priority": priority, "because": entry.because, "tag": tag.strip().lower()}
            for priority, entry in enumerate(book.privacy.suppressing_tags, start=1)
            for tag in entry.tags
        ],
        "festivals": book.festivals.rows(),
        "topics": _topics(book),
        "cause_limits": _cause_limits(book),
        "warnings": [warning.model_dump() for warning in book.warnings.warnings],
        "engagement_weights": [weight.model_dump() for weight in book.engagement.weights],
        "survivorship": _survivorship(book, facts),
        "age_bands": _age_bands(book),
        "household_size_bands": [
            {"household_size_band": name, "min_size": low, "max_size": high}
            for name, low, high in _bands(book.demographics.household_size_bands)
        ],
        "segment_labels": [label.model_dump() for label in book.demographics.labels],
        "trait_bands": _trait_bands(book),
        "relations": [
            {"closeness": closeness, **kind.model_dump()}
            for closeness, kind in enumerate(book.relations.relations, start=1)
        ],
        "interest_weights": [w.model_dump() for w in book.preferences.interest_weights],
        "reaction_weights": [w.model_dump() for w in book.preferences.reaction_weights],
        "contact_channels": [
            {"priority": priority, "channel": channel}
            for priority, channel in enumerate(book.preferences.contact_channels, start=1)
        ],
    }


def as_frame(rows: list[dict[str, Any]], schema: pl.Schema) -> pl.LazyFrame:
    """Rows as a frame of the catalogue's types."""
    return pl.DataFrame(rows, schema=schema).lazy()


def _run(book: RuleBook, facts: RunFacts) -> dict[str, Any]:
    return {
        "as_of": facts.as_of,
        "base_currency": facts.base_currency,
        "time_zone": book.sources.time_zone,
        "horizon_days": book.scores.horizon_days,
        "sample_customers": book.scores.sample_customers,
        "consent_months": book.privacy.consent_months,
        "minimum_age": book.privacy.minimum_age,
        "shrinkage_gaps": book.lifecycle.shrinkage_gaps,
        "min_rhythm_days": book.lifecycle.min_rhythm_days,
        "max_rhythm_days": book.lifecycle.max_rhythm_days,
        "won_back_days": book.lifecycle.won_back_days,
        "churned_above": book.lifecycle.churned_above,
        "rfm_drift_days": book.rfm.drift_days,
        "rfm_drift_min_customers": book.rfm.drift_min_customers,
        "rfm_kept_days": book.rfm.kept_days,
        "half_life_days": book.engagement.half_life_days,
        "channel_cap": book.engagement.channel_cap,
        "shared_min_persons": book.feedback_topics.shared_min_persons,
        "shared_min_share": book.feedback_topics.shared_min_share,
        "preference_days": book.preferences.preference_days,
        "shrinkage_orders": book.preferences.shrinkage_orders,
        "upgrade_gap": book.tiers.upgrade_gap,
        "movement_days": book.tiers.movement_days,
        "min_clv_percentile": book.tiers.second_tier.min_clv_percentile,
        "max_household_persons": book.relations.households.max_persons,
        "max_household_families": book.relations.households.max_families,
        "max_ties_passed": book.relations.max_ties_passed,
        "max_cap_days": max((cap.days for cap in book.segments.caps), default=0),
        "event_days": EVENT_DAYS,
    }


def _topics(book: RuleBook) -> list[dict[str, Any]]:
    rules = book.feedback_topics
    return [
        {"priority": priority, **topic.model_dump(include={"topic", "label", "label_zh"})}
        for priority, topic in enumerate((*rules.topics, rules.other), start=1)
    ]


def _cause_limits(book: RuleBook) -> list[dict[str, Any]]:
    """One row for each cause, each with all the limits."""
    limits = book.churn_causes.model_dump(exclude={"causes"})
    return [
        {"priority": priority, **cause.model_dump(), **limits}
        for priority, cause in enumerate(book.churn_causes.causes, start=1)
    ]


def _order_statuses(book: RuleBook) -> list[dict[str, Any]]:
    meanings = {
        "not_completed": book.orders.not_completed,
        "refund_not_paid": book.orders.refund_not_paid,
        "cancelled": book.orders.cancelled,
    }
    return [
        {"meaning": meaning, "status": status}
        for meaning, statuses in meanings.items()
        for status in sorted({status.lower() for status in statuses})
    ]


def _rfm_groups(book: RuleBook) -> list[dict[str, Any]]:
    """One row per cell; where two groups name a cell, the first listed has priority."""
    return [
        {
            "priority": priority,
            "recency_score": recency,
            "fm_score": fm,
            "single_order_only": group.single_order_only,
            "rfm_group": group.name,
            "label": group.label,
            "label_zh": group.label_zh,
        }
        for priority, group in enumerate(book.rfm.groups, start=1)
        for recency, fm in group.cells
    ]


def _survivorship(book: RuleBook, facts: RunFacts) -> list[dict[str, Any]]:
    """One row per field."""
    return [
        {
            "field": field,
            "field_group": group,
            "position": position,
            "strategy": book.survivorship.groups[group].strategy,
            "sources": list(book.survivorship.groups[group].sources),
            "is_personal": field in facts.personal_fields,
        }
        for group, fields in book.survivorship.fields_of.items()
        for position, field in enumerate(fields, start=1)
    ]


def _age_bands(book: RuleBook) -> list[dict[str, Any]]:
    starts = book.demographics.age_bands
    young = {"age_band": f"under {starts[0]}", "min_age": 0, "max_age": starts[0] - 1}
    return [
        young,
        *({"age_band": n, "min_age": low, "max_age": high} for n, low, high in _bands(starts)),
    ]


def _bands(starts: Sequence[int]) -> Iterator[tuple[str, int, int | None]]:
    """Name, first and last number of bands that begin at these; the last one has no end."""
    for start, following in zip_longest(starts, starts[1:]):
        if following is None:
            yield f"{start}+", start, None
        else:
            end = following - 1
            yield f"{start}-{end}" if end > start else f"{start}", start, end


def _trait_bands(book: RuleBook) -> list[dict[str, Any]]:
    return [
        {
            "trait": trait.trait,
            **band.model_dump(),
            "to_value": following.from_value if following else None,
            "min_evidence": trait.min_evidence,
        }
        for trait in book.psychographics.traits
        for band, following in zip_longest(trait.bands, trait.bands[1:])
    ]
