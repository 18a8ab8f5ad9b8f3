"""Why two records are one customer: the path of ties between them."""

from collections import deque

import polars as pl

STEP = ["end_a", "end_b", "tie", "priority", "probability", "weight", "rule", "since_on"]


def find_path(edges: pl.DataFrame, start: str, goal: str) -> pl.DataFrame:
    """The fewest ties that lead from one record to the other, in order.

    Args:
        edges: `identity_edges`; those that were dropped lead nowhere.
        start: reference of one record.
        goal: reference of the other.

    Returns:
        STEP, each tie told in the direction of the path; empty if none leads there.
    """
    held = edges.filter(pl.col("status") == "links").sort("end_a", "end_b", "tie")
    ways: dict[str, list[tuple[str, int]]] = {}
    for number, (a, b) in enumerate(held.select("end_a", "end_b").iter_rows()):
        ways.setdefault(a, []).append((b, number))
        ways.setdefault(b, []).append((a, number))
    came: dict[str, tuple[str, int] | None] = {start: None}
    queue = deque([start])
    while queue and goal not in came:
        here = queue.popleft()
        for there, number in ways.get(here, []):
            if there not in came:
                came[there] = (here, number)
                queue.append(there)
    steps = []
    here = goal
    while (step := came.get(here)) is not None:
        before, number = step
        row = held.row(number, named=True)
        steps.append(row | {"end_a": before, "end_b": here})
        here = before
    return pl.DataFrame(steps[::-1], schema=held.schema).select(STEP)
