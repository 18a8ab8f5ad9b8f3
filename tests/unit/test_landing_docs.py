"""docs/landing.md is what the catalogue says."""

from factories import PROJECT


def table_of_tables(catalogue):
    lines = ["| table | a row is | must have | may have |", "|---|---|---|---|"]
    envelope = set.intersection(*(set(d.schema) for d in catalogue.landing.values()))
    for name, dataset in sorted(catalogue.landing.items()):
        own = [column for column in dataset.columns if column.name not in envelope]
        needed = [f"`{column.name}`" for column in own if column.required]
        either = " or ".join(f"`{column}`" for column in dataset.one_of)
        must = ", ".join([*needed, *filter(None, [either])]) or "nothing"
        may = ", ".join(
            f"`{c.name}`" for c in own if not c.required and c.name not in dataset.one_of
        )
        lines.append(f"| `{name}` | {dataset.grain} | {must} | {may} |")
    return "\n".join(lines)


def test_the_tables_and_columns_of_the_docs_are_those_of_the_catalogue(catalogue):
    text = (PROJECT / "docs" / "landing.md").read_text(encoding="utf-8")
    assert table_of_tables(catalogue) in text
