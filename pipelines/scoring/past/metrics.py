"""How good a prediction was, in one number each; scikit-learn's where it has them.

Definitions that are not scikit-learn's are written out. A number that cannot be had, such as the
AUC where nobody churned, is NaN.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit, xlogy
from scipy.stats import rankdata, spearmanr
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

CALIBRATION_BINS = 10
DECILES = 10
TOP_SHARE = 0.1
# What log loss takes as the surest forecast; 0 or 1 would cost without end when wrong once.
SUREST = 1e-6
# Log odds further apart than this are as good as certain: ln of a million, twice.
WIDEST = 30.0


def measure_risk(churned: Bools, risk: Floats) -> dict[str, float]:
    """Return every metric of a probability: ranking (AUC, PR-AUC, lift), level (Brier, ECE)."""
    if len(churned) == 0 or churned.all() or not churned.any():
        return dict.fromkeys(RISK_METRICS, np.nan)
    sure = np.clip(risk, SUREST, 1.0 - SUREST)
    capture = capture_at_top(churned.astype(np.float64), risk)
    return {
        "auc": float(roc_auc_score(churned, risk)),
        "pr_auc": float(average_precision_score(churned, risk)),
        "brier": float(brier_score_loss(churned, risk)),
        "log_loss": float(log_loss(churned, sure)),
        "ece": expected_calibration_error(churned, risk),
        "lift_10": capture / TOP_SHARE,
        "capture_10": capture,
        "retained_lift_10": capture_at_top((~churned).astype(np.float64), -risk) / TOP_SHARE,
        "total_bias": total_bias(churned.astype(np.float64), risk),
    }


def measure_amount(actual: Floats, predicted: Floats) -> dict[str, float]:
    """Return every metric of an expected count or amount: ranking, error, total."""
    if len(actual) < DECILES:
        return dict.fromkeys(AMOUNT_METRICS, np.nan)
    varies = np.ptp(actual) > 0 and np.ptp(predicted) > 0
    return {
        "gini": normalised_gini(actual, predicted),
        "spearman": float(spearmanr(actual, predicted).statistic) if varies else np.nan,
        "mae": float(np.abs(actual - predicted).mean()),
        "decile_mape": decile_mape(actual, predicted),
        "lift_10": capture_at_top(actual, predicted) / TOP_SHARE,
        "capture_10": capture_at_top(actual, predicted),
        "total_bias": total_bias(actual, predicted),
    }


RISK_METRICS = (
    "auc", "pr_auc", "brier", "log_loss", "ece", "lift_10", "capture_10", "retained_lift_10",
    "total_bias",
)  # fmt: skip
AMOUNT_METRICS = (
    "gini", "spearman", "mae", "decile_mape", "lift_10", "capture_10", "total_bias",
)  # fmt: skip


def expected_calibration_error(churned: Bools, risk: Floats) -> float:
    """Return the mean distance of risk from what happened, over bins of equal width.

    Ten bins [0, .1), [.1, .2) ... [.9, 1]; of each the mean risk less the share that churned,
    without its sign, weighted by the bin's share of customers (Naeini et al. 2015, ECE).
    """
    bin_of = np.minimum((risk * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)
    excess = np.bincount(bin_of, weights=risk - churned, minlength=CALIBRATION_BINS)
    return float(np.abs(excess).sum() / len(risk))


def capture_at_top(actual: Floats, predicted: Floats) -> float:
    """Return the share of the total that the highest tenth by prediction holds.

    Customers on the edge who share one prediction count with the part of them that fits in, so the
    order of rows does not matter. Lift at 10 % is this share divided by a tenth.
    """
    total = actual.sum()
    if total == 0:
        return np.nan
    # Of each group of equal predictions: the part that lies in the top tenth.
    levels, group = np.unique(-predicted, return_inverse=True)
    sizes = np.bincount(group, minlength=len(levels))
    room = TOP_SHARE * len(actual) - (np.cumsum(sizes) - sizes)
    part = np.clip(room / sizes, 0.0, 1.0)
    return float((np.bincount(group, weights=actual, minlength=len(levels)) * part).sum() / total)


def normalised_gini(actual: Floats, predicted: Floats) -> float:
    """Return the Gini of actual ordered by prediction, over that of the perfect order.

    1 is the perfect ranking, 0 is chance. Equal predictions share their mean rank (Wang, Liu and
    Miao 2019 break ties by the order of rows). NaN where all amounts are equal.
    """
    best = _covariance_with_rank(actual, actual)
    return float(_covariance_with_rank(actual, predicted) / best) if best > 0 else np.nan


def _covariance_with_rank(actual: Floats, predicted: Floats) -> float:
    ranks = rankdata(predicted)
    return float(((actual - actual.mean()) * (ranks - ranks.mean())).mean())


def decile_mape(actual: Floats, predicted: Floats) -> float:
    """Return the mean of |predicted - actual| / |actual| over tenths of customers by prediction.

    Sums per tenth; equal predictions are spread over their tenths in proportion. A tenth in which
    nothing happened is left out (Wang, Liu and Miao 2019).
    """
    levels, group = np.unique(predicted, return_inverse=True)
    sizes = np.bincount(group).astype(np.float64)
    ends = np.cumsum(sizes)
    edges = np.linspace(0.0, len(actual), DECILES + 1)
    # Sums up to each edge, straight lines within a group of equals.
    so_far = [
        np.interp(edges, np.append(0.0, ends), np.append(0.0, np.cumsum(sums)))
        for sums in (np.bincount(group, weights=actual), sizes * levels)
    ]
    actual_sums, predicted_sums = (np.diff(values) for values in so_far)
    there = np.abs(actual_sums) > 1e-9 * max(float(np.abs(actual).sum()), 1e-300)
    if not there.any():
        return np.nan
    return float(np.abs(predicted_sums[there] / actual_sums[there] - 1.0).mean())


def total_bias(actual: Floats, predicted: Floats) -> float:
    """Return the predicted total over the actual one, less 1: 0.1 is a tenth too much."""
    total = actual.sum()
    return float(predicted.sum() / total - 1.0) if total != 0 else np.nan


def log_losses(churned: Bools, risk: Floats) -> Floats:
    """Return each customer's log loss; its mean is the metric."""
    sure = np.clip(risk, SUREST, 1.0 - SUREST)
    losses: Floats = -np.where(churned, np.log(sure), np.log1p(-sure))
    return losses


def level_risk(churned: Bools, risk: Floats) -> Floats:
    """Return risks whose mean is the share that churned: one shift of all log odds."""
    sure = np.clip(risk, SUREST, 1.0 - SUREST)
    logits, share = np.log(sure) - np.log1p(-sure), float(churned.mean())
    if not 0.0 < share < 1.0:
        return sure
    shift = brentq(lambda by: float(expit(logits + by).mean()) - share, -WIDEST, WIDEST)
    levelled: Floats = expit(logits + shift)
    return levelled


def level_amount(actual: Floats, predicted: Floats) -> Floats:
    """Return predictions whose total is the actual one, where both totals are positive."""
    right, foreseen = float(actual.sum()), float(predicted.sum())
    return predicted * (right / foreseen) if right > 0 and foreseen > 0 else predicted


# Nobody is sure to buy nothing: at least a twentieth of the mean is expected. Without it one
# surprise would cost a forecast of 0 without end.
LEAST_SHARE_OF_MEAN = 0.05


def poisson_deviances(actual: Floats, predicted: Floats) -> Floats:
    """Return each customer's Poisson deviance; its mean is scikit-learn's."""
    mu = _above_nothing(predicted)
    y = np.maximum(actual, 0.0)
    deviances: Floats = 2.0 * (xlogy(y, y / mu) - y + mu)
    return deviances


def tweedie_deviances(actual: Floats, predicted: Floats, power: float = 1.5) -> Floats:
    """Return each customer's Tweedie deviance; refunds beyond orders count as 0.

    Power 1.5 is a random number of orders of random amounts (Jorgensen 1987). Ratios of it do not
    depend on the currency.
    """
    mu = _above_nothing(predicted)
    y = np.maximum(actual, 0.0)
    deviances: Floats = 2.0 * (
        y ** (2 - power) / ((1 - power) * (2 - power))
        - y * mu ** (1 - power) / (1 - power)
        + mu ** (2 - power) / (2 - power)
    )
    return deviances


def _above_nothing(predicted: Floats) -> Floats:
    mean = float(np.maximum(predicted, 0.0).mean())
    floor: Floats = np.maximum(predicted, LEAST_SHARE_OF_MEAN * mean if mean > 0 else 1e-9)
    return floor
