"""Connects records by their ties, strongest first, and never past a limit.

Nodes are numbers: records, then shared values. A connected component is one customer. Where a
component would join what must stay apart, its ties are laid again one by one, the strongest first,
and each that would break a limit is dropped: so it is always the weakest that goes, and the order
in which rows arrive decides nothing.
"""

from dataclasses import dataclass, field

import numpy as np
import polars as pl
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

STRONGEST_FIRST = ["rank", "probability", "node_a", "node_b"]


@dataclass(frozen=True)
class Limits:
    """What a customer may not be.

    apart: pairs of nodes that are never one customer, each with the reason.
    held: node, id_type, value: what counts against a maximum.
    most: id_type, max_per_customer: most different values of the type.
    """

    apart: tuple[tuple[int, int, str], ...]
    held: pl.DataFrame
    most: pl.DataFrame


def find_components(edges: pl.DataFrame, size: int) -> np.ndarray:
    """The component of each node, numbered from 0; edges have node_a and node_b."""
    ends = edges.select("node_a", "node_b").to_numpy()
    ones = np.ones(len(ends), dtype=np.int8)
    graph = coo_matrix((ones, (ends[:, 0], ends[:, 1])), shape=(size, size))
    return np.asarray(connected_components(graph, directed=False)[1])


def connect(edges: pl.DataFrame, size: int, limits: Limits) -> tuple[pl.DataFrame, np.ndarray]:
    """Drop the weakest ties that would break a limit.

    Args:
        edges: node_a, node_b, rank (1 is the strongest), probability (null but for guesses).
        size: number of nodes.
        limits: what must not come together.

    Returns:
        The edges, strongest first, with `dropped_because` (null where the tie holds), and the
        component of each node.
    """
    laid = edges.sort(
        STRONGEST_FIRST, descending=[False, True, False, False], nulls_last=True
    ).with_columns(pl.lit(None, pl.String).alias("dropped_because"))
    component = find_components(laid, size)
    broken = _broken_components(component, limits)
    if not broken:
        return laid, component
    is_broken = np.isin(component, list(broken))
    doubtful = laid.with_row_index("place").filter(
        pl.Series(is_broken[laid["node_a"].to_numpy()], dtype=pl.Boolean)
    )
    reasons = _lay_again(doubtful.select("node_a", "node_b").rows(), is_broken, limits)
    dropped = doubtful.select("place", pl.Series("reason", reasons, dtype=pl.String)).filter(
        pl.col("reason").is_not_null()
    )
    laid = (
        laid.with_row_index("place")
        .join(dropped, on="place", how="left", maintain_order="left")
        .with_columns(pl.col("reason").alias("dropped_because"))
        .drop("place", "reason")
    )
    return laid, find_components(laid.filter(pl.col("dropped_because").is_null()), size)


def _broken_components(component: np.ndarray, limits: Limits) -> set[int]:
    torn = {int(component[a]) for a, b, _ in limits.apart if component[a] == component[b]}
    held = limits.held.select(
        pl.Series("component", component[limits.held["node"].to_numpy()]), "id_type", "value"
    )
    over = (
        held.join(limits.most, on="id_type")
        .group_by("component", "id_type")
        .agg(pl.col("value").n_unique().alias("count"), pl.col("max_per_customer").first())
        .filter(pl.col("count") > pl.col("max_per_customer"))
    )
    return torn | set(over["component"].to_list())


@dataclass
class _Customer:
    """What one group of nodes holds while ties are laid."""

    nodes: list[int]
    held: dict[str, set[str]] = field(default_factory=dict)
    barred: dict[int, str] = field(default_factory=dict)


def _lay_again(
    ties: list[tuple[int, int]], is_broken: np.ndarray, limits: Limits
) -> list[str | None]:
    """Why each tie, strongest first, is dropped; None where it holds."""
    nodes = {node for tie in ties for node in tie}
    customers = {node: _Customer([node]) for node in nodes}
    for a, b, reason in limits.apart:
        if a in nodes and b in nodes:
            customers[a].barred[b] = reason
            customers[b].barred[a] = reason
    counted = limits.held.filter(
        pl.Series(is_broken[limits.held["node"].to_numpy()], dtype=pl.Boolean)
    ).join(limits.most, on="id_type", how="semi")
    for node, id_type, value in counted.select("node", "id_type", "value").iter_rows():
        if node in customers:
            customers[node].held.setdefault(id_type, set()).add(value)
    most = dict(limits.most.select("id_type", "max_per_customer").iter_rows())
    return [_lay(a, b, customers, most) for a, b in ties]


def _lay(a: int, b: int, customers: dict[int, _Customer], most: dict[str, int]) -> str | None:
    one, other = customers[a], customers[b]
    if one is other:
        return None
    if reason := _clash(one, other, most):
        return reason
    small, large = sorted((one, other), key=lambda customer: len(customer.nodes))
    for id_type, values in small.held.items():
        large.held.setdefault(id_type, set()).update(values)
    large.barred |= small.barred
    large.nodes += small.nodes
    for node in small.nodes:
        customers[node] = large
    return None


def _clash(one: _Customer, other: _Customer, most: dict[str, int]) -> str | None:
    few, many = sorted((one, other), key=lambda customer: len(customer.nodes))
    if many.barred and (enemies := many.barred.keys() & few.nodes):
        return many.barred[min(enemies)]
    for id_type in sorted(few.held.keys() & many.held.keys()):
        # A single record may say more than the limit; it is refused only what would add to it.
        together = len(few.held[id_type] | many.held[id_type])
        alone = max(len(few.held[id_type]), len(many.held[id_type]))
        if together > max(most[id_type], alone):
            return f"max_per_customer {id_type}"
    return None
