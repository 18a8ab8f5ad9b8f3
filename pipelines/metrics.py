"""Key figures as `_metrics.yml` defines them: what each means, and the query that gives its value.

MetricFlow reads the definitions and writes the SQL, so that no figure is computed in two ways.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, NoReturn

from metricflow.engine.metricflow_engine import MetricFlowEngine, MetricFlowQueryRequest
from metricflow.protocols.sql_client import SqlEngine
from metricflow.sql.render.duckdb_renderer import DuckDbSqlPlanRenderer
from metricflow_semantics.model.dbt_manifest_parser import (
    parse_manifest_from_dbt_generated_manifest,
)
from metricflow_semantics.model.semantic_manifest_lookup import SemanticManifestLookup

from pipelines.errors import C360Error

UNITS = {"rate": 6, "score": 4, "ratio": 4, "amount": 4, "count": 0}  # with digits that are kept
ENTITY = "customer"


@dataclass(frozen=True)
class Metric:
    """A key figure: what it is called and means, and what a value rests on.

    base: the metric that counts the persons or answers behind a value.
    days_ago: for a change since then, the days; None for a state.
    """

    name: str
    label: str
    label_zh: str
    definition: str
    theme: str
    unit: str
    base: str
    days_ago: int | None = None


class Metrics:
    """The key figures of a semantic manifest, and how to ask for them."""

    def __init__(self, manifest: str) -> None:
        """Read what dbt wrote as `semantic_manifest.json`.

        Raises:
            C360Error: a metric with a Chinese label lacks another part of its definition.
        """
        definitions = parse_manifest_from_dbt_generated_manifest(manifest)
        self.published = tuple(
            sorted(
                (_as_metric(entry) for entry in definitions.metrics if _meta(entry)),
                key=lambda metric: metric.name,
            )
        )
        self._engine = MetricFlowEngine(SemanticManifestLookup(definitions), _OnlyWrites())

    def sql(self, names: Sequence[str], dimensions: Sequence[str] = ()) -> str:
        """The query for metrics by dimensions of the customer.

        Its columns are the names of the metrics, and `customer__<dimension>`.
        """
        request = MetricFlowQueryRequest.create(
            metric_names=sorted(set(names)),
            group_by_names=[f"{ENTITY}__{dimension}" for dimension in dimensions],
        )
        return self._engine.explain(request).sql_statement.sql


def _meta(entry: Any) -> dict[str, Any]:
    return (entry.config.meta if entry.config else None) or {}


def _as_metric(entry: Any) -> Metric:
    told = {"name": entry.name, "label": entry.label, "definition": entry.description}
    found = {key: value for key, value in (told | _meta(entry)).items() if value}
    known = {field.name for field in fields(Metric)}
    strange, missing = set(found) - known, known - {"days_ago"} - set(found)
    if strange or missing or found["unit"] not in UNITS:
        raise C360Error(
            f"The metric {entry.name} is malformed: missing {sorted(missing)}, unknown "
            f"{sorted(strange)}; its unit is one of {', '.join(UNITS)}.",
            "Mend it in dbt_project/models/marts/kpi/_metrics.yml.",
        )
    return Metric(**found)


class _OnlyWrites:
    """The part of MetricFlow's client for an engine that is needed to write SQL for it."""

    sql_engine_type = SqlEngine.DUCKDB
    sql_plan_renderer = DuckDbSqlPlanRenderer()

    def query(self, *_: Any, **__: Any) -> NoReturn:
        raise NotImplementedError

    execute = dry_run = render_bind_parameter_key = query

    def close(self) -> None:
        """Nothing is open."""
