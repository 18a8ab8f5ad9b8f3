"""A day seen with that day's eyes: features, fitted order models, and what came after if known."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cached_property

import polars as pl

from pipelines.rules.schemas import ScoringParams
from pipelines.scoring.churn.features import aggregate_history, build_features
from pipelines.scoring.churn.logistic import Example
from pipelines.scoring.models.channels import of_channels, of_rows
from pipelines.scoring.models.gamma_gamma import (
    GammaGamma,
    GammaGammaFit,
    fit_gamma_gamma,
)
from pipelines.scoring.models.kinds import Base
from pipelines.scoring.models.parted import PartedModels
from pipelines.scoring.past.metrics import Floats
from pipelines.scoring.past.order_models import (
    OrderModel,
    find_channels,
    fit_order_models,
    histories_of,
    mean_margins_of,
)
from pipelines.scoring.past.season import YEAR_DAYS, find_seasons
from pipelines.scoring.past.snapshots import cut_snapshot, find_cuts
from pipelines.wording import count_of


@dataclass(frozen=True)
class Day:
    """All that the models know at the end of `feature_on`, a row per customer in each frame.

    `margins` is the fitted model of what an order brings. `seasons` has the factor of the horizon
    that begins at this day and at each one before it, as it is seen now. `labels` is None where the
    horizon is not over yet.
    """

    feature_on: date
    aggregates: pl.DataFrame
    features: pl.DataFrame
    order_models: dict[str, OrderModel]
    margins: GammaGammaFit
    seasons: dict[date, float]
    labels: pl.DataFrame | None = None

    @property
    def season(self) -> float:
        """By what factor orders of the coming horizon exceed the average of a year."""
        return self.seasons[self.feature_on]

    def parts(self, rows: int) -> "Iterator[Day]":
        """Return the day of so many customers after the other, as their neighbours know it."""
        for start in range(0, self.aggregates.height, rows):
            part = slice(start, start + rows)
            yield replace(
                self,
                order_models={kind: of_rows(m, part) for kind, m in self.order_models.items()},
                aggregates=self.aggregates.slice(start, rows),
                features=self.features.slice(start, rows),
                labels=None if self.labels is None else self.labels.slice(start, rows),
            )

    @cached_property
    def histories(self) -> tuple[Floats, Floats, Floats]:
        """What the order models read: x, t_x and T."""
        return histories_of(self.aggregates)

    @cached_property
    def mean_margins(self) -> Floats:
        """The mean margin of each customer's purchase days after the first; NaN if none."""
        return mean_margins_of(self.aggregates)

    @cached_property
    def expected_margins(self) -> Floats:
        """What an order of each customer is expected to bring; NaN if no margin is known."""
        return self.margins.expected_spend(self.histories[0], self.mean_margins)

    @cached_property
    def _expected_orders(self) -> dict[tuple[str, int], Floats]:
        return {}

    def expected_orders(self, kind: str, ahead_days: int) -> Floats:
        """Return the expected order days of each customer; asked again, what was told before."""
        asked = kind, ahead_days
        if asked not in self._expected_orders:
            model = self.order_models[kind]
            self._expected_orders[asked] = model.expected_orders(ahead_days, *self.histories)
        return self._expected_orders[asked]

    def example(self) -> Example:
        """Return the day as something to learn churn from.

        Raises:
            ValueError: If its horizon is not over yet.
        """
        return Example(self.features, self.label("is_churned").astype(bool))

    def label(self, name: str) -> Floats:
        """Return what came after, of each customer.

        Raises:
            ValueError: If its horizon is not over yet.
        """
        if self.labels is None:
            raise ValueError(f"What came after {self.feature_on} is not known yet.")
        return self.labels[name].cast(pl.Float64).to_numpy()

    def is_labelled_well(self, min_events_per_class: int) -> bool:
        """Whether enough customers ordered in the horizon, and enough did not."""
        churned = int(self.label("is_churned").sum())
        return min(churned, self.features.height - churned) >= min_events_per_class


def see_day(
    order_days: pl.DataFrame,
    feature_on: date,
    params: ScoringParams,
    optional: pl.DataFrame | None = None,
    like: "Day | None" = None,
    aggregates: pl.DataFrame | None = None,
) -> Day:
    """Return a day with nothing known after it.

    Args:
        order_days: Of `prepare_order_days`.
        feature_on: The day.
        params: Horizon, kinds of order models and their prior.
        optional: Columns of other sources, one row per customer_id and feature_on (the day at
            which they were so); only the rows of this very day are used.
        like: The same day of a sample of the customers, whose fitted models and season are taken;
            they are fitted here if it is not given.
        aggregates: Of `aggregate_history`, where somebody else has summed the days.
    """
    if aggregates is None:
        aggregates = aggregate_history(order_days, feature_on)
    if like is None:
        base = describe_base(feature_on, aggregates, params)
        models = fit_order_models(aggregates, params.kinds, base, params.prior_sd)
        margins = fit_margins(aggregates, params)
        seasons = _see_seasons(order_days, models, feature_on, params)
    else:
        channels = find_channels(aggregates)
        models = {kind: of_channels(m, channels) for kind, m in like.order_models.items()}
        margins, seasons = like.margins, like.seasons
    of_day = None
    if optional is not None:
        of_day = optional.filter(pl.col("feature_on") == feature_on).drop("feature_on")
    features = build_features(aggregates, models, params.horizon_days, of_day)
    return Day(feature_on, aggregates, features, models, margins, seasons)


def fit_margins(
    aggregates: pl.DataFrame, params: ScoringParams, start: GammaGamma | None = None
) -> GammaGammaFit:
    """Return the model of what an order brings, the search begun at the last release's."""
    x, _, _ = histories_of(aggregates)
    return fit_gamma_gamma(x, mean_margins_of(aggregates), start=start, prior_sd=params.prior_sd)


def describe_base(as_of: date, aggregates: pl.DataFrame, params: ScoringParams) -> Base:
    """Return what the order models need to know of the customers beside their orders."""
    oldest = aggregates["tenure_days"].max()
    began = as_of - timedelta(days=oldest if isinstance(oldest, int) else 0)
    return Base(
        as_of,
        params.min_cohort_customers,
        params.relation.period_days,
        known_by=began + timedelta(days=params.horizon_days - 1),
        channels=find_channels(aggregates),
    )


def _see_seasons(
    order_days: pl.DataFrame, models: dict[str, OrderModel], feature_on: date, params: ScoringParams
) -> dict[date, float]:
    begins = [
        feature_on - timedelta(days=params.horizon_days * back)
        for back in range(params.training_cuts + 1)
    ]
    if not models:
        return dict.fromkeys(begins, 1.0)
    first = next(iter(models.values()))
    first = first.pooled if isinstance(first, PartedModels) else first
    return find_seasons(
        order_days, first, feature_on, params.horizon_days, begins, params.usual_month_orders
    )


def see_past_days(
    order_days: pl.DataFrame,
    as_of: date,
    params: ScoringParams,
    cuts: int,
    optional: pl.DataFrame | None = None,
) -> list[Day]:
    """Return the past days to learn from and to try on, the newest first.

    Days with fewer than `params.min_events_per_class` customers of either kind are left out.

    Args:
        order_days: Of `prepare_order_days`, perhaps of a sample of the customers.
        as_of: The last day known; the newest past day is a horizon before it.
        params: Horizon, sample, and what is enough.
        cuts: So many are tried; the year of snapshots before the oldest of them is added.
        optional: See `see_day`.
    """
    days = []
    for feature_on in find_cuts(
        order_days,
        as_of,
        params.horizon_days,
        at_most=cuts + params.training_cuts,
        min_known_days=params.horizon_days,
    ):
        snapshot = cut_snapshot(order_days, feature_on, params.horizon_days)
        day = see_day(snapshot.known, feature_on, params, optional)
        days.append(replace(day, labels=snapshot.labels))
    return [day for day in days if day.is_labelled_well(params.min_events_per_class)]


def lacking(order_days: pl.DataFrame, as_of: date, params: ScoringParams) -> list[str]:
    """Return one sentence for each thing that is missing: what there is and what is enough."""
    known = order_days.filter(pl.col("is_order") & (pl.col("ordered_on") <= as_of))
    customers = known["customer_id"].n_unique()
    history_days = _history_days(known, as_of)
    lacks = []
    if customers < params.min_customers:
        buyers = count_of(customers, "customer has", "customers have")
        lacks.append(f"{buyers} an order; {params.min_customers} are needed.")
    enough = params.min_history_horizons * params.horizon_days
    if history_days < enough:
        lacks.append(f"Orders go back {count_of(history_days, 'day')}; {enough} are needed.")
    return lacks + _events_lacking(known, as_of, params)


def lacking_season(order_days: pl.DataFrame, as_of: date, params: ScoringParams) -> list[str]:
    """Return the sentence that no season is known, if history is too short and nobody told one."""
    history_days, enough = _history_days(order_days, as_of), YEAR_DAYS + params.horizon_days
    if params.usual_month_orders is not None or history_days >= enough:
        return []
    return [
        f"Orders go back {count_of(history_days, 'day')} and show a season from {enough} on. Until "
        "then usual_month_orders in scores.yml may tell one."
    ]


def _history_days(order_days: pl.DataFrame, as_of: date) -> int:
    known = order_days.filter(pl.col("is_order") & (pl.col("ordered_on") <= as_of))
    first = known["ordered_on"].min()
    return (as_of - first).days if isinstance(first, date) else 0


def _events_lacking(known: pl.DataFrame, as_of: date, params: ScoringParams) -> list[str]:
    begin = as_of - timedelta(days=params.horizon_days)
    labels = cut_snapshot(known, begin, params.horizon_days).labels
    churned = int(labels["is_churned"].sum())
    counts = ((labels.height - churned, "ordered"), (churned, "did not order"))
    return [
        f"{count_of(count, 'customer')} known by {begin} {verb} in the {params.horizon_days} days "
        f"after it; {params.min_events_per_class} are needed."
        for count, verb in counts
        if count < params.min_events_per_class
    ]
