"""What of a released table goes with a customer."""

import polars as pl

# Columns that say whose a row is, also in a table that the catalogue no longer knows.
WHOSE = frozenset({"customer_id", "alias_id", "company_customer_id"})


def forget_customers(
    frame: pl.DataFrame, keys: frozenset[str], ids: frozenset[str], refs: frozenset[str]
) -> pl.DataFrame:
    """Take customers out of a released table.

    A row goes where a column that it cannot do without names one of them; in any other column,
    a text that names one becomes null.

    Args:
        frame: the table.
        keys: columns that a row cannot do without.
        ids: ids of the customers; they stand in texts too.
        refs: their records, as they are written in ties.
    """
    needed = keys | WHOSE
    goes = pl.Series([False] * frame.height, dtype=pl.Boolean)
    cleaned = []
    for name, dtype in frame.schema.items():
        if dtype == pl.List(pl.String):
            named = pl.element().str.contains_any(list(ids)) | pl.element().is_in(list(refs))
            cleaned.append(pl.col(name).list.eval(pl.element().filter(~named)))
        if dtype != pl.String:
            continue
        told = frame[name]
        hit = (told.str.contains_any(list(ids)) | told.is_in(list(refs))).fill_null(value=False)
        if name in needed:
            goes = goes | hit
        elif hit.any():
            cleaned.append(pl.when(~hit).then(pl.col(name)).alias(name))
    return frame.with_columns(cleaned).filter(~goes)
