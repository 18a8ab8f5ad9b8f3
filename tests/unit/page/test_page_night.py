from pipelines.page.night import list_breakers, list_findings, list_gates, list_sources, make_night
from tests.unit.page.page_frames import manifest


def test_gates_stand_in_the_order_of_the_line():
    told = list_gates(manifest()["gates"])
    assert told.select("gate", "checks", "passed", "warnings", "not_run").rows() == [
        ("Landing", 12, 11, 1, 1),
        ("Lists", 12, 12, 0, 1),
    ]


def test_what_tripped_is_told_with_its_reason():
    assert list_findings(manifest()["gates"]).drop("gate_zh", "outcome_zh").rows() == [
        ("Landing", "landing_summary", "quarantined_share is at most 0.01", "warning",
         "a source is getting worse", None),
    ]  # fmt: skip


def test_sources_tell_how_fresh_they_are_and_hide_few_rows():
    told = list_sources(manifest()["sources"], manifest()["inputs"])
    assert told.select("source", "freshness", "fresh_through", "landed", "quarantined").rows() == [
        ("crm", "stale", "2026-06-28", None, None),
        ("shop", "fresh", "2026-06-30", 1000, 20),
    ]


def test_a_source_that_only_older_nights_have_read_is_there():
    told = list_sources([], [{"source": "old_shop", "landed": 90, "quarantined": 0}])
    assert told.select("source", "type", "freshness").row(0) == (
        "old_shop",
        None,
        "not read tonight",
    )


def test_a_quiet_night_says_nothing_of_what_tripped():
    quiet = manifest(gates={"lists": manifest()["gates"]["lists"]})
    assert [figure.name for figure in make_night(quiet).figures] == ["gates", "sources"]


def test_breakers_are_told_with_what_tripped_first():
    told = [{"outcome": "warning", "told": "c grew"}, {"outcome": "accepted", "told": "b left"},
            {"outcome": "tripped", "told": "a left"}]  # fmt: skip
    assert list_breakers(told).rows() == [
        ("tripped", "a left", "熔断"),
        ("accepted", "b left", "已放行"),
        ("warning", "c grew", "警告"),
    ]  # fmt: skip
    figures = make_night(manifest(breakers=told)).figures
    assert [figure.name for figure in figures][-1] == "breakers"


def test_the_tiles_tell_the_night_at_a_glance():
    tiles = {tile.title.en: tile.value for tile in make_night(manifest()).tiles}
    assert {title: value.en for title, value in tiles.items()} == {
        "customers": "600", "lists": "1", "checks passed": "23 / 24", "warnings": "1",
        "stale sources": "1 / 2", "predictions": "made",
    }  # fmt: skip
    refused = make_night(manifest(customers=4, models={"status": "refused"})).tiles
    assert [tile.value.zh for tile in refused][::5] == ["–", "未生成"]
