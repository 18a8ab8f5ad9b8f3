"""Whether released lists go elsewhere by themselves: then the night has one task more."""

from _sources import read_rules, rules_file


def has_deliveries() -> bool:
    """Whether `deliveries.yml` names a destination. If it cannot be read, a task says so."""
    try:
        rules = read_rules(rules_file("deliveries.yml"))
    except Exception:
        # Whatever it is: an import error would take the DAG away, and every alert with it.
        return True
    return bool(rules.get("destinations")) if isinstance(rules, dict) else rules is not None
