"""What the settings point at: the rules and sources of this installation, checked."""

import difflib
from collections.abc import Iterable, Mapping

from pipelines.catalogue import Catalogue, Column, Dataset, load_catalogue
from pipelines.errors import C360Error
from pipelines.extract.connector import Stream
from pipelines.extract.sql.mapping import check_mapping
from pipelines.extract.systems import SYSTEMS
from pipelines.platforms.aliases import check_alias
from pipelines.platforms.files import PLATFORMS
from pipelines.publish import MADE_BY_PUBLISH, MARTS
from pipelines.rules import find_rules, load_rules
from pipelines.rules.deliveries import AnyDestination, FolderDestination
from pipelines.rules.model import OwnFields
from pipelines.rules.schemas import RuleBook
from pipelines.rules.segments import Segment
from pipelines.rules.serving import ALL, BY_LOGIN, Serving
from pipelines.rules.source_types.sql import SqlSource
from pipelines.rules.sources import AnySource
from pipelines.rules.survivorship import Survivorship
from pipelines.segments.lint import refuse_faults
from pipelines.settings import Settings


def check_own_fields(source: AnySource, landing: Mapping[str, Dataset]) -> None:
    """Refuse own fields of a stream or for a landing column that there is not.

    Raises:
        C360Error: naming the source, the stream and what comes nearest.
    """
    own: OwnFields = getattr(source, "fields", {})
    streams: dict[str, Stream] = SYSTEMS[source.type].STREAMS if own else {}
    for name, fields in own.items():
        where = f"sources.yml: source {source.name}, fields"
        if name not in streams:
            raise C360Error(f"{where}: {source.type} has no stream {name}.", _near(name, streams))
        table = streams[name].tables[0]
        if table == "consents":  # there they say which purpose a kind of message serves
            continue
        for column in fields:
            if column not in landing[table].schema:
                hint = _near(column, landing[table].schema)
                raise C360Error(f"{where}, {name}: {table} has no column {column}.", hint)


def check_survivorship(rules: Survivorship, sources: Iterable[str]) -> None:
    """Refuse a priority for a source that there is not: it would win nothing, without a word.

    Raises:
        C360Error: naming the group, the source and what comes nearest.
    """
    known = list(sources)
    for name, group in rules.groups.items():
        for source in group.sources:
            if source not in known:
                raise C360Error(
                    f"survivorship.yml: group {name}: sources.yml has no source {source}.",
                    _near(source, known),
                )


def check_platform_name(segment: Segment, form: str, alias: str) -> None:
    """Refuse a name that tells an advertising platform what a list is about.

    Raises:
        C360Error: naming the list, the word and what to write.
    """
    platform = PLATFORMS.get(form)
    if platform and platform.is_advertising:
        check_alias(alias, segment.name, [segment.label])


def check_destination(destination: AnyDestination, book: RuleBook) -> None:
    """Refuse a list or source that there is not, and an alias that tells a platform too much.

    Raises:
        C360Error: naming the destination, the word and what comes nearest.
    """
    where = f"deliveries.yml: destination {destination.name}"
    segments = {segment.name: segment for segment in book.segments.segments}
    for name, alias in destination.lists.items():
        if name not in segments:
            raise C360Error(f"{where}: there is no list {name}.", _near(name, segments))
        if isinstance(destination, FolderDestination):
            check_platform_name(segments[name], destination.format, alias)
    sources = [source.name for source in book.sources.sources]
    source = getattr(destination, "source", None)
    if source is not None and source not in sources:
        raise C360Error(f"{where}: sources.yml has no source {source}.", _near(source, sources))


def check_breakers(book: RuleBook, catalogue: Catalogue) -> None:
    """Refuse limits of a list, mart or input that there is not: they would watch nothing.

    Raises:
        C360Error: naming what is unknown and what comes nearest.
    """
    lists = {segment.name for segment in book.segments.segments}
    inputs = set(catalogue.landing) | {
        f"{source.part_of or source.name}.{table}"
        for source in book.sources.sources
        for table in catalogue.landing
    }
    for what, named, known in (
        ("list", book.breakers.lists.lists, lists),
        ("watched mart", book.breakers.marts.marts, set(MARTS) - MADE_BY_PUBLISH),
        ("input table", book.breakers.inputs.tables, inputs),
    ):
        for name in named:
            if name not in known:
                raise C360Error(
                    f"breakers.yml: there is no {what} {name}.", _near(name, sorted(known))
                )


def check_serving(serving: Serving, marts: Mapping[str, Dataset]) -> None:
    """Refuse marts, groups and columns that there are not, and rows that cannot be limited.

    Raises:
        C360Error: naming the role, the word and what comes nearest.
    """
    customers = {column.name: column for column in marts["customer_360"].columns}
    for group, named in serving.groups.items():
        where = f"serving.yml: group {group}"
        if group in marts or group == ALL:
            raise C360Error(f"{where} has the name of a mart.", "Rename it.")
        if strange := [mart for mart in named if mart not in marts]:
            raise C360Error(f"{where}: there is no mart {strange[0]}.", _near(strange[0], marts))
    for name, role in serving.roles.items():
        where = f"serving.yml: role {name}"
        known = (ALL, *serving.groups, *marts)
        if strange := [mart for mart in role.marts if mart not in known]:
            near = _near(strange[0], known)
            raise C360Error(f"{where}: there is no group or mart {strange[0]}.", near)
        for column, values in role.rows.items():
            _check_limit(where, column, values, customers)
        if role.rows:
            for mart in serving.marts_of(role, tuple(marts)):
                _check_has_customer(where, marts[mart])
    for login, columns in serving.logins.items():
        for column in columns:
            _check_limit(f"serving.yml: login {login}", column, BY_LOGIN, customers)


def _check_limit(
    where: str, column: str, values: str | tuple[bool | str, ...], customers: Mapping[str, Column]
) -> None:
    """Refuse a column of customer_360 by which rows cannot be told apart."""
    if column not in customers:
        near = _near(column, customers)
        raise C360Error(f"{where}: customer_360 has no column {column}.", near)
    kind = customers[column].data_type
    wanted = bool if kind == "boolean" else str
    is_text = values == BY_LOGIN and kind == "varchar"
    are_of_type = values != BY_LOGIN and all(isinstance(value, wanted) for value in values)
    if kind not in ("varchar", "boolean") or not (is_text or are_of_type):
        raise C360Error(
            f"{where}: rows cannot be limited so by {column}, which is {kind}.",
            "Write texts for a varchar (or by_login), true or false for a boolean.",
        )


def _check_has_customer(where: str, mart: Dataset) -> None:
    """Refuse a mart that tells of customers by other columns: all its rows would show."""
    if "customer_id" in mart.schema or not any("customer_id" in name for name in mart.schema):
        return
    raise C360Error(
        f"{where}: {mart.name} has no customer_id by which its rows could be limited.",
        "Leave it out of the role's marts, or the role without rows.",
    )


def _near(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"Did you mean {near[0]}?" if near else f"There are {', '.join(known)}."


def configured_rules(settings: Settings) -> RuleBook:
    """The rules as they stand now, checked against the catalogue.

    Raises:
        C360Error: with one sentence per fault.
    """
    book = load_rules(find_rules(settings.rules_dir))
    catalogue = load_catalogue(settings.project_dir)
    check_survivorship(book.survivorship, (source.name for source in book.sources.sources))
    for source in book.sources.sources:
        check_own_fields(source, catalogue.landing)
        if isinstance(source, SqlSource):
            check_mapping(source, catalogue.landing)
    audience = {column.name: column for column in catalogue["models", "audience"].columns}
    refuse_faults(book.segments.segments, audience)
    for segment in book.segments.segments:
        for platform, alias in segment.platforms.items():
            check_platform_name(segment, platform, alias)
    for destination in book.deliveries.destinations:
        check_destination(destination, book)
    check_breakers(book, catalogue)
    if book.serving.postgres:
        check_serving(book.serving, {name: catalogue[group, name] for name, group in MARTS.items()})
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
