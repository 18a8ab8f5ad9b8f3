"""Who the customers are: grades, stages, bands, the second tier in both readings, RFM groups."""

from collections.abc import Mapping

import polars as pl

from pipelines.page.charts import bars, heat_map
from pipelines.page.cross import TOTAL, cross, without_totals
from pipelines.page.figure import Column, Figure, Section, Text
from pipelines.page.small_cells import hide_small_groups
from pipelines.page.texts import column, texts

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
CODES = ("grade", "lifecycle_stage", "vip_band", "rfm_group", "churn_risk_band")
LABELLED = CODES[:3]
NO_BAND = "~"  # sorts after every band
TIERS = ("first", "potential", "network", "both", "other")


def cube_customers(audience: pl.LazyFrame) -> pl.DataFrame:
    """Count all customers once, by everything that the page groups them by.

    A few hundred rows whatever the number of customers: the other figures are sums of these.

    Returns:
        `CODES` with their labels, tier, risk_tenth (0 to 9), customers, margin (of the past year),
        predicted (margin of the coming year).
    """
    risk_tenth = (pl.col("churn_risk") * 10).floor().clip(0, 9).cast(pl.Int64)
    labels = [f"{code}_label{zh}" for code in LABELLED for zh in ("", "_zh")]
    return (
        audience.group_by(*CODES, tier=_tier(), risk_tenth=risk_tenth)
        .agg(
            pl.len().cast(pl.Int64).alias("customers"),
            pl.col("net_margin_365d_amount").sum().alias("margin"),
            pl.col("clv_365d_amount").sum().alias("predicted"),
            pl.col(labels).first(),
        )
        .collect(engine="streaming")
        .sort(*CODES, "tier", "risk_tenth")
    )


def _tier() -> pl.Expr:
    """First tier, or second in one reading or in both, or neither."""
    first, potential, network = (
        pl.col(name).fill_null(value=False)
        for name in ("is_first_tier", "is_second_tier_potential", "is_second_tier_network")
    )
    return (
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


def count_grades(cube: pl.DataFrame) -> pl.DataFrame:
    """Customers, and the margin of the past and of the coming year, by grade.

    Returns:
        label, label_zh, customers, customer_rate, margin, margin_rate, predicted, predicted_rate.
    """
    return _named(_sum_groups(cube, "grade"), labels_of(cube, "grade"))


def count_bands(cube: pl.DataFrame) -> pl.DataFrame:
    """The same by VIP band, of the customers of the grades in which there are bands."""
    within = cube.filter(pl.col("vip_band").is_not_null()).select("grade").unique()
    banded = cube.join(within, on="grade", how="semi", maintain_order="left")
    known = labels_of(cube, "vip_band") | {NO_BAND: texts().page["no_band"]}
    return _named(
        _sum_groups(banded.with_columns(pl.col("vip_band").fill_null(NO_BAND)), "vip_band"), known
    )


def count_tiers(cube: pl.DataFrame) -> pl.DataFrame:
    """The same of the first tier, the second in each reading and in both, and of the others."""
    place = pl.col("tier").replace_strict(TIERS, range(len(TIERS)), return_dtype=pl.Int64)
    return _named(_sum_groups(cube, "tier").sort(place), texts().words["tiers"])


def count_rfm_groups(cube: pl.DataFrame, known: Mapping[str, Text]) -> pl.DataFrame:
    """The same by RFM group, the largest first.

    Args:
        cube: as `cube_customers` counts.
        known: what each group is called.
    """
    groups = _sum_groups(cube, "rfm_group")
    return _named(groups.sort("customers", "rfm_group", descending=[True, False]), known)


def _sum_groups(cube: pl.DataFrame, code: str) -> pl.DataFrame:
    sums = pl.col("customers", "margin", "predicted").sum()
    return cube.filter(pl.col(code).is_not_null()).group_by(code).agg(sums).sort(code)


def _named(groups: pl.DataFrame, known: Mapping[str, Text]) -> pl.DataFrame:
    """Groups with labels and shares, small ones hidden; the first column is their code."""
    names = [known.get(code, Text(code, code)) for code in groups.to_series(0)]
    told = groups.select(
        pl.Series("label", [name.en for name in names], dtype=pl.String),
        pl.Series("label_zh", [name.zh for name in names], dtype=pl.String),
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


def cross_stages(cube: pl.DataFrame) -> pl.DataFrame:
    """Customers by stage (down) and grade (across), with totals.

    Returns:
        label, label_zh, one column for each grade, total.
    """
    counts = cube.filter(pl.col("lifecycle_stage").is_not_null(), pl.col("grade").is_not_null())
    crossed = cross(
        counts.rename({"customers": "persons"}),
        "lifecycle_stage",
        "grade",
        sorted(counts["lifecycle_stage"].unique(), key=place_of_stage),
        sorted(counts["grade"].unique()),
    )
    called = labels_of(cube, "lifecycle_stage") | {TOTAL: texts().page["total"]}
    names = [called[stage] for stage in crossed["lifecycle_stage"]]
    return pl.DataFrame(
        {"label": [name.en for name in names], "label_zh": [name.zh for name in names]}
    ).hstack(crossed.drop("lifecycle_stage"))


def place_of_stage(stage: str) -> tuple[int, str]:
    """Where a stage stands in the order of a customer's life."""
    return (STAGES.index(stage) if stage in STAGES else len(STAGES), stage)


def labels_of(frame: pl.LazyFrame | pl.DataFrame, code: str) -> dict[str, Text]:
    """What each value of a column of codes is called, by its label columns."""
    names = (code, f"{code}_label", f"{code}_label_zh")
    found = frame.lazy().select(names).drop_nulls().unique().collect(engine="streaming")
    return {value: Text(english, chinese) for value, english, chinese in found.sort(names).rows()}


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
    chart = bars(rows, "label", known) if known else None
    return Figure(name, (column("label", "label"), *told), rows, chart)


def make_structure(cube: pl.DataFrame | None, marts: Mapping[str, pl.LazyFrame]) -> Section | None:
    """The section, from the cube of customers and, if it is there, `customer_rfm`."""
    if cube is None:
        return None
    stages, grades = cross_stages(cube), labels_of(cube, "grade")
    across = [Column(grade, "persons", grades[grade]) for grade in stages.columns[2:-1]]
    figures = [
        group_figure("grades", count_grades(cube)),
        Figure(
            "stages",
            (column("label", "label"), *across, column(TOTAL, "persons")),
            stages,
            heat_map(without_totals(stages), "label", across),
        ),
        group_figure("bands", count_bands(cube)),
        group_figure("tiers", count_tiers(cube)),
    ]
    if "customer_rfm" in marts:
        known = labels_of(marts["customer_rfm"], "rfm_group")
        figures.append(group_figure("rfm", count_rfm_groups(cube, known)))
    return Section("structure", tuple(figure for figure in figures if figure.rows.height))
