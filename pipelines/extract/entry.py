"""Writes a commented entry into `sources.yml`, from the schema of the source's type."""

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic_core import PydanticUndefined

from pipelines.errors import C360Error
from pipelines.rules.model import Source
from pipelines.rules.sources import AnySource

EMPTY_LIST = "sources: []"
NAME = r"[a-z][a-z0-9_]{0,62}"
NEW_FILE = """# Where the data comes from; c360 sources check tries it.
# base_currency: GBP       # of all amounts in the marts; if absent, the only one in the data
# time_zone: Europe/London # in which a day begins and ends; if absent, UTC
sources: []
"""


def source_types() -> dict[str, type[Source]]:
    """The schema of each type of source."""
    union = get_args(AnySource)[0]
    return {
        kind: schema
        for schema in get_args(union) or (union,)
        for kind in get_args(schema.model_fields["type"].annotation)
    }


def write_entry(file: Path, name: str, kind: str) -> str:
    """Add an entry for a new source to `sources.yml`; returns its text.

    Raises:
        C360Error: there is no such type, the name is taken, or the file does not end in the list of
            sources, so that nothing can be added without tearing it apart.
    """
    schemas = source_types()
    if kind not in schemas:
        raise C360Error(f"There is no type {kind!r}.", f"Types are {', '.join(sorted(schemas))}.")
    if not re.fullmatch(NAME, name):
        raise C360Error(f"{name!r} is no name of a source.", "Use a-z, 0-9 and _.")
    before = file.read_text(encoding="utf-8") if file.exists() else NEW_FILE
    if any(source.get("name") == name for source in _sources_in(before)):
        raise C360Error(f"{file} has a source {name} already.", "Choose another name, or edit it.")
    entry = textwrap.indent("\n".join(_entry_lines(schemas[kind], name, kind)), _indent(before))
    text = before.replace(EMPTY_LIST, "sources:") if EMPTY_LIST in before else before
    text = f"{text.rstrip()}\n{entry}\n"
    if not any(source.get("name") == name for source in _sources_in(text)):
        raise C360Error(
            f"{file} does not end in its list of sources.", f"Put this entry there:\n{entry}"
        )
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return entry


def _indent(text: str) -> str:
    """How far the file's own list of sources stands in; an added entry must stand there too."""
    _, _, listed = text.partition("\nsources:")
    found = re.search(r"^( *)- ", listed or text, re.MULTILINE)
    return found[1] if found else "  "


def _sources_in(text: str) -> list[dict[str, Any]]:
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError:
        return []
    sources = content.get("sources") if isinstance(content, dict) else None
    return [source for source in sources or () if isinstance(source, dict)]


def _entry_lines(schema: type[Source], name: str, kind: str) -> Iterator[str]:
    """Required keys with an example, the others as comments with their defaults."""
    yield f"# {(schema.__doc__ or kind).splitlines()[0]}"
    yield f"- name: {name}"
    yield f"  type: {kind}"
    for key, field in schema.model_fields.items():
        if key in ("name", "type"):
            continue
        told = f"  # {field.description}" if field.description else ""
        if field.default is PydanticUndefined or field.examples:
            example = (field.examples or ["..."])[0]
            block = yaml.safe_dump({key: example}, allow_unicode=True, sort_keys=False)
            lines = block.rstrip().splitlines()
            yield f"  {lines[0]}{told}"
            yield from (f"  {line}" for line in lines[1:])
            continue
        default = list(field.default) if isinstance(field.default, tuple) else field.default
        shown = yaml.safe_dump(default, default_flow_style=True, allow_unicode=True)
        yield f"  # {key}: {shown.splitlines()[0].replace('null', '')}{told}"
