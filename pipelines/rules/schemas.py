"""The frozen schema of every rules file. A number of the business lives there, never in code."""

from datetime import date, timedelta
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from pipelines.rules.breakers import Breakers
from pipelines.rules.churn_causes import ChurnCauses
from pipelines.rules.churn_reasons import ChurnReasons
from pipelines.rules.deliveries import Deliveries
from pipelines.rules.demographics import Demographics
from pipelines.rules.feedback_topics import FeedbackTopics
from pipelines.rules.festivals import Festivals
from pipelines.rules.grade_overrides import GradeOverrides
from pipelines.rules.identity import Identity, IdentityRules
from pipelines.rules.identity_model import IdentityModel
from pipelines.rules.influence import Influence
from pipelines.rules.lifecycle import Lifecycle
from pipelines.rules.list_columns import ListColumns
from pipelines.rules.model import TAG, Name, Rules, Share, refuse_repeats
from pipelines.rules.next_order import NextOrder
from pipelines.rules.psychographics import Psychographics
from pipelines.rules.recommendation import Recommendation
from pipelines.rules.relations import Relations
from pipelines.rules.rfm import Rfm
from pipelines.rules.segments import Channel, Segments
from pipelines.rules.serving import Serving
from pipelines.rules.sources import Sources
from pipelines.rules.survivorship import Survivorship
from pipelines.rules.tiers import Tiers
from pipelines.rules.warnings import EarlyWarnings

YEAR_DAYS = 364  # whole weeks


class Orders(Rules):
    """`orders.yml`: which orders and refunds count."""

    not_completed: tuple[str, ...] = Field(description="Order statuses that are not a purchase.")
    refund_not_paid: tuple[str, ...] = Field(description="Refund statuses that gave nothing back.")
    cancelled: tuple[str, ...] = Field(
        ("cancelled", "canceled"),
        description="Order statuses that mean cancelled, where no time of it is given.",
    )


class RiskBands(Rules):
    """Where the bands of churn risk begin and end."""

    low_below: float = Field(0.33, ge=0, le=1, description="Below this churn risk: low.")
    high_above: float = Field(0.66, ge=0, le=1, description="Above this churn risk: high.")

    @model_validator(mode="after")
    def _bands_are_ordered(self) -> Self:
        if self.low_below > self.high_above:
            raise ValueError("low_below must not be greater than high_above")
        return self


class GradeLimits(Rules):
    """When a model is clearly better than its baseline (grade A), and not only not worse (B)."""

    clear_standard_errors: float = Field(
        2.0, gt=0, description="Clear is an improvement of more than so many standard errors."
    )
    min_gain_to_change: Share = Field(
        0.001,
        description="Another model than the preferred one is taken if its loss is clearly lower, "
        "and by at least this share.",
    )
    min_skill: Share = Field(0.02, description="And of at least this share of the baseline's loss.")
    worse_standard_errors: float = Field(
        1.0, ge=0, description="Grade C is a loss higher by more than so many standard errors."
    )
    max_calibration_error: Share = Field(
        0.05, description="Grade A of churn: the expected calibration error is at most this."
    )
    max_total_bias: Share = Field(
        0.10, description="Grade A of orders and value: totals are off by at most this share."
    )


class DriftLimits(Rules):
    """How far inputs and scores may move before somebody should look (PSI)."""

    notice_above: float = Field(0.1, gt=0, description="Population stability index to mention.")
    alarm_above: float = Field(0.25, gt=0, description="Population stability index to act on.")

    @model_validator(mode="after")
    def _limits_are_ordered(self) -> Self:
        if self.notice_above > self.alarm_above:
            raise ValueError("notice_above must not be greater than alarm_above")
        return self


OrderModelKind = Literal[
    "mbg_nbd", "bg_nbd", "pareto_nbd", "nbd", "mbg_nbd_cohorts", "mbg_nbd_channels"
]
TriedKind = OrderModelKind | Literal["bg_bb", "sbg"]


class Relation(Rules):
    """How customers are bound: orders come on any day, once a period, or by contract."""

    kind: Literal["free", "periodic", "contractual"] = Field(
        "free",
        description="free: on any day; periodic: once a period at most (a box, a donation); "
        "contractual: renewed each period, or ended for good.",
    )
    period_days: int | None = Field(None, ge=2, description="Days of a period, if not free.")

    @model_validator(mode="after")
    def _period_is_known(self) -> Self:
        if (self.kind == "free") != (self.period_days is None):
            raise ValueError("period_days is needed if the kind is periodic or contractual only")
        return self

    @property
    def models(self) -> tuple[TriedKind, ...]:
        """The models of such a relation that are tried beside the others."""
        tried: dict[str, tuple[TriedKind, ...]] = {"periodic": ("bg_bb",), "contractual": ("sbg",)}
        return tried.get(self.kind, ())


def _one_a_month(orders: tuple[float, ...]) -> tuple[float, ...]:
    if len(orders) != 12:
        raise ValueError(f"must be twelve numbers, January first, not {len(orders)}")
    return orders


MonthOrders = Annotated[
    tuple[Annotated[float, Field(ge=1e-6, le=1e12)], ...], AfterValidator(_one_a_month)
]


class ScoringParams(Rules):
    """`scores.yml`: horizons, and the least data a score needs."""

    horizon_days: int = Field(
        90, ge=1, description="Churn risk is the probability of no order in this many days."
    )
    discount_rate: float = Field(
        0.10, ge=0, description="Per year; money of the second and third year is worth less."
    )
    usual_month_orders: MonthOrders | None = Field(
        None,
        description="Orders of a usual year by month, from January on, as the company's books have "
        "them: the season until the history has shown its own. null: no season is known.",
    )
    min_customers: int = Field(
        500, ge=1, description="With fewer customers with an order, scoring is refused."
    )
    min_history_horizons: int = Field(
        3, ge=1, description="With a shorter history than this many horizons, scoring is refused."
    )
    min_events_per_class: int = Field(
        100,
        ge=1,
        description="Of the customers known for a horizon or longer, so many must have ordered "
        "in the last horizon, and so many must not have; otherwise scoring is refused.",
    )
    prior_sd: float = Field(
        2.0,
        gt=0,
        description="Standard deviation of the weak prior on the log parameters of the models.",
    )
    risk_bands: RiskBands = Field(
        default_factory=RiskBands, description="Bands of churn risk: low, medium, high."
    )
    order_models: tuple[OrderModelKind, ...] = Field(
        ("mbg_nbd", "bg_nbd", "pareto_nbd", "mbg_nbd_cohorts", "mbg_nbd_channels"),
        min_length=1,
        description="Models of order times that are tried; of two equals the first is taken.",
    )
    min_cohort_customers: int = Field(
        1_000,
        ge=100,
        description="So many first orders of one year, or by one channel, make a cohort (sample).",
    )
    relation: Relation = Field(
        default_factory=Relation, description="How customers are bound; adds a model to try."
    )
    sample_customers: int = Field(
        30_000, ge=1_000, description="Models are learnt and tried on so many customers at most."
    )
    backtest_cuts: int = Field(
        2, ge=1, description="Past days on which the models are tried each night."
    )
    grade_limits: GradeLimits = Field(
        default_factory=GradeLimits, description="What makes a grade A, B or C of a model."
    )
    drift_limits: DriftLimits = Field(
        default_factory=DriftLimits, description="When the drift of an input or a score is told."
    )

    @property
    def kinds(self) -> tuple[TriedKind, ...]:
        """All models of order times that are tried."""
        return self.order_models + self.relation.models

    @property
    def training_cuts(self) -> int:
        """Past days that a model learns from: a year of them, so that seasons even out."""
        return max(1, round(YEAR_DAYS / self.horizon_days))

    def feature_days(self, as_of: date) -> list[date]:
        """The day of the run and all past days that a back-test may see, the newest first."""
        past = self.backtest_cuts + self.training_cuts
        return [as_of - timedelta(days=self.horizon_days * back) for back in range(past + 1)]


class EngagementWeight(Rules):
    """Weight and daily cap of one kind of touch."""

    kind: Name
    weight: float


class Engagement(Rules):
    """`engagement.yml`: what a touch is worth, and how fast it fades."""

    half_life_days: float = Field(gt=0)
    channel_cap: float = Field(gt=0, description="Most that one channel adds.")
    weights: tuple[EngagementWeight, ...]

    @model_validator(mode="after")
    def _each_kind_once(self) -> Self:
        refuse_repeats("kind", (weight.kind for weight in self.weights))
        return self


class InterestWeight(Rules):
    """What one view, cart, purchase or case says of an interest in a category."""

    kind: Literal["viewed", "carted", "bought", "discussed"]
    weight: float = Field(ge=0)


class ReactionWeight(Rules):
    """What one reaction says of a liking for its channel."""

    kind: Literal["open", "click", "reply"]
    weight: float = Field(ge=0)


class Preferences(Rules):
    """`preferences.yml`: what customers like, guessed from what they did."""

    preference_days: int = Field(ge=1, description="What is older says nothing any more.")
    shrinkage_orders: float = Field(gt=0, description="Weight of the base's share, in orders.")
    interest_weights: tuple[InterestWeight, ...]
    reaction_weights: tuple[ReactionWeight, ...]
    contact_channels: tuple[Channel, ...] = Field(description="Of two equals, the first wins.")

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        refuse_repeats("interest kind", (weight.kind for weight in self.interest_weights))
        refuse_repeats("reaction kind", (weight.kind for weight in self.reaction_weights))
        refuse_repeats("contact channel", self.contact_channels)
        return self


class SuppressingTags(Rules):
    """Tags of records that say why a person is never written to."""

    because: Literal["deceased", "staff", "test"]
    tags: tuple[Annotated[str, Field(pattern=TAG)], ...] = Field(
        description="In any case of letters; no comma, % or _."
    )


class Retention(Rules):
    """How long copies are kept; null is for good."""

    raw_days: int | None = Field(None, ge=30, description="Files as received.")
    quarantine_days: int | None = Field(None, ge=1, description="Rows that broke the contract.")
    run_days: int | None = Field(None, ge=7, description="Working files of nights.")
    releases: int | None = Field(None, ge=2, description="So many of the newest dates.")


class Privacy(Rules):
    """`privacy.yml`: how long consent and copies last, and who is never written to."""

    consent_months: int = Field(ge=1, description="A grant without an end expires after these.")
    minimum_age: int = Field(ge=0, description="Known to be younger: never written to.")
    suppressing_tags: tuple[SuppressingTags, ...] = Field(
        (), description="Who carries one of these tags is never written to; the first counts."
    )
    retention: Retention = Field(Retention(), description="How long copies are kept.")


class RuleBook(Rules):
    """All rules of one night."""

    sources: Sources
    orders: Orders
    identity: Identity
    identity_rules: IdentityRules
    identity_model: IdentityModel
    survivorship: Survivorship
    demographics: Demographics
    relations: Relations
    scores: ScoringParams
    churn_reasons: ChurnReasons
    churn_causes: ChurnCauses
    feedback_topics: FeedbackTopics
    recommendation: Recommendation
    next_order: NextOrder
    tiers: Tiers
    grade_overrides: GradeOverrides
    influence: Influence
    lifecycle: Lifecycle
    rfm: Rfm
    warnings: EarlyWarnings
    engagement: Engagement
    preferences: Preferences
    psychographics: Psychographics
    privacy: Privacy
    festivals: Festivals
    segments: Segments
    list_columns: ListColumns
    breakers: Breakers
    deliveries: Deliveries
    serving: Serving


class RunFacts(Rules):
    """What one run knows beside its rules."""

    as_of: date
    base_currency: str
    personal_fields: frozenset[str] = Field(
        description="Fields of a record that name a person by themselves, as the catalogue says."
    )
