"""Reads YAML that people write: what it says is taken at its word, or refused in one sentence."""

from pathlib import Path
from typing import Any

import yaml

from pipelines.errors import C360Error


class _RefusedError(yaml.MarkedYAMLError):
    """It is YAML, and yet says nothing that can be taken."""


class _StrictLoader(yaml.CSafeLoader):
    """YAML takes the last of two equal keys without a word; a line must not be lost so."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key for key, _ in node.value]
        for place, key in enumerate(keys):
            if key.value in [before.value for before in keys[:place]]:
                raise _RefusedError(
                    problem=f"{key.value} is there twice", problem_mark=key.start_mark
                )
        return super().construct_mapping(node, deep)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except ValueError as error:  # it looks like a date or a number, such as 2026-06-31
            raise _RefusedError(
                problem=f"{node.value!r} cannot be read: {error}", problem_mark=node.start_mark
            ) from None


def read_yaml(path: Path) -> Any:
    """The content of a file, None if it is empty; no key stands twice in it.

    Raises:
        C360Error: it cannot be read, with the line.
    """
    try:
        return yaml.load(path.read_text(encoding="utf-8"), _StrictLoader)  # noqa: S506 - a safe loader
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise C360Error(_sentence(path, error), "Mend the file and try again.") from None
    except OSError as error:
        raise C360Error(f"{path} cannot be read: {error}", "Check the file.") from None


def _sentence(path: Path, error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    if not isinstance(error, yaml.MarkedYAMLError) or mark is None:
        return f"{path} is not YAML: {' '.join(str(error).split())}."
    fault = "" if isinstance(error, _RefusedError) else " is not YAML"
    return f"{path}{fault}: line {mark.line + 1}: {error.problem}."
