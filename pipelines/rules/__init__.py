"""Reads the rules files; each fault becomes a sentence that names file, key and remedy."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipelines.errors import C360Error
from pipelines.rules.faults import describe_faults
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
            f"{rules_dir} holds {', '.join(sorted(unknown))}, which no rule is read from.",
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
        paths = {Path(name).stem: path for name, path in files.items()}
        faults = describe_faults(error.errors(include_url=False), book, paths)
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
