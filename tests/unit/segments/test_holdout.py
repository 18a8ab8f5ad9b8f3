"""Who is held out can be told again by anybody, and is alike to who is not."""

import duckdb
import polars as pl
import pytest

from pipelines.rules.segments import Holdout
from pipelines.segments.holdout import (
    Drawn,
    bucket_customers,
    draw_roles,
    global_salt,
    is_drawn,
    list_salt,
    measure_balance,
)
from tests.unit.segments.list_people import rules, segment

IDS = pl.Series("customer_id", [f"cust{n}" for n in range(20_000)])


def test_the_bucket_is_the_published_one():
    assert bucket_customers(pl.Series(["cust1"]), "salt").to_list() == [430]


def test_python_and_duckdb_agree():
    ids = pl.concat([IDS, pl.Series(["", "客户", "a:b", "x" * 300])])
    found = duckdb.execute(
        "select ('0x' || substr(sha256($1 || ':' || customer_id), 1, 8))::ubigint % 10000 "
        "from (select unnest($2) as customer_id)",
        ["win_back:v1", ids.to_list()],
    ).fetchall()
    assert [row[0] for row in found] == bucket_customers(ids, "win_back:v1").to_list()


def test_lists_versions_and_the_global_draw_are_independent():
    rate = 0.1
    salts = [
        list_salt(segment(name="a")), list_salt(segment(name="a", version=2)),
        list_salt(segment(name="b")), global_salt(Holdout()),
        global_salt(Holdout(global_version=2)),
    ]  # fmt: skip
    assert len(set(salts)) == len(salts)
    drawn = pl.DataFrame({salt: is_drawn(IDS, salt, rate) for salt in salts})
    for salt in salts:
        assert drawn[salt].mean() == pytest.approx(rate, abs=0.008)
        for other in salts:
            both = (drawn[salt] & drawn[other]).mean()
            assert both == pytest.approx(rate if other == salt else rate**2, abs=0.008)


def test_a_higher_rate_holds_out_more_and_lets_nobody_back():
    few, many = is_drawn(IDS, "s", 0.05), is_drawn(IDS, "s", 0.2)
    assert (many | ~few).all()
    assert is_drawn(IDS, "s", 0).sum() == 0
    assert is_drawn(IDS, "s", 1).all()


def test_the_global_holdout_goes_before_that_of_the_list():
    rule = rules(segment(), holdout=Holdout(global_rate=0.3, list_rate=0.5))
    roles = draw_roles(IDS, segment(), rule)
    out = is_drawn(IDS, global_salt(rule.holdout), 0.3)
    assert set(roles.filter(out)) == {"global_holdout"}
    assert set(roles.filter(~out)) == {"treated", "holdout"}
    assert set(draw_roles(IDS, segment(purpose="service"), rule)) == {"treated"}


def drawn(held_out, grades, rate=0.1):
    stages = pl.repeat("loyal", len(held_out), eager=True)
    return Drawn(
        "a", 1, rate,
        pl.DataFrame({"is_held_out": held_out, "grade": grades, "lifecycle_stage": stages}),
    )  # fmt: skip


def test_a_fair_draw_is_balanced_in_every_stratum():
    grades = ["ABCD"[n % 4] for n in range(IDS.len())]
    told = measure_balance([drawn(is_drawn(IDS, "s", 0.1), grades)])
    assert told["stratum"].to_list() == ["all", "grade", "grade", "grade", "grade", "stage"]
    assert told["p_value"].min() > 0.01
    assert told["standardised_difference"].drop_nulls().abs().max() < 0.1
    whole = told.row(0, named=True)
    assert (whole["treated_count"] + whole["holdout_count"], whole["expected_holdout_count"]) == (
        20_000, 2_000.0,
    )  # fmt: skip


def test_a_draw_that_holds_out_the_best_is_found():
    held = [n < 100 for n in range(1_000)]
    told = measure_balance([drawn(held, ["A" if n < 200 else "B" for n in range(1_000)])])
    assert told.filter(pl.col("stratum") == "all")["p_value"].item() > 0.9
    grades = told.filter(pl.col("stratum") == "grade")
    assert grades["p_value"].max() < 1e-6
    assert grades.row(0, named=True)["standardised_difference"] < -1


def test_without_a_holdout_or_without_customers_there_is_nothing_to_balance():
    assert measure_balance([drawn([False], ["A"], rate=0), drawn([], [])]).is_empty()
    one = measure_balance([drawn([False], ["A"])])
    assert one["standardised_difference"].to_list() == [None] * 3
