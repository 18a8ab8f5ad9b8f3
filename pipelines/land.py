"""The `land` step: raw files become typed landing rows, and the run's inputs and rules freeze.

A raw file is landed once. Its parts are committed by its manifest, written last: a part without
one is as good as absent, and landing the file again writes the same bytes.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, cast

import polars as pl

from pipelines.catalogue import Catalogue
from pipelines.encryption import key_of_table
from pipelines.errors import C360Error
from pipelines.extract.files import DIGEST_LENGTH, table_of
from pipelines.extract.parts import Part, find_parts, landing_days
from pipelines.lake import (
    Lake,
    Run,
    empty_folder,
    read_json,
    read_table,
    write_json,
    write_table,
    write_text,
)
from pipelines.landing import SECRET_OF_QUARANTINED, FileFacts, SeenRows, land_rows
from pipelines.privacy.tombstones import Tombstones
from pipelines.raw_files import read_raw
from pipelines.raw_parts import is_of_records, read_part, tables_of
from pipelines.raw_scrub import scrub_file, scrub_part
from pipelines.rules import FILES
from pipelines.rules.model import OwnFields, Source
from pipelines.rules.rows import as_frame, rule_rows
from pipelines.rules.schemas import RuleBook, RunFacts
from pipelines.rules.sources import Sources

# The amount that a mart shows of each landing table with a currency.
MONEY = {
    "orders": "total_amount",
    "refunds": "amount",
    "service_costs": "amount",
    "crm_deals": "amount",
    "crm_accounts": "annual_revenue",
    "campaign_events": "revenue_amount",
    "referrals": "reward_amount",
}
NO_CURRENCY = "XXX"  # ISO 4217: no currency involved
READ_LATER = ("deliveries.yml", "serving.yml")  # as they are when a release goes out


@dataclass(frozen=True)
class RawFile:
    """One file in `raw/`: dropped by people, or a part that a connector made.

    `tables`: what its rows become; the manifest of the first is written last and commits the file.
    """

    path: Path
    source: str
    date: str
    tables: tuple[str, ...]
    own: OwnFields
    part: Part | None = None

    @property
    def digest(self) -> str:
        """First digits of the SHA-256 of its bytes."""
        return self.path.name[:DIGEST_LENGTH]

    @property
    def name(self) -> str:
        """What the source called it."""
        return self.path.name[DIGEST_LENGTH + 2 :]

    def partition(self, root: Path, table: str) -> Path:
        """Its partition below `landing/` or `quarantine/`."""
        return root / table / f"source={self.source}" / f"date={self.date}"

    def manifest(self, root: Path, table: str) -> Path:
        """What commits its rows of a table."""
        return self.partition(root, table) / f"{self.digest}.json"


def land_new_files(
    lake: Lake,
    catalogue: Catalogue,
    sources: Sources,
    as_of: date,
    progress: Callable[[str], None],
    tombstones: Tombstones | None = None,
) -> int:
    """Land every raw file up to the run date that has not been landed; returns how many.

    Rows of who was erased are not landed, and do not stay in the raw file either.

    Raises:
        C360Error: a file cannot be read, or lost a required column.
    """
    waiting = [
        file
        for file in raw_files(lake, catalogue, sources, as_of)
        if not file.manifest(lake.landing, file.tables[0]).exists()
    ]
    for number, file in enumerate(waiting, start=1):
        progress(f"{number}/{len(waiting)} {file.source} {file.name}")
        try:
            _land_file(lake, catalogue, file, tombstones)
        except C360Error as error:
            advice = (
                f"Once the source is as it was, remove {file.path} and every later part of "
                f"{file.part.stream} in {file.path.parent.parent}; they are read again."
                if file.part
                else f"Once there is a better one, remove {file.path} and run again."
            )
            raise C360Error(error.message, f"{error.hint} {advice}") from None
    return len(waiting)


def raw_files(
    lake: Lake,
    catalogue: Catalogue,
    sources: Sources,
    as_of: date,
    *,
    even_unfinished: bool = False,
) -> Iterator[RawFile]:
    """The raw files that a run of a date lands; if asked, also parts of passes that broke off."""
    configured = {source.name: source for source in sources.sources}
    for folder in sorted(path for path in lake.raw.glob("*") if path.is_dir()):
        source = configured.get(folder.name)
        lands_as = _landing_name(folder, source)
        own: OwnFields = getattr(source, "fields", {})
        found = find_parts(folder)
        parts, days = {part.path: part for part in found}, landing_days(found)
        for path in sorted(folder.glob("*/*")):
            day, name = days.get(path, path.parent.name), path.name[DIGEST_LENGTH + 2 :]
            if even_unfinished:
                day = day or path.parent.name
            if day is None or day > as_of.isoformat() or path.name.startswith("."):
                continue
            part = parts.get(path)
            named = table_of(name, catalogue.landing)
            tables = tables_of(part) if part and is_of_records(part) else (named,)
            if tables[0]:
                yield RawFile(path, lands_as, day, cast(tuple[str, ...], tables), own, part)


def _landing_name(folder: Path, source: Source | None) -> str:
    """The source that a folder's rows land under; what it was at first, it stays.

    Raises:
        C360Error: sources.yml says otherwise by now; every row would land a second time.
    """
    wanted = (source and source.part_of) or folder.name
    noted = folder / ".lands_as"
    if not noted.exists():
        write_text(wanted, noted)
    landed = noted.read_text(encoding="utf-8")
    if source and landed != wanted:
        raise C360Error(
            f"Source {folder.name} has landed as {landed}, and is to land as {wanted} now.",
            "part_of cannot change later: every row would count twice. Give the source a new name.",
        )
    return landed


def _land_file(
    lake: Lake, catalogue: Catalogue, file: RawFile, tombstones: Tombstones | None
) -> None:
    facts = FileFacts(file.source, file.name, date.fromisoformat(file.date))
    forgetting = None if tombstones is None or tombstones.is_empty else tombstones
    counts = {table: _Counts() for table in file.tables}
    edits: list[pl.DataFrame] = []
    for table in file.tables:  # what an attempt that died left behind
        for root in (lake.landing, lake.quarantine):
            for old in file.partition(root, table).glob(f"part-{file.digest}-*.parquet"):
                old.unlink()
    for number, (table, frame, unmapped) in enumerate(read_file(file)):
        so_far = counts[table]
        dataset = catalogue["landing", table]
        result = land_rows(frame, dataset, facts, so_far.seen, forgetting)
        so_far.rows_in += frame.height
        so_far.erased += result.erased_count
        edits.append(result.edits)
        part = f"part-{file.digest}-{number:04d}.parquet"
        if result.rows.height:
            path = file.partition(lake.landing, table) / part
            so_far.landed += write_table(result.rows, path, dataset.personal)
        if result.quarantined.height:
            path = file.partition(lake.quarantine, table) / part
            so_far.quarantined += write_table(result.quarantined, path, SECRET_OF_QUARANTINED)
            so_far.rules.update(dict(result.quarantined.group_by("rule").len().rows()))
        so_far.unknown |= unmapped | set(result.unknown_columns)
    scrub(file, edits)
    for table in reversed(file.tables):
        found = counts[table]
        if not found.rows_in and table != file.tables[0]:
            continue
        manifest = {
            "source": file.source,
            "table": table,
            "date": file.date,
            "file": file.name,
            "digest": file.digest,
            "rows_in": found.rows_in,
            "landed": found.landed,
            "quarantined": found.quarantined,
            "erased": found.erased,
            "rules": found.rules,
            "unknown_columns": sorted(found.unknown),
        }
        write_json(manifest, file.manifest(lake.landing, table))


def scrub(file: RawFile, edits: list[pl.DataFrame]) -> bool:
    """Take out of a raw file what may not stay in it; returns whether there was anything."""
    told = pl.concat(edits).unique(maintain_order=True) if edits else pl.DataFrame()
    if told.is_empty():
        return False
    if file.part and is_of_records(file.part):
        scrub_part(file.path, told)
    else:
        scrub_file(file.path, file.name, told)
    return True


def read_file(file: RawFile) -> Iterator[tuple[str, pl.DataFrame, set[str]]]:
    """The file's rows as (landing table, frame of raw values, fields that nothing maps)."""
    if file.part and is_of_records(file.part):
        yield from read_part(file.part, file.source, file.own)
        return
    for frame in read_raw(file.path, file.name):
        yield file.tables[0], frame, set()


@dataclass
class _Counts:
    """What became of the rows of one table of a file."""

    rows_in: int = 0
    landed: int = 0
    quarantined: int = 0
    erased: int = 0
    unknown: set[str] = field(default_factory=set)
    rules: Counter[str] = field(default_factory=Counter)
    seen: SeenRows = field(default_factory=SeenRows)


def committed_files(lake: Lake, as_of: date) -> list[dict[str, Any]]:
    """The manifests of all files that a run of this date reads, in a fixed order.

    These are the files landed up to the run date, so that a run repeated later gives what it gave.
    A source's first load is its history: a run for a day before it reads that load too, and
    business time keeps out what had not happened yet.
    """
    paths = sorted(lake.landing.glob("*/source=*/date=*/*.json"))
    files = [{**read_json(path), "partition": path.parent} for path in paths]
    first: dict[str, str] = {}
    for file in files:
        first[file["source"]] = min(file["date"], first.get(file["source"], file["date"]))
    day = as_of.isoformat()
    return [file for file in files if file["date"] <= max(day, first[file["source"]])]


def freeze_inputs(run: Run, catalogue: Catalogue, committed: list[dict[str, Any]]) -> None:
    """Link the committed landing parts that this run reads; a table without any gets an empty part.

    From here on the run reads these links only: what lands later, or for later dates, is not in it.
    dbt cannot read an encrypted part, so it is decrypted, for as long as the night is at work.
    """
    empty_folder(run.inputs)
    for dataset in catalogue.landing.values():
        empty = pl.DataFrame(schema=dataset.schema)
        write_table(empty, run.inputs / dataset.name / "empty.parquet")
    for file in committed:
        for part in sorted(file["partition"].glob(f"part-{file['digest']}-*.parquet")):
            link = f"{file['source']}__{file['date']}__{part.name}"
            input_part = run.inputs / file["table"] / link
            if key_of_table(part):
                write_table(read_table(part), input_part)
            else:
                input_part.symlink_to(part)


def summarise_landing(
    committed: list[dict[str, Any]], book: RuleBook, as_of: date, released: str | None = None
) -> pl.DataFrame:
    """Rows in, landed, quarantined and erased for each source and table, tonight and in all.

    Tonight is all that was landed after the last released day: a file that stopped one night must
    not pass the next because it has become yesterday's.

    Returns:
        Frame `landing_summary` of the catalogue, one row per source and table.
    """
    files = pl.DataFrame(
        [
            {"erased": 0} | {k: v for k, v in file.items() if k not in ("partition", "rules")}
            for file in committed
        ],
        schema_overrides={"unknown_columns": pl.List(pl.String)},
    )
    after = pl.col("date") > released if released else pl.lit(False)
    tonight = after | (pl.col("date") >= as_of.isoformat())
    return (
        files.group_by("source", "table")
        .agg(
            pl.len().alias("file_count"),
            tonight.sum().cast(pl.Int64).alias("file_count_tonight"),
            pl.col("rows_in", "landed", "quarantined", "erased").sum().name.suffix("_count"),
            pl.col("quarantined").filter(tonight).sum().alias("quarantined_tonight"),
            pl.col("rows_in").filter(tonight).sum().alias("rows_in_tonight"),
            _all_of("unknown_columns"),
        )
        .with_columns(
            pl.when(pl.col("rows_in_tonight") > 0)
            .then(pl.col("quarantined_tonight") / pl.col("rows_in_tonight"))
            .otherwise(0.0)
            .alias("quarantined_share"),
            (
                pl.col("rows_in_count")
                - pl.sum_horizontal("landed_count", "quarantined_count", "erased_count")
            ).alias("unaccounted_count"),
            # One bad row of a table of ten must not stop a company's night.
            pl.max_horizontal(
                pl.lit(book.sources.max_quarantined_share),
                1 / pl.max_horizontal("rows_in_tonight", pl.lit(1)),
            ).alias("max_quarantined_share"),
        )
        .sort("source", "table")
    )


def _all_of(column: str) -> pl.Expr:
    items = pl.col(column).list.explode(keep_nulls=False, empty_as_null=False)
    return items.unique().sort().alias(column)


def freeze_rules(
    run: Run, catalogue: Catalogue, book: RuleBook, files: dict[str, Path], facts: RunFacts
) -> None:
    """Copy the rules as read, and write them as rows."""
    empty_folder(run.rules)
    for name, path in files.items():
        (run.rules / name).write_bytes(path.read_bytes())
    for name, rows in rule_rows(book, facts).items():
        dataset = catalogue["rules", name]
        write_table(dataset.conform(as_frame(rows, dataset.schema)), run.table("rules", name))


def frozen_rules(run: Run) -> dict[str, Path]:
    """The rules files that `land` froze for a run."""
    return {name: run.rules / name for name in FILES}


def changed_rules(run: Run, files: dict[str, Path]) -> list[str]:
    """Names of the rules files that no longer say what `land` froze for the steps of a run."""
    return [
        name
        for name, frozen in frozen_rules(run).items()
        if name not in READ_LATER
        and frozen.exists()
        and frozen.read_bytes() != files[name].read_bytes()
    ]


def find_base_currency(run: Run, book: RuleBook) -> str:
    """The currency of marts: the one in sources.yml, else the only one in the data.

    Raises:
        C360Error: amounts are in a currency that has no rate into the base currency.
    """
    seen = {
        table: set(
            _scan_input(run, table)
            .filter(pl.col(amount).is_not_null())
            .select(pl.col("currency").drop_nulls().unique())
            .collect()["currency"]
        )
        for table, amount in MONEY.items()
    }
    currencies = set().union(*seen.values())
    base = book.sources.base_currency
    if base is None:
        if len(currencies) > 1:
            raise C360Error(
                f"Amounts are in {', '.join(sorted(currencies))}, and no base currency is set.",
                "Set base_currency in sources.yml, and drop an fx_rates file for the others.",
            )
        return next(iter(currencies), NO_CURRENCY)
    rates = _scan_input(run, "fx_rates").filter(pl.col("base_currency") == base)
    known = set(rates.select(pl.col("currency").unique()).collect()["currency"]) | {base}
    without = {table: sorted(there - known) for table, there in seen.items() if there - known}
    if without:
        where = "; ".join(f"{table}: {', '.join(codes)}" for table, codes in without.items())
        raise C360Error(
            f"No exchange rate into the base currency {base} for {where}.",
            "Set base_currency in sources.yml to the currency of the data, or drop an fx_rates "
            "file (currency, base_currency, rate, rate_date).",
        )
    return base


def _scan_input(run: Run, table: str) -> pl.LazyFrame:
    return pl.scan_parquet(run.inputs / table / "*.parquet")
