"""Reads the rules files; each fault becomes a sentence that names file, key and remedy."""

import difflib
import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from pipelines.errors import C360Error
from pipelines.rules.schemas import RuleBook
from pipelines.yaml_files import read_yaml

PACKAGED = Path(__file__).resolve().parent
# Written by a command, not by hand; it stands beside the rules, as it decides as they do.
IDENTITY_MODEL = "identity_model.json"
FILES = tuple(
    IDENTITY_MODEL if name == "identity_model" else f"{name}.yml" for name in RuleBook.model_fields
)


def find_rules(rules_dir: Path | None) -> dict[str, Path]:
    """The file that holds each rule: the company's own, else the packaged one.

    Raises:
        C360Error: the company's directory is missing or holds an unknown rules file.
    """
    if rules_dir is None:
        return {name: PACKAGED / name for name in FILES}
    if not rules_dir.is_dir():
        raise C360Error(
            f"The rules directory {rules_dir} does not exist.",
            "Make it, or point C360_RULES_DIR at the right place.",
        )
    unknown = {path.name for path in rules_dir.glob("*.y*ml")} - set(FILES)
    if unknown:
        raise C360Error(
            f"{rules_dir} holds {sorted(unknown)}, which no rule is read from.",
            f"Rules files are {', '.join(FILES)}.",
        )
    own = {name: rules_dir / name for name in FILES if (rules_dir / name).is_file()}
    return {name: own.get(name, PACKAGED / name) for name in FILES}


def load_rules(files: dict[str, Path]) -> RuleBook:
    """Read and check all rules files.

    Raises:
        C360Error: with one sentence per fault.
    """
    book: dict[str, Any] = {}
    for name, path in files.items():
        content = read_yaml(path)
        book[Path(name).stem] = {} if content is None else content
    try:
        return RuleBook.model_validate(book)
    except ValidationError as error:
        faults = sorted({_sentence(fault, files) for fault in error.errors(include_url=False)})
        raise C360Error(
            "The rules have faults:\n  " + "\n  ".join(faults),
            f"Mend the files; c360 rules check reads them again.{_how_to_begin(error, files)}",
        ) from None


def rules_sha256(files: Iterable[Path]) -> str:
    """One digest of all rules files, by name and content."""
    digest = hashlib.sha256()
    for path in sorted(files, key=lambda path: path.name):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _sentence(fault: ErrorDetails, files: dict[str, Path]) -> str:
    file, *keys = (str(part) for part in fault["loc"])
    # After an entry's number in such a list stands its type, which the file does not have there.
    where = " > ".join(keys[:2] + keys[3:] if _is_typed(keys) else keys) or "the file"
    path = {Path(name).stem: path for name, path in files.items()}.get(file, Path(file))
    if fault["type"] == "extra_forbidden":
        known = _known_keys([file, *keys[:-1]])
        near = difflib.get_close_matches(keys[-1], known, n=1) if keys else []
        advice = f"did you mean {near[0]!r}?" if near else f"known keys are {', '.join(known)}."
        return f"{path}: {where} is not a key; {advice}"
    if fault["type"] == "missing":
        return f"{path}: {where} is missing."
    message = fault["msg"].removeprefix("Value error, ")
    return f"{path}: {where}: {message[:1].lower()}{message[1:]}."


def _how_to_begin(error: ValidationError, files: dict[str, Path]) -> str:
    """What whoever wrote only the lines to change has to know."""
    short = {
        str(f["loc"][0]) for f in error.errors() if f["type"] == "missing" and len(f["loc"]) == 2
    }
    own = [path.name for path in files.values() if path.stem in short and path.parent != PACKAGED]
    if not own:
        return ""
    copied = " and ".join(str(PACKAGED / name) for name in own)
    return (
        " A rules file of your own replaces the packaged one as a whole: "
        f"copy {copied}, and change the lines there."
    )


def _is_typed(keys: list[str]) -> bool:
    return len(keys) > 2 and keys[0] in ("sources", "destinations") and keys[1].isdigit()


def _known_keys(keys: list[str]) -> list[str]:
    """Keys of the schema at a place in the rule book."""
    models: list[type[BaseModel]] = [RuleBook]
    for key in keys:
        of_type = [m for m in models if key in _models_types(m)]
        models = of_type or models
        annotations = [m.model_fields[key].annotation for m in models if key in m.model_fields]
        models = [found for note in annotations for found in _models_in(note)] or models
    fields = [field for model in models for field in model.model_fields.items()]
    return sorted({field.alias or name for name, field in fields})


def _models_types(model: type[BaseModel]) -> tuple[str, ...]:
    """What `type: ...` may say in a source of this schema."""
    known = model.model_fields.get("type")
    return tuple(getattr(known.annotation, "__args__", ())) if known else ()


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in getattr(annotation, "__args__", ()) for model in _models_in(part)]
