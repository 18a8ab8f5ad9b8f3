"""`list_columns.yml`: what the columns of lists are called in the files that people open."""

from pydantic import Field

from pipelines.rules.model import Labelled, Rules


class ListColumns(Rules):
    """`list_columns.yml`."""

    columns: dict[str, Labelled] = Field(default={}, description="Label by column.")

    @property
    def labels(self) -> dict[str, tuple[str, str]]:
        """By column, its label in English and Chinese."""
        return {name: (told.label, told.label_zh) for name, told in self.columns.items()}
