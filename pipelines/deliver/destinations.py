"""From a line of `deliveries.yml` and a released list to what is sent there."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import ValidationError

from pipelines.deliver.changes import Row, content_of
from pipelines.deliver.kinds.folder import FolderFiles, PlatformFiles
from pipelines.deliver.kinds.hubspot import HubspotList
from pipelines.deliver.kinds.mailchimp import MailchimpTag
from pipelines.deliver.kinds.postgres import PostgresTable
from pipelines.deliver.kinds.zoho_crm import ZohoField
from pipelines.deliver.outbox import Destination
from pipelines.errors import AccessRefusedError, C360Error
from pipelines.extract.apis import hubspot, mailchimp, zoho_crm
from pipelines.extract.buckets import Folder
from pipelines.extract.client import Log
from pipelines.lake import sha256_of
from pipelines.platforms.aliases import check_alias
from pipelines.platforms.files import (
    PLATFORMS,
    header_of,
    keep_granted,
    name_parts,
    platform_rows,
    read_people,
    sort_sheet,
    write_sheet,
)
from pipelines.release import Release
from pipelines.rules.deliveries import (
    AnyDestination,
    FolderDestination,
    HubspotDestination,
    MailchimpDestination,
    PostgresDestination,
    ZohoCrmDestination,
)
from pipelines.rules.model import SecretsOf
from pipelines.rules.serving import PostgresServing
from pipelines.rules.source_types.hubspot import HubspotSource
from pipelines.rules.source_types.mailchimp import MailchimpSource
from pipelines.rules.source_types.zoho_crm import ZohoCrmSource


@dataclass(frozen=True)
class Released:
    """A list as it was released: its rows, the release, and which record is whose."""

    name: str
    release: Release
    day: date

    @property
    def is_kept(self) -> bool:
        """Whether a breaker held that night's list back, and this is an older one."""
        listed = self.release.manifest.get("lists", ())
        return any(told["name"] == self.name and told.get("kept_from") for told in listed)

    def file(self, ending: str) -> Path:
        """The list's file, if it is the one that was released.

        Raises:
            C360Error: there is none, or it was changed since.
        """
        path = f"lists/{self.name}.{ending}"
        known = {file["path"]: file["sha256"] for file in self.release.manifest["files"]}
        if path not in known:
            raise C360Error(
                f"{self.release.path.name} has no {path}.",
                "Check the list's name in deliveries.yml, and the format.",
            )
        if sha256_of(self.release.path / path) != known[path]:
            raise C360Error(
                f"{path} of {self.release.path.name} is not the file that was released.",
                f"Somebody changed it. Run c360 nightly --date {self.day} again.",
            )
        return self.release.path / path

    def rows(self) -> pl.DataFrame:
        """Its rows."""
        return pl.read_parquet(self.file("parquet"))

    def customers(self) -> pl.DataFrame:
        """Who has granted that an advertising platform is told of them."""
        columns = ["customer_id", "is_ads_matching_granted"]
        return pl.read_parquet(
            self.release.path / "marts" / "customer_360.parquet", columns=columns
        )

    def records(self, source: str) -> pl.DataFrame:
        """Customer and record id of each living contact of a source: customer_id, record_id."""
        keys = pl.scan_parquet(self.release.path / "state" / "customer_keys.parquet")
        living = (pl.col("source") == source) & (pl.col("entity") == "contact")
        return (
            keys.filter(living & ~pl.col("is_deleted"))
            .select("customer_id", record_id="source_record_id")
            .unique()
            .collect()
        )


def read_login(destination: AnyDestination | PostgresServing, text: str | None) -> SecretsOf:
    """The login of a destination, or of the database that serves, from a JSON object.

    Raises:
        AccessRefusedError: there is none, or it is not what the type needs.
    """
    kind, variable = destination.secrets, destination.variable
    fields = kind.model_fields
    if text is None and not any(field.is_required() for field in fields.values()):
        return kind.model_validate({})
    needed = ", ".join(name for name, field in fields.items() if field.is_required())
    hint = f"Give the environment variable {variable} a JSON object with {needed or 'a login'}."
    if text is None:
        raise AccessRefusedError(f"{destination.title} has no login.", hint)
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        wrong = sorted({str(fault["loc"][0]) for fault in error.errors() if fault["loc"]})
        told = f"check {', '.join(wrong)}" if wrong else "it is no JSON object"
    raise AccessRefusedError(f"{variable} is not what {destination.name} needs: {told}.", hint)


def count_withheld(
    destination: AnyDestination, released: Released, rows: Iterable[Row]
) -> dict[str, int]:
    """How many customers of a list are not sent to a destination, by the reason in words.

    Args:
        destination: its entry in deliveries.yml.
        released: the list.
        rows: what is to be there.
    """
    people = released.rows().select("customer_id").unique()
    sent = {row.customer_id for row in rows}
    layout = PLATFORMS.get(getattr(destination, "format", ""))
    willing = people
    if layout is not None and layout.is_advertising:
        willing = keep_granted(people, released.customers())
    match destination:
        case MailchimpDestination():
            lacking = "without an address"
        case HubspotDestination() | ZohoCrmDestination():
            lacking = f"without a living contact in {destination.source}"
        case _:
            lacking = "without an address or number that the file needs"
    counts = {
        "without a grant that advertising platforms are told of them": (
            people.height - willing.height
        ),
        lacking: willing.filter(~pl.col("customer_id").is_in(list(sent))).height,
    }
    return {reason: count for reason, count in counts.items() if count}


@contextmanager
def open_destination(
    destination: AnyDestination,
    released: Released,
    login: SecretsOf,
    key: bytes,
    log: Log,
    sleep: Callable[[float], None],
) -> Iterator[Destination]:
    """What sends one list to one destination.

    Args:
        destination: its entry in deliveries.yml.
        released: the list.
        login: what `read_login` gave.
        key: of digests that stay here.
        log: told of each call where and how it went.
        sleep: waits.
    """
    opened = _open(destination, released, login, key, log, sleep)
    connector = getattr(opened, "connector", None)
    with closing(connector.client) if connector else nullcontext():
        yield opened


def _open(
    destination: AnyDestination,
    released: Released,
    login: Any,
    key: bytes,
    log: Log,
    sleep: Callable[[float], None],
) -> Destination:
    far_name, people = destination.lists[released.name], released.rows()
    told: dict[str, Any] = {"name": destination.name, "type": destination.type}
    match destination:
        case MailchimpDestination():
            mails = MailchimpSource(**told, api_url=destination.api_url)
            reader = mailchimp.Connector(mails, login, log, sleep)
            return MailchimpTag(destination, far_name, reader, _addresses(people), key)
        case HubspotDestination():
            told |= {"seconds_between_calls": destination.seconds_between_calls}
            account = HubspotSource(**told, api_url=destination.api_url)
            records = released.records(destination.source).join(
                people.select("customer_id").unique(), on="customer_id"
            )
            connector = hubspot.Connector(account, login, log, sleep)
            return HubspotList(far_name, connector, records.sort(pl.all()).rows())
        case ZohoCrmDestination():
            told |= {"data_center": destination.data_center, "login_url": destination.login_url}
            organisation = ZohoCrmSource(**told, api_url=destination.api_url)
            crm = zoho_crm.Connector(organisation, login, log, sleep)
            return ZohoField(destination, far_name, crm, _values(destination, released, people))
        case PostgresDestination():
            return PostgresTable(destination, far_name, login, people)
        case FolderDestination():
            folder = Folder(destination.name, destination.path, login)
            return _files(destination, folder, far_name, released, people)


def _addresses(people: pl.DataFrame) -> Mapping[str, str]:
    emails = read_people(people)
    if "email" not in emails.columns:
        return {}
    pairs = emails.select("customer_id", "email").drop_nulls().sort("customer_id")
    return dict(pairs.iter_rows())


def _values(
    destination: ZohoCrmDestination, released: Released, people: pl.DataFrame
) -> list[tuple[str, str, dict[str, Any]]]:
    if missing := sorted(set(destination.fields.values()) - set(people.columns)):
        raise C360Error(
            f"Destination {destination.name}: list {released.name} has no column "
            f"{', '.join(missing)}.",
            "Name columns that segments.yml gives the list.",
        )
    records = released.records(destination.source).join(people, on="customer_id")
    return [
        (
            row["customer_id"],
            row["record_id"],
            {field: _plain(row[column]) for field, column in destination.fields.items()},
        )
        for row in records.sort("customer_id", "record_id").iter_rows(named=True)
    ]


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, Decimal):
        return float(value)
    return value.isoformat() if isinstance(value, (date, datetime)) else value


def _files(
    destination: FolderDestination,
    folder: Folder,
    alias: str,
    released: Released,
    people: pl.DataFrame,
) -> Destination:
    name, layout = destination.format, PLATFORMS.get(destination.format)
    if layout is None:
        rows = [
            Row(row["customer_id"], row["customer_id"], content_of(row))
            for row in people.iter_rows(named=True)
        ]
        whole = {f"all.{name}": released.file(name).read_bytes()}
        return FolderFiles(folder, alias, released.day, rows, whole)
    alias = f"{alias}_{name}"
    if layout.is_advertising:
        check_alias(destination.lists[released.name], released.name)
        people = keep_granted(people, released.customers())
    people = read_people(people)
    cells = platform_rows(people, layout, destination.default_country)
    if layout.is_advertising:
        return PlatformFiles(folder, alias, released.day, cells, layout)
    rows = [Row(customer_id, customer_id, content_of(told)) for customer_id, told in cells]
    sheet = sort_sheet(told for _, told in cells)
    whole = name_parts("all", write_sheet(sheet, header_of(layout, people), layout), layout)
    return FolderFiles(folder, alias, released.day, rows, whole)
