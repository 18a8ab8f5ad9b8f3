"""Whether released lists go elsewhere by themselves: then the night has one task more."""

from _sources import read_rules, rules_file
from _step import home_dir


def has_deliveries() -> bool:
    """Whether `deliveries.yml` names a destination, or once did: a task tells what is left there.

    If it cannot be read, a task says so.
    """
    if any((home_dir() / "deliveries").glob("*/*.jsonl")):
        return True
    try:
        rules = read_rules(rules_file("deliveries.yml"))
    except Exception:
        # Whatever it is: an import error would take the DAG away, and every alert with it.
        return True
    return bool(rules.get("destinations")) if isinstance(rules, dict) else rules is not None
