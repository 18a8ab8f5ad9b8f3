"""What the settings point at: the rules and sources of this installation, checked."""

from pipelines.catalogue import load_catalogue
from pipelines.errors import C360Error
from pipelines.rules import find_rules, load_rules
from pipelines.rules.schemas import RuleBook
from pipelines.segments import check_segment
from pipelines.settings import Settings


def configured_rules(settings: Settings) -> RuleBook:
    """The rules as they stand now, checked against the catalogue.

    Raises:
        C360Error: with one sentence per fault.
    """
    book = load_rules(find_rules(settings.rules_dir))
    audience = load_catalogue(settings.project_dir)["models", "audience"].schema
    for segment in book.segments.segments:
        check_segment(segment, audience)
    return book


def configured_sources(settings: Settings) -> list[str]:
    """Names of the sources.

    Raises:
        C360Error: there are none.
    """
    names = [source.name for source in configured_rules(settings).sources.sources]
    if not names:
        raise C360Error(
            "No sources are configured.",
            "Write sources.yml (c360 extract --help shows one) and set C360_RULES_DIR to its "
            "folder, or try c360 demo.",
        )
    return names
