"""Events as the BigQuery export has them, and files of them."""

import gzip
import json
from collections.abc import Iterable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

Event = dict[str, Any]
TEXT, WHOLE, REAL = pa.string(), pa.int64(), pa.float64()


def _struct(*names: str, **kinds: Any) -> pa.DataType:
    return pa.struct([(name, kinds.get(name, TEXT)) for name in (*names, *kinds)])


PARAMS = pa.list_(
    _struct(
        "key",
        value=_struct("string_value", int_value=WHOLE, float_value=REAL, double_value=REAL),
    )
)
SCHEMA = pa.schema(
    [
        ("event_date", TEXT),
        ("event_timestamp", WHOLE),
        ("event_name", TEXT),
        ("event_params", PARAMS),
        ("event_value_in_usd", REAL),
        ("user_id", TEXT),
        ("user_pseudo_id", TEXT),
        ("privacy_info", _struct("analytics_storage", "ads_storage", "uses_transient_token")),
        ("user_properties", PARAMS),
        ("device", _struct("category", "operating_system", web_info=_struct("browser"))),
        ("geo", _struct("city", "country", "continent", "region")),
        ("traffic_source", _struct("name", "medium", "source")),
        ("stream_id", TEXT),
        ("platform", TEXT),
        ("ecommerce", _struct("transaction_id", purchase_revenue=REAL)),
        ("items", pa.list_(_struct("item_id", "item_name", price=REAL))),
        (
            "collected_traffic_source",
            _struct("manual_campaign_name", "manual_source", "manual_medium", "gclid"),
        ),
        ("batch_event_index", WHOLE),
        ("batch_page_id", WHOLE),
        ("batch_ordering_id", WHOLE),
    ]
)
KINDS = {str: "string_value", int: "int_value", float: "double_value"}


def event(number: int = 1, name: str = "page_view", **given: Any) -> Event:
    """An event of 2026-06-30; `params` is what it has, by name."""
    params = {"page_location": "https://shop.example/", "ga_session_id": 77}
    params |= given.pop("params", {})
    told: Event = {
        "event_date": "20260630",
        "event_timestamp": 1_782_777_600_000_000 + number,  # 2026-06-30 00:00 UTC
        "event_name": name,
        "event_params": [
            {"key": key, "value": _value(value)} for key, value in params.items() if value
        ],
        "user_id": None,
        "user_pseudo_id": f"{number}.1782000000",
        "privacy_info": {"analytics_storage": "Yes", "ads_storage": "Unset"},
        "user_properties": [],
        "device": {"category": "mobile", "web_info": {"browser": "Chrome"}},
        "geo": {"city": "Berlin", "country": "Germany", "continent": "Europe"},
        "stream_id": "5550001",
        "platform": "WEB",
        "items": [],
        "batch_event_index": 1,
        "batch_page_id": 1_782_777_600_000,
        "batch_ordering_id": 2,
    }
    return told | given


def _value(value: Any) -> dict[str, Any]:
    empty = dict.fromkeys(("string_value", "int_value", "float_value", "double_value"))
    return empty | (value if isinstance(value, dict) else {KINDS[type(value)]: value})


def write_parquet(
    path: Path, events: Iterable[Event], schema: pa.Schema = SCHEMA, **options: Any
) -> None:
    """A file as `bq extract --destination_format PARQUET` writes it."""
    pq.write_table(pa.Table.from_pylist(list(events), schema=schema), path, **options)


def write_json(path: Path, events: Iterable[Event]) -> None:
    """A file as `bq extract --destination_format NEWLINE_DELIMITED_JSON` writes it.

    Whole numbers are text, and what is null or empty is left out.
    """
    lines = "".join(json.dumps(_as_json(e), ensure_ascii=False) + "\n" for e in events)
    content = lines.encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def _as_json(value: Any) -> Any:
    if isinstance(value, dict):
        told = {key: _as_json(item) for key, item in deepcopy(value).items()}
        return {key: item for key, item in told.items() if item not in (None, [], {})}
    if isinstance(value, list):
        return [_as_json(item) for item in value]
    return str(value) if isinstance(value, int) else value
