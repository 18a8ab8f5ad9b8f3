from dataclasses import replace
from datetime import date
from typing import get_args

import numpy as np
import pytest
from pydantic import ValidationError

from pipelines.scoring.models.channels import Channels
from pipelines.scoring.models.cohorts import CohortModels
from pipelines.scoring.models.kinds import Base, Kind, fit_kind
from pipelines.scoring.models.order_model import build_order_model, fit_order_model
from pipelines.scoring.models.record import (
    OrderModelRecord,
    keep_or_replace,
    record_fit,
    restore_fit,
)

BASE = Base(date(2026, 6, 30), period_days=30)


@pytest.fixture(scope="module")
def last_good(simulate):
    base = simulate(3_000, r=0.6, alpha=25.0, a=0.6, b=3.0, seed=12)
    return fit_order_model("mbg_nbd", base.x, base.t_x, base.tenure)


def moved(fit, by_errors: float):
    """Return the fit with its alpha moved by so many standard errors."""
    alpha = fit.model.alpha * (1.0 + by_errors * fit.standard_errors[1] / fit.model.alpha)
    return replace(fit, model=replace(fit.model, alpha=alpha))


@pytest.mark.parametrize("kind", get_args(Kind))
def test_fit_written_to_text_and_read_again_is_the_same(cdnow_sample, kind):
    x, t_x, tenure = cdnow_sample[:3]
    # As if half of them had come a year earlier.
    tenure = 7.0 * tenure + 365.0 * (np.arange(len(x)) % 2)
    fit = fit_kind(kind, (x, np.round(7.0 * t_x), np.round(tenure)), BASE)
    text = record_fit(fit).model_dump_json()

    read = restore_fit(OrderModelRecord.model_validate_json(text), BASE)
    assert read.model.kind == kind
    assert read.model.parameters == pytest.approx(fit.model.parameters, rel=1e-8)
    assert read.standard_errors == pytest.approx(fit.standard_errors, rel=1e-8)
    assert read.log_likelihood == pytest.approx(fit.log_likelihood, rel=1e-8)
    assert record_fit(read) == record_fit(fit)


def test_a_channel_written_as_nothing_and_one_of_nobody_are_restored(simulate):
    often = simulate(400, r=1.5, alpha=20.0, a=0.6, b=3.0, seed=1)[:3]
    seldom = simulate(400, r=0.5, alpha=90.0, a=0.6, b=3.0, seed=2)[:3]
    histories = tuple(map(np.concatenate, zip(often, seldom, strict=True)))
    places = np.repeat(np.array([0, 1], dtype=np.int32), 400)
    known = replace(BASE, min_cohort_customers=300, channels=Channels(("", "store"), places))
    fit = fit_kind("mbg_nbd_channels", histories, known)
    record = OrderModelRecord.model_validate_json(record_fit(fit).model_dump_json())
    # Tonight nobody has come by the store, and somebody by a channel that is new.
    tonight = replace(known, channels=Channels(("", "web"), places))

    read = restore_fit(record, tonight)
    assert read.model.pooled.parameters == pytest.approx(fit.model.pooled.parameters, rel=1e-8)
    assert read.model.by_channel.keys() == {"", "store"}
    assert record_fit(read) == record
    told = read.model.p_alive(*histories)
    nothing, pooled = read.model.by_channel[""], read.model.pooled
    assert told[:400] == pytest.approx(nothing.p_alive(*(c[:400] for c in histories)))
    assert told[400:] == pytest.approx(pooled.p_alive(*(c[400:] for c in histories)))
    assert read.model.expected_orders(90.0, *histories).shape == (800,)
    assert fit_kind("mbg_nbd_channels", histories, tonight, start=read.model).converged


def test_record_with_parameters_of_another_kind_is_refused(last_good):
    record = record_fit(last_good).model_copy(update={"kind": "pareto_nbd"})
    with pytest.raises(ValueError, match="are not the parameters of a pareto_nbd"):
        restore_fit(record, BASE)


def test_record_of_an_unknown_kind_is_refused(last_good):
    with pytest.raises(ValidationError):
        OrderModelRecord.model_validate(record_fit(last_good).model_dump() | {"kind": "guess"})


def test_small_change_replaces(last_good):
    tonight = moved(last_good, 4.0)

    assert keep_or_replace(tonight, last_good) == keep_or_replace(tonight, None)
    assert keep_or_replace(tonight, last_good).fit is tonight


@pytest.mark.parametrize("by_errors", [6.0, -5.0])
def test_large_change_keeps_the_last_good_fit_with_the_reason(last_good, by_errors):
    in_use = keep_or_replace(moved(last_good, by_errors), last_good)

    assert in_use.fit is last_good
    assert in_use.reason.startswith("alpha of the mbg_nbd moved from ")
    assert "at most 5 are believed" in in_use.reason


def test_unfinished_search_keeps_the_last_good_fit_with_the_reason(last_good):
    in_use = keep_or_replace(replace(last_good, converged=False), last_good)

    assert in_use.fit is last_good
    assert f"did not end after {last_good.iterations} steps" in in_use.reason


def test_unfinished_search_without_an_earlier_fit_gives_none(last_good):
    in_use = keep_or_replace(replace(last_good, converged=False), None)

    assert in_use.fit is None
    assert in_use.reason.endswith("there is no earlier fit.")


def test_another_kind_replaces(last_good):
    nbd = replace(last_good, model=build_order_model("nbd", {"r": 9.0, "alpha": 1.0}))

    assert keep_or_replace(nbd, last_good).fit is nbd


def test_without_standard_errors_any_change_replaces(last_good):
    tonight = moved(last_good, 60.0)

    assert keep_or_replace(tonight, replace(last_good, standard_errors=None)).fit is tonight


def test_after_a_week_of_refusals_whatever_comes_is_believed(last_good):
    parameters = last_good.model.parameters | {"alpha": last_good.model.parameters["alpha"] * 3}
    jumped = replace(last_good, model=build_order_model(last_good.model.kind, parameters))
    assert keep_or_replace(jumped, last_good, refused_nights=6).fit is last_good
    assert keep_or_replace(jumped, last_good, refused_nights=7).fit is jumped
    assert keep_or_replace(jumped, last_good, last_refused=jumped).fit is jumped


def test_a_cohort_that_is_new_is_no_jump(last_good):
    def of_years(*years, by_errors=0.0):
        parts = {year: moved(last_good, by_errors).model for year in years}
        model = CohortModels(last_good.model, parts, BASE.as_of)
        errors = last_good.standard_errors * (len(years) + 1)
        return replace(last_good, model=model, standard_errors=errors)

    older, newer = of_years(2024, 2025), of_years(2024, 2025, 2026)
    assert keep_or_replace(newer, older).fit is newer
    assert keep_or_replace(older, newer).fit is older
    in_use = keep_or_replace(of_years(2024, 2025, by_errors=9.0), older)
    assert in_use.fit is older
    assert in_use.reason.startswith("alpha_2024 of the mbg_nbd_cohorts moved from")
