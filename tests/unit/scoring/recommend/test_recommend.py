from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from pipelines.demo.company import draw_history
from pipelines.demo.vocabulary import CATEGORIES
from pipelines.demo.world import make_catalogue, plan_chunks, second_of, to_day
from pipelines.rules.recommendation import ItemRules
from pipelines.scoring.recommend import items as recommend
from pipelines.scoring.recommend.affinity import AFFINITY, relate_items
from pipelines.scoring.recommend.backtest import judge_recommendations, recommend_best
from pipelines.scoring.recommend.demand import Demand
from pipelines.scoring.recommend.items import recommend_items

AS_OF = date(2026, 6, 30)
RULES = ItemRules(top_count=3, shrinkage_votes=0, min_segment_customers=2)
PURCHASES = pl.Schema({"customer_id": pl.String, "item_id": pl.String, "days_ago": pl.Int64})


def demand(
    purchases: list[tuple[str, str, int]],
    *,
    returns: list[tuple[str, str, int]] = (),
    discontinued: list[str] = (),
    segments: dict[str, str] | None = None,
    others: list[str] = (),
) -> Demand:
    """Build purchases and returns from (customer, item, days ago)."""

    def dated(rows, name):
        frame = pl.DataFrame(list(rows), schema=PURCHASES, orient="row")
        on = pl.lit(AS_OF) - pl.duration(days=pl.col("days_ago"))
        return frame.select("customer_id", "item_id", on.cast(pl.Date).alias(name))

    ids = sorted({row[0] for row in purchases} | set(others))
    return Demand(
        purchases=dated(purchases, "bought_on"),
        returns=dated(returns, "returned_on"),
        items=pl.DataFrame(
            {"item_id": discontinued, "is_active": [False] * len(discontinued)},
            schema={"item_id": pl.String, "is_active": pl.Boolean},
        ),
        customers=pl.DataFrame(
            {"customer_id": ids, "segment": [(segments or {}).get(i) for i in ids]},
            schema={"customer_id": pl.String, "segment": pl.String},
        ),
    )


def shop(customers: int, seed: int, *, affinity: bool) -> Demand:
    """Draw a year of purchases: of one's own kind of ten products, or of any at random."""
    random = np.random.default_rng(seed)
    rows = []
    for number in range(customers):
        kind = int(random.integers(0, 5))
        for days_ago in random.integers(0, 365, 8):
            item = int(random.integers(0, 10)) + 10 * (
                kind if affinity else int(random.integers(0, 5))
            )
            rows.append((f"c{number:04d}", f"p{item:02d}", int(days_ago)))
    return demand(rows)


BEANS_AND_MILLS = [
    *((f"c{n}", "beans", 100) for n in range(4)),
    *((f"c{n}", "mill", 90) for n in range(3)),
    *((f"t{n}", "tent", 80) for n in range(5)),
    *((f"t{n}", "stove", 80) for n in range(4)),
]


def given_to(rows: pl.DataFrame, customer: str) -> list[tuple[str, str, str | None]]:
    found = rows.filter(pl.col("customer_id") == customer)
    return found.select("item_id", "basis", "because_item_id").rows()


# ---------- what goes together


def test_affinity_is_how_often_buyers_of_one_buy_the_other_both_ways():
    # Beans: 3 buyers with one other item each (half a vote), 1 with none; mill: 3 half votes.
    history = pl.DataFrame({"customer_code": [0, 0, 1, 1, 2, 2, 3], "item_code": [0, 1] * 3 + [0]})
    related = relate_items(history, np.array([True, True]), RULES)
    affinity = {(i, j): value / AFFINITY for i, j, value in related.iter_rows()}

    both, beans, mill = 1.5, 2.5, 1.5
    assert affinity == pytest.approx(
        {(0, 0): 1, (1, 1): 1, (0, 1): (both / beans) * (both / mill), (1, 0): 0.6}
    )


def test_ties_of_rarely_bought_items_are_shrunk():
    history = pl.DataFrame({"customer_code": [0, 0, *range(1, 101), *range(1, 101)],
                            "item_code": [0, 1, *[2] * 100, *[3] * 100]})  # fmt: skip
    related = relate_items(history, np.ones(4, dtype=bool), ItemRules(shrinkage_votes=1))
    affinity = {(i, j): value / AFFINITY for i, j, value in related.iter_rows()}

    assert affinity[0, 1] < 0.12
    assert affinity[2, 3] > 0.95


# ---------- recommendations


def test_what_goes_with_a_purchase_comes_first_and_says_because_of_what():
    assert given_to(recommend_items(demand(BEANS_AND_MILLS), RULES, AS_OF), "c3")[0] == (
        "mill", "bought_with", "beans",
    )  # fmt: skip


def test_nothing_discontinued_returned_or_durable_or_just_bought():
    rows = [*BEANS_AND_MILLS, ("t4", "beans", 100), ("c9", "beans", 60), ("c9", "tent", 50)]
    all_items = recommend_items(demand(rows), RULES, AS_OF)
    assert {item for item, *_ in given_to(all_items, "c9")} == {"mill", "stove"}

    without = demand(rows, returns=[("c9", "mill", 10)], discontinued=["stove"])
    assert given_to(recommend_items(without, RULES, AS_OF), "c9") == []


def test_an_item_bought_again_and_again_comes_back_after_its_rest():
    again = [("c1", "beans", 90), ("c1", "beans", 60), ("c2", "beans", 31), ("c3", "beans", 29)]
    rows = recommend_items(demand(again), RULES, AS_OF)

    assert given_to(rows, "c1") == [("beans", "bought_before", "beans")]
    assert given_to(rows, "c2") == [("beans", "bought_before", "beans")]
    assert given_to(rows, "c3") == []


def test_without_a_purchase_what_is_popular_in_the_segment_then_with_all():
    rows = [*BEANS_AND_MILLS, ("u1", "lamp", 5), ("u2", "lamp", 5), ("u3", "rug", 5)]
    segments = {"u1": "FR", "u2": "FR", "new": "FR", "u3": "DE", "other": "DE"}
    given = recommend_items(demand(rows, segments=segments, others=["new", "other"]), RULES, AS_OF)

    assert given_to(given, "new") == [
        ("lamp", "popular_in_segment", None), ("tent", "popular", None), ("stove", "popular", None),
    ]  # fmt: skip
    # One buyer makes no segment.
    assert given_to(given, "other")[0] == ("tent", "popular", None)


def test_later_and_forgotten_purchases_say_nothing():
    known = demand(BEANS_AND_MILLS, others=["c8"])
    more = demand([*BEANS_AND_MILLS, ("c8", "beans", -1), ("c8", "beans", 730)])

    assert_frame_equal(recommend_items(known, RULES, AS_OF), recommend_items(more, RULES, AS_OF))


def test_two_rows_of_one_customer_are_an_error():
    twice = demand(BEANS_AND_MILLS)
    twice = replace(twice, customers=pl.concat([twice.customers] * 2))
    with pytest.raises(ValueError, match="18 rows share their customer_id; the first is 'c0'"):
        recommend_items(twice, RULES, AS_OF)


def test_a_shop_without_purchases_has_nothing_to_recommend():
    assert recommend_items(demand([], others=["c1"]), RULES, AS_OF).is_empty()


trades = st.lists(
    st.tuples(st.sampled_from("abcdef"), st.sampled_from("123456"), st.integers(0, 200)),
    min_size=1,
    max_size=40,
)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(rows=trades, returned=trades, discontinued=st.sets(st.sampled_from("123456")),
       seed=st.integers(0, 99))  # fmt: skip
def test_promises_hold_for_any_history(rows, returned, discontinued, seed):
    rules = ItemRules(top_count=4, min_segment_customers=1, min_rebuy_rate=0.5)
    base = demand(rows, returns=returned, discontinued=sorted(discontinued), others=["new"])
    result = recommend_items(base, rules, AS_OF)
    pairs = set(result.select("customer_id", "item_id").rows())

    assert result.group_by("customer_id").len()["len"].max() in {None, 1, 2, 3, 4}
    assert len(pairs) == result.height
    assert not {item for _, item in pairs} & discontinued
    assert not pairs & {(c, i) for c, i, days in returned if days < rules.returned_days}
    assert not pairs & {(c, i) for c, i, days in rows if days < rules.rest_days}
    bought = {(c, i) for c, i, _ in rows}
    for customer, because in result.select("customer_id", "because_item_id").drop_nulls().rows():
        assert (customer, because) in bought
    ranks = result.group_by("customer_id", maintain_order=True).agg("rank")["rank"].to_list()
    assert all(found == list(range(1, len(found) + 1)) for found in ranks)

    shuffled = Demand(
        *(frame.sample(fraction=1, shuffle=True, seed=seed)
          for frame in (base.purchases, base.returns, base.items, base.customers))
    )  # fmt: skip
    assert_frame_equal(recommend_items(shuffled, rules, AS_OF), result, check_exact=True)


def test_chunks_do_not_change_the_result(monkeypatch):
    base = shop(60, seed=4, affinity=True)
    whole = recommend_items(base, ItemRules(), AS_OF)
    monkeypatch.setattr(recommend, "CHUNK_PAIRS", 900)
    monkeypatch.setattr(recommend, "CHUNK_CUSTOMERS", 7)

    assert_frame_equal(recommend_items(base, ItemRules(), AS_OF), whole, check_exact=True)


# ---------- the judgement


def test_where_customers_have_tastes_their_purchases_beat_popularity():
    result = recommend_best(shop(400, seed=1, affinity=True), ItemRules(), AS_OF)

    assert result.report.method == "item_to_item"
    assert result.report.grade == "A"
    assert result.report.hit_rate > result.report.popularity_hit_rate + 0.1
    assert result.report.coverage > result.report.popularity_coverage
    assert "clearly better" in result.report.reason


def test_where_nothing_goes_together_it_is_not_called_better():
    grades = [
        judge_recommendations(shop(200, seed=seed, affinity=False), ItemRules(), AS_OF).grade
        for seed in range(3)
    ]
    assert "A" not in grades


def test_below_popularity_the_popular_items_are_published_and_it_is_said(monkeypatch):
    # Everyone buys the same thing lately that never went with anything before.
    old = shop(150, seed=2, affinity=True)
    craze = [(f"c{n:04d}", "craze", 40) for n in range(150)]
    start = [("zz", "craze", 70), *((f"y{n}", "craze", 61 + n % 20) for n in range(40))]
    base = replace(
        old,
        purchases=pl.concat([old.purchases, demand([*craze, *start]).purchases]),
        customers=demand([*craze, *start]).customers,
    )
    result = recommend_best(base, ItemRules(top_count=1, min_rebuy_rate=0), AS_OF)

    assert result.report.grade == "C"
    assert result.report.method == "popularity"
    assert "so the popular items are given" in result.report.reason
    assert set(result.items["basis"]) <= {"popular", "popular_in_segment"}


def test_too_few_to_judge_by_gives_the_popular_items_and_says_what_is_needed():
    result = recommend_best(demand(BEANS_AND_MILLS), RULES, AS_OF)

    assert (result.report.grade, result.report.method) == (None, "popularity")
    assert "100 are needed to judge" in result.report.reason
    assert set(result.items["basis"]) == {"popular"}


def test_the_judgement_knows_nothing_of_the_days_kept_back():
    base = shop(150, seed=3, affinity=True)
    after = AS_OF - timedelta(days=ItemRules().backtest_days)
    known = recommend_items(base, ItemRules(), after)
    cut = replace(base, purchases=base.purchases.filter(pl.col("bought_on") <= after))

    assert_frame_equal(known, recommend_items(cut, ItemRules(), after))


# ---------- the demo company, whose tastes are known


@pytest.fixture(scope="module")
def company() -> tuple[Demand, pl.DataFrame]:
    """4,000 persons of the demo company, and the category that each likes best."""
    goods = make_catalogue(7)
    history = draw_history(7, plan_chunks(4_000)[0], goods)
    orders, lines, people = history.orders, history.lines, history.people
    buys = orders.completed[lines.order] & (lines.quantity > 0)
    products = goods.products.select("id", "category_path")
    purchases = pl.DataFrame(
        {
            "customer_id": people["person_id"].gather(orders.person[lines.order[buys]]),
            "item_id": products["id"].gather(lines.product[buys]),
            "bought_on": to_day(orders.at[lines.order[buys]]),
        }
    ).filter(pl.col("bought_on") <= AS_OF)
    likes = pl.DataFrame(
        {
            "customer_id": people["person_id"],
            "liked": pl.Series([f"{c[0]} > {c[1]}" for c in CATEGORIES]).gather(people["taste"]),
        }
    )
    base = Demand(
        purchases=purchases,
        returns=demand([]).returns,
        items=products.select(item_id="id", is_active=pl.Series(goods.dropped > second_of(AS_OF))),
        customers=people.select(customer_id="person_id", segment="country"),
    )
    return base, likes.join(purchases, on="customer_id", how="semi")


def test_the_demos_customers_get_what_they_like(company):
    base, likes = company
    result = recommend_best(base, ItemRules(), AS_OF)
    popular = recommend_items(base, ItemRules(), AS_OF, "popularity")

    def share_liked(items: pl.DataFrame) -> float:
        categories = make_catalogue(7).products.select(item_id="id", category="category_path")
        rows = items.join(categories, on="item_id").join(likes, on="customer_id")
        return rows.select((pl.col("category") == pl.col("liked")).mean()).item()

    assert (result.report.grade, result.report.method) == ("A", "item_to_item")
    assert result.report.hit_rate > result.report.popularity_hit_rate + 0.05
    assert share_liked(result.items) > 2 * share_liked(popular)


def test_the_demos_next_categories_beat_the_popular_ones(company):
    base, _ = company
    category_of = dict(make_catalogue(7).products.select("id", "category_path").iter_rows())
    categories = replace(
        base,
        purchases=base.purchases.with_columns(pl.col("item_id").replace_strict(category_of)),
        items=base.items.clear(),
    )
    rules = ItemRules(top_count=3, rest_days=0, min_rebuy_rate=0)
    assert judge_recommendations(categories, rules, AS_OF).grade == "A"
