"""How well identity resolution does on labelled data: precision, recall and F1 over pairs.

    .venv/bin/python benchmarks/identity_truth.py DATA [--nightly] [--model FILE]

DATA holds `senzing/` (customers, reference, watchlist and the key of who is who) and `febrl/`
(dataset_A_5000.csv, dataset_C_5000.csv: one person where rec_id // 10 agrees), both public. The
labelled data is never part of the project and nothing is tuned to it. Social security numbers are
not used: no landing table has them.

Without `--nightly` the pairs of the identity functions are tied by plain connected components:
first those that share an e-mail or phone and do not conflict, then the fuzzy ones, too. With it,
the records are dropped into a folder, `c360 nightly` runs, and its `customer_keys` are judged.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from datetime import date, datetime
from pathlib import Path

import numpy as np
import polars as pl
import yaml
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from pipelines.identity.conflicts import CONFLICT_COLUMNS, find_conflicts
from pipelines.identity.fuzzy import predict_pairs
from pipelines.identity.names import normalise_names
from pipelines.identity.normalise import normalise_email, normalise_phone
from pipelines.rules.identity import Fuzzy
from pipelines.rules.identity_model import IdentityModel

MODEL = Path("pipelines/rules/identity_model.json")
RULES = Fuzzy(**yaml.safe_load(Path("pipelines/rules/identity.yml").read_text())["fuzzy"])
MOST_SHARING = 5
AS_OF = date(2026, 1, 1)
WRITTEN = [
    "source", "id", "full_name", "first_name", "last_name", "gender", "birth_date", "street",
    "city", "state", "postal_code", "country_code", "email", "phone",
]  # fmt: skip
DATES = ("%Y-%m-%d", "%m/%d/%Y", "%m/%d/%y", "%d/%m/%Y", "%b %d %Y", "%d-%b-%y", "%d-%b-%Y")


def read_febrl(path: Path) -> pl.DataFrame:
    """Persons of one febrl file as contacts, with `person` and `party`."""
    rows = pl.read_csv(path, infer_schema=False)
    born = pl.col("date_of_birth").str.to_date("%Y%m%d", strict=False)
    return rows.select(
        source=pl.lit("febrl"),
        id="rec_id",
        full_name=pl.lit(None, pl.String),
        first_name="given_name",
        last_name="surname",
        gender=pl.lit(None, pl.String),
        birth_date=born,
        street=pl.concat_str(
            "street_number", "address_1", "address_2", separator=" ", ignore_nulls=True
        ),
        city="suburb",
        state="state",
        postal_code="postcode",
        country_code=pl.lit("AU"),
        email=pl.lit(None, pl.String),
        phone="phone_number",
        person=(pl.col("rec_id").cast(pl.Int64) // 10).cast(pl.String),
        party=pl.lit("person"),
    ).with_columns(pl.col(pl.String).str.strip_chars())


def read_senzing(folder: Path) -> pl.DataFrame:
    """Persons and companies of the truth set as contacts and accounts, with `person`."""
    files = [
        pl.read_csv(folder / f"{name}.csv", infer_schema=False)
        for name in ("customers", "reference", "watchlist")
    ]
    rows = pl.concat(files, how="diagonal").with_columns(pl.col(pl.String).str.strip_chars())
    key = pl.read_csv(folder / "actual_truthset_key.csv", infer_schema=False)
    is_company = pl.col("PRIMARY_NAME_ORG").is_not_null()
    first = pl.concat_str(
        "PRIMARY_NAME_FIRST", "PRIMARY_NAME_MIDDLE", separator=" ", ignore_nulls=True
    )
    contacts = rows.select(
        source=pl.col("DATA_SOURCE").str.to_lowercase(),
        id="RECORD_ID",
        full_name=pl.coalesce("PRIMARY_NAME_ORG", "PRIMARY_NAME_FULL", "NATIVE_NAME_FULL"),
        first_name=pl.when(first != "").then(first),
        last_name="PRIMARY_NAME_LAST",
        gender="GENDER",
        birth_date=pl.col("DATE_OF_BIRTH").map_elements(_read_date, return_dtype=pl.Date),
        street=pl.coalesce("ADDR_LINE1", "ADDR_FULL"),
        city="ADDR_CITY",
        state="ADDR_STATE",
        postal_code="ADDR_POSTAL_CODE",
        country_code=pl.lit("US"),
        email="EMAIL_ADDRESS",
        phone="PHONE_NUMBER",
        party=pl.when(is_company).then(pl.lit("organisation")).otherwise(pl.lit("person")),
    )
    truth = key.select(
        source=pl.col("DATA_SOURCE").str.to_lowercase(), id="RECORD_ID", person="CLUSTER_ID"
    )
    return contacts.join(truth, on=["source", "id"], how="left", maintain_order="left")


def _read_date(text: str) -> date | None:
    for form in DATES:
        try:
            day = datetime.strptime(text, form).date()  # noqa: DTZ007 - a birth date has no zone
        except ValueError:
            continue
        return day if day < AS_OF else day.replace(year=day.year - 100)
    return None


def as_profiles(records: pl.DataFrame) -> pl.DataFrame:
    """The records as the identity functions take them."""
    domain = pl.lit(None, pl.String)
    return normalise_names(
        records.with_row_index("node").cast({"node": pl.Int64}).with_columns(domain=domain)
    )


def pair_by_identifiers(profiles: pl.DataFrame) -> pl.DataFrame:
    """Pairs of records that share an e-mail or phone and do not conflict."""
    values = [
        (node, value)
        for node, email, phone, country in profiles.select(
            "node", "email", "phone", "country_code"
        ).rows()
        for value in (email and normalise_email(email), phone and normalise_phone(phone, country))
        if value
    ]
    carried = pl.DataFrame(values, schema={"node": pl.Int64, "value": pl.String}, orient="row")
    carried = carried.filter(pl.len().over("value") <= MOST_SHARING)
    pairs = (
        carried.join(carried, on="value", suffix="_b")
        .filter(pl.col("node") < pl.col("node_b"))
        .select(node_a="node", node_b="node_b")
        .unique()
    )
    sides = [
        pairs.select(node=f"node_{end}")
        .join(profiles, on="node", how="left", maintain_order="left")
        .select(pl.col(CONFLICT_COLUMNS).name.suffix(f"_{end}"))
        for end in ("a", "b")
    ]
    return pairs.filter(find_conflicts(pl.concat(sides, how="horizontal")).is_null())


def tie(profiles: pl.DataFrame, pairs: pl.DataFrame) -> pl.Series:
    """The component of each record."""
    edges = pairs.select("node_a", "node_b").to_numpy()
    ones = np.ones(len(edges), dtype=np.int8)
    graph = coo_matrix((ones, (edges[:, 0], edges[:, 1])), shape=(profiles.height,) * 2)
    return pl.Series("customer", connected_components(graph, directed=False)[1]).cast(pl.String)


def run_nightly(records: pl.DataFrame) -> pl.Series:
    """The customer of each record, as a night says that finds them in a drop folder."""
    with tempfile.TemporaryDirectory() as folder:
        home, rules = Path(folder) / "home", Path(folder) / "rules"
        rules.mkdir()
        sources = []
        for (source,), rows in records.group_by(["source"], maintain_order=True):
            drop = Path(folder) / str(source)
            drop.mkdir()
            sources.append({"name": source, "type": "files", "path": str(drop)})
            is_company = pl.col("party") == "organisation"
            rows.filter(~is_company).select(WRITTEN[1:]).write_parquet(
                drop / "crm_contacts.parquet"
            )
            rows.filter(is_company).select(
                "id", "street", "city", "state", "postal_code", "country_code", "phone",
                name="full_name",
            ).write_parquet(drop / "crm_accounts.parquet")  # fmt: skip
        (rules / "sources.yml").write_text(
            json.dumps({"base_currency": "USD", "time_zone": "UTC", "sources": sources})
        )
        environment = {**os.environ, "C360_HOME": str(home), "C360_RULES_DIR": str(rules)}
        command = "from pipelines.cli import main; main()"
        subprocess.run(
            [sys.executable, "-c", command, "nightly", "--date", str(AS_OF)],
            env=environment,
            check=True,
            stdout=sys.stderr,
        )
        keys = pl.read_parquet(next(home.rglob("customer_keys.parquet")))
    entity = pl.when(pl.col("party") == "organisation").then(pl.lit("account"))
    return records.with_columns(entity=entity.otherwise(pl.lit("contact"))).join(
        keys.select("entity", "source", "customer_id", id="source_record_id"),
        on=["entity", "source", "id"],
        how="left",
        maintain_order="left",
    )["customer_id"]


def judge(records: pl.DataFrame, customer: pl.Series, label: str) -> None:
    """Print precision, recall and F1 over pairs, and companies that were merged with persons."""
    judged = records.with_columns(customer=customer).drop_nulls(["person", "customer"])

    def pairs(*columns: str) -> int:
        sizes = judged.group_by(columns).len()["len"].cast(pl.Int64)
        return int((sizes * (sizes - 1) // 2).sum())

    found, true, right = pairs("customer"), pairs("person"), pairs("customer", "person")
    precision, recall = right / max(found, 1), right / max(true, 1)
    f1 = 2 * precision * recall / max(precision + recall, 1e-9)
    mixed = judged.group_by("customer").agg(pl.col("party").n_unique()).filter(pl.col("party") > 1)
    print(
        f"{label:34} precision {precision:.4f}  recall {recall:.4f}  F1 {f1:.4f}"
        f"  pairs {found} found, {true} true  companies with persons {mixed.height}"
    )


def evaluate(name: str, records: pl.DataFrame, model: IdentityModel, *, nightly: bool) -> None:
    """Judge one labelled set, persons and companies apart as well."""
    if nightly:
        ways = {"nightly": run_nightly(records)}
    else:
        profiles = as_profiles(records)
        exact = pair_by_identifiers(profiles)
        fuzzy = predict_pairs(profiles, model, RULES).filter(
            (pl.col("probability") >= RULES.link_above) & pl.col("conflict").is_null()
        )
        both = pl.concat([exact, fuzzy.select("node_a", "node_b")])
        ways = {"exact": tie(profiles, exact), "exact + fuzzy": tie(profiles, both)}
    for way, customer in ways.items():
        judge(records, customer, f"{name}, {way}")
        if records["party"].n_unique() > 1:
            for party in ("person", "organisation"):
                of_party = records["party"] == party
                judge(
                    records.filter(of_party), customer.filter(of_party), f"{name}, {way}, {party}"
                )


def main() -> None:
    """Judge all sets that DATA holds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--nightly", action="store_true")
    parser.add_argument("--model", type=Path, default=MODEL)
    asked = parser.parse_args()
    model = IdentityModel.model_validate_json(asked.model.read_text())
    sets = {
        "febrl A": read_febrl(asked.data / "febrl" / "dataset_A_5000.csv"),
        "febrl C": read_febrl(asked.data / "febrl" / "dataset_C_5000.csv"),
        "Senzing": read_senzing(asked.data / "senzing"),
    }
    for name, records in sets.items():
        evaluate(name, records, model, nightly=asked.nightly)


if __name__ == "__main__":
    main()
