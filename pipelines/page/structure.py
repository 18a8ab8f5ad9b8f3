"""Who the customers are: grades, stages, bands, the second tier in both readings, RFM groups."""

from collections.abc import Mapping

import polars as pl

from pipelines.page.charts import bars, heat_map
from pipelines.page.cross import TOTAL, cross, without_totals
from pipelines.page.figure import Column, Figure, Section, Text
from pipelines.page.small_cells import hide_small_groups
from pipelines.page.texts import column, texts, with_words

# The order in which a customer lives through them; a stage of one's own comes after these.
STAGES = (
    "prospect",
    "first_time",
    "repeat",
    "loyal",
    "vip",
    "at_risk",
    "dormant",
    "churned",
    "won_back",
)
TIERS = ("first", "potential", "network", "both", "other")


def count_grades(audience: pl.LazyFrame) -> pl.DataFrame:
    """Customers, and the margin of the past and of the coming year, by grade.

    Returns:
        label, label_zh, customers, customer_rate, margin, margin_rate, predicted, predicted_rate.
    """
    return _count_groups(audience, "grade", "grade_label")


def count_rfm_groups(audience: pl.LazyFrame, known: Mapping[str, Text]) -> pl.DataFrame:
    """The same by RFM group, the largest first.

    Args:
        audience: the audience mart.
        known: what each group is called.
    """
    names = {code: list(text) for code, text in known.items()}
    group = pl.col("rfm_group")
    labels = [
        group.replace({code: name[place] for code, name in names.items()}).alias(label)
        for place, label in enumerate(("rfm_group_label", "rfm_group_label_zh"))
    ]
    return _count_groups(
        audience.with_columns(labels), "rfm_group", "rfm_group_label", by_size=True
    )


def _count_groups(
    customers: pl.LazyFrame, group: str, label: str, *, by_size: bool = False
) -> pl.DataFrame:
    found = (
        customers.filter(pl.col(group).is_not_null())
        .group_by(group, label=label, label_zh=f"{label}_zh")
        .agg(
            pl.len().alias("customers"),
            pl.col("net_margin_365d_amount").sum().alias("margin"),
            pl.col("clv_365d_amount").sum().alias("predicted"),
        )
        .collect(engine="streaming")
        .sort(["customers", group] if by_size else group, descending=by_size)
    )
    told = found.select(
        "label",
        "label_zh",
        "customers",
        share_of("customers").alias("customer_rate"),
        "margin",
        share_of("margin").alias("margin_rate"),
        "predicted",
        share_of("predicted").alias("predicted_rate"),
    )
    return hide_small_groups(told, "customers", told.columns[3:])


def share_of(amount: str) -> pl.Expr:
    """Each row's share of a column's sum; null where the sum is not above zero."""
    numbers = pl.col(amount).cast(pl.Float64)
    return pl.when(numbers.sum() > 0).then(numbers / numbers.sum()).round(4)


def cross_stages(audience: pl.LazyFrame) -> pl.DataFrame:
    """Customers by stage (down) and grade (across), with totals and both labels.

    Returns:
        label, label_zh, one column for each grade, total.
    """
    counts = (
        audience.group_by("lifecycle_stage", "grade")
        .agg(pl.len().alias("persons"))
        .filter(pl.col("lifecycle_stage").is_not_null(), pl.col("grade").is_not_null())
        .collect(engine="streaming")
    )
    there = sorted(counts["lifecycle_stage"].unique(), key=place_of_stage)
    grades = sorted(counts["grade"].unique())
    crossed = cross(counts, "lifecycle_stage", "grade", there, grades)
    return _with_labels(crossed, "lifecycle_stage", stage_labels(audience))


def place_of_stage(stage: str) -> tuple[int, str]:
    """Where a stage stands in the order of a customer's life."""
    return (STAGES.index(stage) if stage in STAGES else len(STAGES), stage)


def stage_labels(audience: pl.LazyFrame) -> dict[str, Text]:
    """What each stage is called."""
    return labels_of(audience, "lifecycle_stage")


def labels_of(frame: pl.LazyFrame, code: str) -> dict[str, Text]:
    """What each value of a column of codes is called, by its label columns."""
    names = (code, f"{code}_label", f"{code}_label_zh")
    found = frame.select(names).drop_nulls().unique().collect(engine="streaming").sort(names)
    return {value: Text(english, chinese) for value, english, chinese in found.iter_rows()}


def _with_labels(crossed: pl.DataFrame, code: str, known: Mapping[str, Text]) -> pl.DataFrame:
    called = {TOTAL: texts().page["total"], **known}
    names = [called.get(value, Text(value, value)) for value in crossed[code]]
    return pl.DataFrame(
        {"label": [name.en for name in names], "label_zh": [name.zh for name in names]}
    ).hstack(crossed.drop(code))


def count_tiers(audience: pl.LazyFrame) -> pl.DataFrame:
    """Customers of the first tier, of the second in each reading and in both, and the others.

    Returns:
        label, label_zh, customers, customer_rate, margin, margin_rate, predicted, predicted_rate.
    """
    first, potential, network = (
        pl.col(name).fill_null(value=False)
        for name in ("is_first_tier", "is_second_tier_potential", "is_second_tier_network")
    )
    tier = (
        pl.when(first)
        .then(pl.lit("first"))
        .when(potential & network)
        .then(pl.lit("both"))
        .when(potential)
        .then(pl.lit("potential"))
        .when(network)
        .then(pl.lit("network"))
        .otherwise(pl.lit("other"))
    )
    place = tier.replace_strict(TIERS, range(len(TIERS)), return_dtype=pl.Int64)
    named = audience.with_columns(tier=place, tier_label=tier, tier_label_zh=tier)
    return with_words(_count_groups(named, "tier", "tier_label"), "label", "tiers")


def count_bands(audience: pl.LazyFrame) -> pl.DataFrame:
    """Customers of grades A and B by VIP band."""
    label = pl.col("vip_band_label").fill_null(texts().page["no_band"].en)
    label_zh = pl.col("vip_band_label_zh").fill_null(texts().page["no_band"].zh)
    banded = audience.filter(pl.col("grade").is_in(["A", "B"])).with_columns(
        vip_band=pl.col("vip_band").fill_null("~"), vip_band_label=label, vip_band_label_zh=label_zh
    )
    return _count_groups(banded, "vip_band", "vip_band_label", by_size=False)


GROUP_COLUMNS = (
    ("customers", "persons"),
    ("customer_rate", "rate"),
    ("margin", "money"),
    ("margin_rate", "rate"),
    ("predicted", "money"),
    ("predicted_rate", "rate"),
)


def group_figure(name: str, rows: pl.DataFrame) -> Figure:
    """A figure of groups: how many customers and how much margin each has a share of."""
    shares = [column(share, "rate") for share in ("customer_rate", "margin_rate", "predicted_rate")]
    known = [share for share in shares if rows[share.name].null_count() < rows.height]
    told = tuple(column(value, kind) for value, kind in GROUP_COLUMNS)  # type: ignore[arg-type]
    return Figure(name, (column("label", "label"), *told), rows, bars(rows, "label", known))


def make_structure(marts: Mapping[str, pl.LazyFrame]) -> Section | None:
    """The section, from `audience` and, if it is there, `customer_rfm`."""
    if "audience" not in marts:
        return None
    audience = marts["audience"]
    stages = cross_stages(audience)
    grades = labels_of(audience, "grade")
    across = [Column(grade, "persons", grades[grade]) for grade in stages.columns[2:-1]]
    figures = [
        group_figure("grades", count_grades(audience)),
        Figure(
            "stages",
            (column("label", "label"), *across, column(TOTAL, "persons")),
            stages,
            heat_map(without_totals(stages), "label", across),
        ),
        group_figure("bands", count_bands(audience)),
        group_figure("tiers", count_tiers(audience)),
    ]
    if "customer_rfm" in marts:
        known = labels_of(marts["customer_rfm"], "rfm_group")
        figures.append(group_figure("rfm", count_rfm_groups(audience, known)))
    return Section("structure", tuple(figures))
