"""Marts of a made-up release for the page: every figure has something to show."""

from datetime import date, timedelta
from decimal import Decimal

import polars as pl
from factories import AS_OF, rows

GRADES = {"A": "A级客户", "B": "B级客户", "C": "C级客户", "D": "D级客户"}
STAGES = {
    "prospect": "潜在客户",
    "repeat": "重复购买客户",
    "loyal": "忠实客户",
    "at_risk": "流失预警",
}
BANDS = {"diamond": "钻石", "gold": "金牌"}
CUSTOMERS = 600


def people(*kinds, **same):
    """An audience of so many customers of each kind: people((12, {...}), (30, {...}))."""
    told = [{**same, **columns} for count, columns in kinds for _ in range(count)]
    labelled = [{**_labels(columns), **columns} for columns in told]
    return rows("audience", *labelled, group="models").lazy()


def _labels(columns):
    known = {"grade": GRADES, "lifecycle_stage": STAGES, "vip_band": BANDS}
    return {
        f"{code}_label{zh}": (names[columns[code]] if zh else columns[code].title())
        for code, names in known.items()
        for zh in ("", "_zh")
        if columns.get(code) is not None
    }


def whole_audience():
    """Customers of all grades, stages, tiers and risks."""
    kinds = []
    for number in range(CUSTOMERS):
        grade = "ABCD"[min(3, number * 4 // CUSTOMERS)]
        stage = list(STAGES)[number % 4]
        risk = (number % 20) / 20
        kinds.append(
            (
                1,
                {
                    "grade": grade,
                    "lifecycle_stage": stage,
                    "vip_band": ("diamond", "gold", None)[number % 3] if grade in "AB" else None,
                    "is_first_tier": grade == "A",
                    "is_second_tier_potential": grade == "B" and number % 2 == 0,
                    "is_second_tier_network": number % 5 == 0,
                    "rfm_group": ("champions", "lost")[number % 2],
                    "churn_risk": risk,
                    "churn_risk_band": ("low", "medium", "high")[min(2, int(risk * 3))],
                    "clv_365d_amount": Decimal(1000 - number),
                    "net_margin_365d_amount": Decimal(900 - number),
                },
            )
        )
    return people(*kinds)


def rfm_groups():
    return rows(
        "customer_rfm",
        {"rfm_group": "champions", "rfm_group_label": "Champions", "rfm_group_label_zh": "冠军"},
        {"rfm_group": "lost", "rfm_group_label": "Lost", "rfm_group_label_zh": "已流失"},
        group="models",
    ).lazy()


def churn_reasons(**counts):
    told = [
        {"reason": reason, "reason_rank": rank}
        for reason, count in counts.items()
        for _ in range(count)
        for rank in (1, 2)
    ]
    return rows("churn_reasons", *told, group="pipeline").lazy()


def warnings(*kinds):
    told = [columns for count, columns in kinds for _ in range(count)]
    return rows("customer_warnings", *told, group="models").lazy()


def choices(**columns):
    usual = {
        "target": "churn", "model": "logistic", "baseline": "recency", "model_grade": "A",
        "reason": "clearly better", "loss": 0.3, "baseline_loss": 0.4,
    }  # fmt: skip
    return rows("model_choices", usual | columns, group="pipeline").lazy()


def reports():
    told = [
        {
            "target": target, "model": model, "feature_on": day, "metric": metric,
            "value": round(value + place / 10, 4), "customer_count": 1000,
            "is_baseline": model == "recency", "is_chosen": model == "logistic",
        }
        for target in ("churn", "orders", "value")
        for model in ("recency", "logistic", "bg_nbd")
        for place, day in enumerate((date(2026, 1, 1), date(2026, 4, 1)))
        for metric, value in (("auc", 0.7), ("gini", 0.6), ("total_bias", -0.02))
    ]  # fmt: skip
    return rows("model_reports", *told, group="pipeline").lazy()


def migration(*cells):
    """(grade then, grade now, customers)"""
    return pl.DataFrame(
        cells, {"from_grade": pl.String, "to_grade": pl.String, "customer_count": pl.Int64},
        orient="row",
    ).lazy()  # fmt: skip


def grade_movements(*kinds):
    """(from, to, direction, reason, customers)"""
    told = [kind[:4] for kind in kinds for _ in range(kind[4])]
    frame = pl.DataFrame(
        told,
        dict.fromkeys(("from_level", "to_level", "direction", "reason"), pl.String),
        orient="row",
    )
    named = pl.int_range(pl.len()).cast(pl.String)
    return frame.with_columns(customer_id=named, ladder=pl.lit("grade")).lazy()


def lifecycle_movements(*kinds):
    """(from, to, customers)"""
    told = [
        {
            "customer_id": f"{start}{end}{number}",
            **{
                f"{side}_lifecycle_stage{part}": value
                for side, stage in (("from", start), ("to", end))
                for part, value in (
                    ("", stage),
                    ("_label", stage.title()),
                    ("_label_zh", STAGES[stage]),
                )
            },
        }
        for start, end, count in kinds
        for number in range(count)
    ]
    return pl.DataFrame(told).lazy()


def kpis(*figures):
    """kpi_by_grade: (metric, unit, {grade: (value, base)})"""
    told = [
        {
            "metric": metric, "label": metric.title(), "label_zh": f"指标{metric}", "unit": unit,
            "grade": grade, "kind": "total", "value": value, "base_count": base,
        }
        for metric, unit, by_grade in figures
        for grade, (value, base) in by_grade.items()
    ]  # fmt: skip
    return pl.DataFrame(told, schema_overrides={"value": pl.Float64, "base_count": pl.Int64}).lazy()


def daily(metric, unit, *values, base=1000):
    """kpi_daily of one metric, the last value tonight's."""
    return pl.DataFrame(
        {
            "as_of": [AS_OF - timedelta(days=len(values) - 1 - day) for day in range(len(values))],
            "metric": metric, "unit": unit, "value": values, "base_count": base,
        }
    ).lazy()  # fmt: skip


def cohorts(*cells):
    """(first day of the cohort's month, months since, customers, active)"""
    frame = pl.DataFrame(
        cells,
        {"cohort_month": pl.Date, "months_since": pl.Int64, "customer_count": pl.Int64,
         "active_count": pl.Int64},
        orient="row",
    )  # fmt: skip
    rate = (pl.col("active_count") / pl.col("customer_count")).alias("retention_rate")
    return frame.with_columns(rate, is_whole_month=True).lazy()


def economics(**customers):
    """grade_economics, with 100 of margin and 40 of cost for each customer."""
    kinds = ("case", "visit", "call", "logistics", "return", "gift", "points", "discount",
             "account_manager", "campaign", "ad")  # fmt: skip
    told = [
        {
            "grade": grade, "kind": "total", "vip_band": "total", "customer_count": count,
            "net_revenue_365d_amount": Decimal(200 * count),
            "net_margin_365d_amount": Decimal(100 * count),
            "cost_to_serve_365d_amount": Decimal(40 * count),
            "profit_365d_amount": Decimal(60 * count),
            "profit_365d_per_customer_amount": Decimal(60),
            "return_on_service_365d_ratio": 1.5,
            **{f"{kind}_cost_365d_amount": Decimal(0) for kind in kinds},
            "case_cost_365d_amount": Decimal(40 * count),
        }
        for grade, count in customers.items()
    ]  # fmt: skip
    return pl.DataFrame(told).lazy()


def topics(*figures):
    """feedback_topics_by_grade: (topic, {grade: (talked of it, had a problem)})"""
    told = [
        {
            "topic": topic, "label": topic.title(), "label_zh": f"主题{topic}", "grade": grade,
            "problem_scope": "shared", "person_count_90d": talked,
            "problem_person_count_90d": troubled, "problem_person_rate_90d": troubled / 500,
            "problem_person_count_previous_90d": 20, "problem_person_rate_previous_90d": 0.04,
        }
        for topic, by_grade in figures
        for grade, (talked, troubled) in by_grade.items()
    ]  # fmt: skip
    return pl.DataFrame(told).lazy()


def causes(*kinds):
    """churn_causes: (cause, stage, customers)"""
    told = [
        {
            "cause": cause,
            "label": cause.title(),
            "label_zh": f"原因{cause}",
            "lifecycle_stage": stage,
        }
        for cause, stage, count in kinds
        for _ in range(count)
    ]
    return pl.DataFrame(told).lazy()


def effects(**columns):
    usual = {
        "list": "win_back", "window_days": 30, "status": "measured",
        "treated_count": 1000, "holdout_count": 500,
        "treated_conversion_rate": 0.2, "holdout_conversion_rate": 0.1,
        "conversion_lift": 0.1, "conversion_lift_low": 0.05, "conversion_lift_high": 0.15,
    }  # fmt: skip
    return pl.DataFrame([usual | columns]).lazy()


def all_marts():
    """Every mart that the page shows something of."""
    stages = ("prospect", "repeat", "loyal", "at_risk")
    return {
        "audience": whole_audience(),
        "customer_rfm": rfm_groups(),
        "churn_reasons": churn_reasons(overdue=200, spend=90),
        "customer_warnings": warnings(
            (40, {"label": "Overdue", "label_zh": "久未下单", "severity": "high"}),
            (20, {"label": "Points expire", "label_zh": "积分到期", "severity": "low"}),
        ),
        "model_choices": choices(),
        "model_reports": reports(),
        "grade_migration": migration(
            *((then, now, 40) for then in "ABCD" for now in "ABCD")
        ),
        "grade_movements": grade_movements(
            ("B", "A", "up", "earned", 30), ("C", "B", "up", "earned", 50),
            ("A", "B", "down", "review", 20),
        ),
        "lifecycle_movements": lifecycle_movements(
            *((start, end, 15) for start in stages for end in stages if start != end)
        ),
        "grade_warnings": pl.DataFrame(
            {
                "customer_id": [str(number) for number in range(60)],
                "ladder": "grade",
                "level": ["A", "B", "C"] * 20,
            }
        ).lazy(),
        "grade_gaps": pl.DataFrame(
            {"grade": ["D", "C"] * 100, "is_upgrade_candidate": [n % 4 < 2 for n in range(200)]}
        ).lazy(),
        "metrics": pl.DataFrame(
            {"metric": ["customers", "repeat_rate"], "theme": ["size", "loyalty"]}
        ).lazy(),
        "kpi_by_grade": kpis(
            ("customers", "count", dict.fromkeys(("total", *"ABCD"), (600.0, 600))),
            ("repeat_rate", "rate", dict.fromkeys(("total", *"ABCD"), (0.5, 600))),
        ),
        "kpi_daily": daily("repeat_rate", "rate", 0.4, 0.45, 0.5),
        "retention_cohorts": cohorts(
            *((date(2026, month, 1), since, 200, 80) for month in (1, 2, 3) for since in (1, 2, 3))
        ),
        "grade_economics": economics(A=30, B=100, C=200, D=270, total=600),
        "feedback_topics_by_grade": topics(
            ("delivery", dict.fromkeys(("total", *"ABCD"), (120, 60))),
            ("price", dict.fromkeys(("total", *"ABCD"), (80, 20))),
        ),
        "churn_causes": causes(("return", "at_risk", 30), ("complaint", "churned", 20)),
        "list_effectiveness": effects(),
    }  # fmt: skip


def manifest(**facts):
    """What the manifest of that release says."""
    check = {
        "sentence": "quarantined_share is at most 0.01", "outcome": "warning",
        "because": "a source is getting worse", "severity": "warning",
    }  # fmt: skip
    gate = {"checks": 12, "checks_passed": 12, "warnings_count": 0, "not_run_count": 1,
            "datasets": []}  # fmt: skip
    return {
        "date": AS_OF.isoformat(),
        "version": "1.2.3",
        "rules_sha256": "0123456789abcdef",
        "base_currency": "EUR",
        "previous_release": None,
        "customers": CUSTOMERS,
        "gates": {
            "landing": gate
            | {
                "checks_passed": 11,
                "warnings_count": 1,
                "datasets": [{"name": "landing_summary", "checks": [check]}],
            },
            "lists": gate,
        },
        "sources": [
            {"name": "shop", "type": "files", "fresh_through": "2026-06-30", "is_stale": False},
            {"name": "crm", "type": "zoho_crm", "fresh_through": "2026-06-28", "is_stale": True},
        ],
        "inputs": [
            {"source": "shop", "landed": 1000, "quarantined": 20},
            {"source": "crm", "landed": 500, "quarantined": 3},
        ],
        "lists": [a_list()],
        "models": {"status": "scored"},
    } | facts


def a_list(**columns):
    return {
        "name": "win_back", "label": "Win back", "label_zh": "流失挽回", "channel": "email",
        "purpose": "marketing", "rows": 40, "matched": 100, "suppressed": 20,
        "without_consent": 30,
    } | columns  # fmt: skip
