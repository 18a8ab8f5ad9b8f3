"""Rules as rows, so that constant SQL joins them and every run keeps the rules it used."""

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
        "tier_weights": [_tier_weights(book)],
        "grade_cuts": [cut.model_dump() for cut in book.tiers.grades],
        "vip_cuts": [cut.model_dump() for cut in book.tiers.vip_bands],
        "second_tier_grades": [{"grade": grade} for grade in book.tiers.second_tier.grades],
        "rfm_groups": _rfm_groups(book),
        "lifecycle_stages": [
            {"priority": priority, **stage.model_dump()}
            for priority, stage in enumerate(book.lifecycle.stages, start=1)
        ],
        "warnings": [warning.model_dump() for warning in book.warnings.warnings],
        "engagement_weights": [weight.model_dump() for weight in book.engagement.weights],
        "survivorship": _survivorship(book, facts),
        "age_bands": _age_bands(book),
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
        "half_life_days": book.engagement.half_life_days,
        "channel_cap": book.engagement.channel_cap,
        "preference_days": book.preferences.preference_days,
        "shrinkage_orders": book.preferences.shrinkage_orders,
        "reach_weight": book.influence.reach_weight,
        "share_weight": book.influence.share_weight,
        "social_influence_cap": book.influence.social_cap,
        "brought_weight": book.influence.brought_weight,
        "second_degree_share": book.influence.second_degree_share,
        "influence_cap": book.influence.cap,
        "upgrade_gap": book.tiers.upgrade_gap,
        "min_clv_percentile": book.tiers.second_tier.min_clv_percentile,
        "max_household_persons": book.relations.households.max_persons,
        "max_household_families": book.relations.households.max_families,
        "max_ties_passed": book.relations.max_ties_passed,
        "event_days": EVENT_DAYS,
    }


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


def _tier_weights(book: RuleBook) -> dict[str, Any]:
    value = {f"{name}_weight": weight for name, weight in book.tiers.weights}
    vip = {f"vip_{name}_weight": weight for name, weight in book.tiers.vip_weights}
    return value | vip


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
    first, *later = book.demographics.age_bands
    ends = [*(age - 1 for age in later), None]
    bands = [{"age_band": f"under {first}", "min_age": 0, "max_age": first - 1}]
    for start, end in zip((first, *later), ends, strict=True):
        band = f"{start}-{end}" if end is not None else f"{start}+"
        bands.append({"age_band": band, "min_age": start, "max_age": end})
    return bands
